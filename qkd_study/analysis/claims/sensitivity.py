"""Assay sensitivity: whether a study could have seen a difference where it says there is none.

Two arms that learned nothing are equivalent, and so are any two in a study that no arm and no
factor matters to. So equivalence needs arms that score above the majority class, and a contrast
somewhere in the design that is not null (ICH E10, Choice of control group, 2000, section 1.5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from qkd_study.analysis.claims.contrasts import Contrast, paired_test
from qkd_study.analysis.claims.sides import Sides, mean_over_cells, paired_scores
from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.statistics import holm
from qkd_study.analysis.statistics.hotelling import equal_means_p
from qkd_study.analysis.statistics.intervals import share_interval


def at_the_floor(results: RunTables, sides: Sequence[tuple[str, str]]) -> list[str]:
    """Which cells and arms do not score above the majority class, as texts.

    The 95 % interval of their mean test accuracy must lie above the share of the most frequent
    class. Runs of earlier versions do not have that share: nothing is said about them.

    Args:
        results: the run.
        sides: cell and arm of each.
    """
    rows = results.confirmed.groupby(["cell", "arm"])
    found = []
    for cell, arm in sides:
        if (cell, arm) not in rows.groups:
            continue
        own = rows.get_group((cell, arm))
        floor = own["metric.test_majority"].max()
        if share_interval(own["metric.test_accuracy"]).low > floor or np.isnan(floor):
            continue
        mean = own["metric.test_accuracy"].mean()
        found.append(
            f"{arm} in {cell} is not shown to score above the majority class ({mean:.1%}, which "
            f"has {floor:.1%} of the test set)"
        )
    return found


def sees_something(results: RunTables, claim: Mapping[str, Any], alpha: float) -> bool:
    """Whether some contrast of the design is not null, in a claim's metric.

    Tested are every arm against the baseline, averaged over all cells, and every factor, averaged
    over all arms and the other factors; with Holm's correction over all of them.

    Args:
        results: the run.
        claim: what it is about.
        alpha: the level of the family.
    """
    base = results.baseline or results.arms[0]
    about = {"metric": claim["metric"], "target": claim["target"], "where": {}}
    p_values = []
    for arm in results.arms:
        if arm != base:
            pairs = paired_scores(results, {**about, "better": arm, "than": base})
            p_values.append(paired_test(mean_over_cells(pairs), f"metric.{claim['metric']}")[1])
    if claim["metric"] != "epochs_to_target":
        p_values += _of_factors(results, f"metric.{claim['metric']}")
    tested = [p for p in p_values if not np.isnan(p)]
    return bool(tested) and bool(holm(tested).min() < alpha)


def _of_factors(results: RunTables, metric: str) -> list[float]:
    """p of each factor: that it does not change the mean over all arms."""
    scores = results.scores(metric)
    scores = scores.dropna(axis=1, how="all").dropna()
    by_cell: pd.DataFrame = scores.mean(axis=1).unstack("cell").dropna()
    p_values = []
    for name in results.factors:
        groups = [[c for c in cells if c in by_cell] for _, cells in results.sliced([name])]
        columns = [by_cell[cells].mean(axis=1) for cells in groups if cells]
        if len(columns) > 1:
            p_values.append(equal_means_p(np.column_stack(columns)))
    return p_values


def only_if_sensitive(
    results: RunTables,
    claim: Mapping[str, Any],
    contrasts: Sequence[tuple[Contrast, Sequence[Sides]]],
    alpha: float,
) -> list[Contrast]:
    """The contrasts of a claim, in which `equivalent` without assay sensitivity is `undecided`.

    Args:
        results: the run.
        claim: theirs.
        contrasts: each with the cells and arms of its sides.
        alpha: as for `judge`.
    """
    found, blind = [], None
    for contrast, sides in contrasts:
        verdict = contrast.verdict
        if verdict is None or verdict.status != "equivalent":
            found.append(contrast)
            continue
        why = at_the_floor(results, list(dict.fromkeys(side for pair in sides for side in pair)))
        if blind is None:
            blind = not sees_something(results, claim, alpha)
        why += ["no contrast of arms or of factors in the study differs from zero"] if blind else []
        undecided = replace(verdict, status="undecided")
        found.append(replace(contrast, verdict=undecided, insensitive=why) if why else contrast)
    return found
