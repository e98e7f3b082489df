"""A contrast over datasets: its differences on them are random effects."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from qkd_study.analysis.claims.differences import differences_of, known_and_ends, variance_of_items
from qkd_study.analysis.claims.sides import PairedScores, compared, mean_over_cells
from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.statistics.random_effects import RandomEffects, random_effects
from qkd_study.analysis.statistics.samples import Reals
from qkd_study.study.dataset_factor import DATASET

#: Failed runs on more datasets than this are not bounded: p is then 1.
MOST_FAILED = 6


@dataclass(frozen=True)
class DatasetEffect:
    """The mean difference on a dataset, averaged over its cells.

    Attributes:
        mean: over `n` pairs of replicates, or of searches if there are several.
        low, high: 95 % t interval, over test items too where predictions are there.
        variance: of the mean.
    """

    mean: float
    low: float
    high: float
    variance: float
    n: int


@dataclass(frozen=True)
class OverDatasets:
    """A contrast over datasets.

    Attributes:
        effects: by dataset.
        summary: of them, as random effects.
        p: two-sided, that the mean over datasets is zero; with failed runs the largest over the
            ends of what their scores may be.
    """

    effects: Mapping[str, DatasetEffect]
    summary: RandomEffects
    p: float
    scores: Mapping[str, PairedScores]

    @property
    def values(self) -> Reals:
        """(datasets,): the effects."""
        return np.array([effect.mean for effect in self.effects.values()])

    def p_within(self, margin: float) -> float:
        """That the mean over datasets is beyond the margin, as `p`."""
        ends = _ends(self.scores)
        if ends is None:
            return 1.0
        return max(_summary(effects).p_within(margin) for effects in ends)


def by_dataset(
    results: RunTables, claim: Mapping[str, Any], by_cell: Mapping[str, PairedScores]
) -> dict[str, PairedScores]:
    """The scores of both sides of a claim on each dataset, averaged over its cells.

    Args:
        results: a run with the factor `dataset`.
        claim: as in study.json.
        by_cell: the scores in each of its cells.
    """
    found: dict[str, dict[str, PairedScores]] = {}
    for name, ((cell, _), _) in compared(results, claim).items():
        dataset = str(results.cells[cell][DATASET])
        found.setdefault(dataset, {})[name] = by_cell[name]
    return {dataset: mean_over_cells(cells) for dataset, cells in found.items()}


def summary_over_datasets(scores: Mapping[str, PairedScores]) -> OverDatasets | None:
    """The contrast over datasets, whose replicates are independent.

    Args:
        scores: by dataset.

    Returns:
        `None` with fewer than two datasets, or with one that has fewer than two pairs.
    """
    known = {name: differences_of(one, one.complete) for name, one in scores.items()}
    if len(known) < 2 or min(map(len, known.values())) < 2:
        return None
    effects = {name: _effect(known[name], _items(one)) for name, one in scores.items()}
    summary, ends, p = _summary(list(effects.values())), _ends(scores), 1.0
    if ends is not None:
        all_found = [summary, *map(_summary, ends)]
        one_sign = len({found.mean > 0 for found in all_found}) == 1
        p = max(found.p_mean for found in all_found) if one_sign else 1.0
    return OverDatasets(effects, summary, p, scores)


def _items(scores: PairedScores) -> tuple[float, float]:
    """The variance that is due to the test items, and its degrees of freedom."""
    found = variance_of_items(scores)
    return (0.0, math.inf) if found is None else (found.variance, found.df)


def _effect(values: Reals, items: tuple[float, float]) -> DatasetEffect:
    n, (added, df_items) = len(values), items
    own = float(values.var(ddof=1)) / n
    variance, df = own + added, float(n - 1)
    if added > 0:  # Satterthwaite's, as `crossed_difference`
        df = variance**2 / (own**2 / (n - 1) + added**2 / df_items)
    half = float(stats.t.ppf(0.975, df)) * math.sqrt(variance)
    alone = float(stats.t.ppf(0.975, n - 1)) * math.sqrt(own)
    mean, half = float(values.mean()), max(half, alone)
    return DatasetEffect(mean, mean - half, mean + half, variance, n)


def _ends(scores: Mapping[str, PairedScores]) -> list[list[DatasetEffect]] | None:
    """The effects without failed runs; with them, those with each dataset's at either end.

    Returns:
        `None` with failed runs on too many datasets.
    """
    options: list[Sequence[DatasetEffect]] = []
    for one in scores.values():
        known, *ends = (_effect(values, _items(one)) for values in known_and_ends(one))
        options.append(ends if one.failed else [known])
    if sum(len(one) > 1 for one in options) > MOST_FAILED:
        return None
    return [list(chosen) for chosen in itertools.product(*options)]


def _summary(effects: Sequence[DatasetEffect]) -> RandomEffects:
    """The random-effects summary; all datasets count the same, as all cells do.

    Where all replicates of a dataset have one difference, how precise it is is not known: it counts
    with the mean variance of the others, and if there are none, with next to none.
    """
    variances = np.array([effect.variance for effect in effects])
    means = np.array([effect.mean for effect in effects])
    positive = variances[variances > 0]
    least = float(positive.mean()) if len(positive) else 1e-16
    covariance = np.diag(np.where(variances > 0, variances, least))
    return random_effects(means, covariance, weighted=False)
