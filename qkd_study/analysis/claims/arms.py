"""Compares every arm with the baseline, and computes how many replicates differences need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from qkd_study.analysis.claims.contrasts import paired_test
from qkd_study.analysis.claims.extension import fixed_replicates
from qkd_study.analysis.claims.sides import PairedScores, paired_scores
from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.statistics import (
    detectable_difference,
    holm,
    replicates_needed,
)
from qkd_study.analysis.statistics.samples import constant

#: The differences in accuracy of `power`, by default.
DIFFERENCES = (0.005, 0.01, 0.02)


def comparison(results: RunTables, metric: str = "metric.test_accuracy") -> pd.DataFrame:
    """A metric of every cell and arm, and its paired difference to the baseline.

    Args:
        results: the run.
        metric: a column of the `runs` table.

    Returns:
        One row per cell and arm that was confirmed: cell, arm, n, score (mean over its own
        replicates); and where there is a baseline to compare with: pairs (replicates of both),
        unpaired (those of only one, left out), gain, its t interval `low` to `high`, its bootstrap
        interval `bca_low` to `bca_high`, sd, won (share), p (as of claims, `paired_test`), p_holm
        (over all rows of this table), p_wilcoxon. Intervals, sd and p are nan below two pairs. The
        p values leave out replicates whose number depends on results, see `fixed_replicates`.
    """
    rows = []
    fixed, cut_to = fixed_replicates(results)
    contrasts = _contrasts(results, metric)
    tested = contrasts if cut_to is None else _contrasts(fixed, metric)
    for cell, arm, scores, _ in _by_cell_and_arm(results, metric):
        row = {"cell": cell, "arm": arm, "n": scores.count(), "score": scores.mean()}
        if (arm, cell) in contrasts:
            pair = contrasts[arm, cell]
            found, p = paired_test(pair, metric)
            wilcoxon = found.p_wilcoxon
            if cut_to is not None:
                early, p = paired_test(tested[arm, cell], metric)
                wilcoxon = early.p_wilcoxon
            row |= {
                "pairs": found.n,
                "unpaired": pair.left_out,
                "gain": found.mean,
                "low": found.t_low,
                "high": found.t_high,
                "bca_low": found.low,
                "bca_high": found.high,
                "sd": found.sd,
                "won": found.won,
                "p": p,
                "p_wilcoxon": wilcoxon,
            }
        rows.append(row)
    names = ["cell", "arm", "n", "score", "pairs", "unpaired", "gain", "low", "high", "bca_low"]
    names += ["bca_high", "sd", "won", "p", "p_holm", "p_wilcoxon"]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(p_holm=adjusted(table["p"])).astype(dict.fromkeys(names[3:], float))


def _contrasts(results: RunTables, metric: str) -> dict[tuple[str, str], PairedScores]:
    """Every arm and the baseline, by arm and cell."""
    base = results.baseline
    return {
        (arm, cell): pair
        for arm in results.arms
        if base is not None and arm != base
        for cell, pair in paired_scores(results, _gain(arm, base, metric)).items()
    }


def _gain(arm: str, base: str, metric: str) -> dict[str, Any]:
    """The contrast of an arm with the baseline in all cells, as a claim has it."""
    return {"better": arm, "than": base, "where": {}, "metric": metric.removeprefix("metric.")}


def adjusted(p_values: pd.Series[float]) -> pd.Series[float]:
    """Holm's correction over the p values that are not nan."""
    tested = p_values.astype(float).dropna()
    found = pd.Series(np.nan, index=p_values.index, dtype=float)
    if len(tested):
        found[tested.index] = holm(tested.to_numpy())
    return found


def power(
    results: RunTables,
    differences: Sequence[float] = (),
    *,
    metric: str = "metric.test_accuracy",
    chance: float = 0.8,
) -> pd.DataFrame:
    """How many paired replicates a difference to the baseline needs, from the observed spread.

    Args:
        results: the run.
        differences: to be detected, in the metric's unit; default: `DIFFERENCES` and the
            margins of the study's claims about this metric.
        metric: a column of the `runs` table.
        chance: the power of a paired t test at 5 %, without Holm's correction.

    Returns:
        cell, arm, pairs, sd (of the differences), detectable (the smallest difference that so many
        pairs detect with that power), and a column per difference: the pairs it needs. Arms whose
        differences are all equal are left out.
    """
    wanted = sorted({*differences} or {*DIFFERENCES, *_margins(results, metric)})
    rows: list[dict[Any, Any]] = []
    for cell, arm, scores, base in _by_cell_and_arm(results, metric):
        if base is None:
            continue
        values = np.asarray((scores - base).dropna(), dtype=np.float64)
        # If all differences are equal, their spread is unknown.
        if len(values) < 2 or constant(values):
            continue
        n, sd = len(values), float(values.std(ddof=1))
        found = detectable_difference(sd, n, power=chance)
        needed = {w: replicates_needed(w, sd, power=chance) for w in wanted}
        rows.append({"cell": cell, "arm": arm, "pairs": n, "sd": sd, "detectable": found, **needed})
    return pd.DataFrame(rows, columns=["cell", "arm", "pairs", "sd", "detectable", *wanted])


def _margins(results: RunTables, metric: str) -> set[float]:
    claims = [entry["claim"] for entry in results.manifest.get("claims", [])]
    manifest = [c for c in claims if f"metric.{c['metric']}" == metric and c["margin"] is not None]
    return {float(claim["margin"]) for claim in manifest}


def _by_cell_and_arm(
    results: RunTables, metric: str
) -> Iterator[tuple[str, str, pd.Series[float], pd.Series[float] | None]]:
    """Scores of each confirmed cell and arm, and those of its baseline, by replicate."""
    wide = results.scores(metric)
    there = set(wide.index.get_level_values("cell"))
    for cell in (name for name in results.cells if name in there):
        here = wide.loc[cell]
        for arm in results.arms:
            if here[arm].notna().any():
                base = results.baseline
                compared = base is not None and arm != base
                yield cell, arm, here[arm], here[base] if compared else None  # type: ignore[index]
