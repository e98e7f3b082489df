"""Gains over the baseline, summarised over cells, datasets, or runs on several datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from qkd_study.analysis.claims.datasets import (
    OverDatasets,
    by_dataset,
    summary_over_datasets,
)
from qkd_study.analysis.claims.sides import PairedScores, mean_over_cells, paired_scores
from qkd_study.analysis.run_tables import RunTables, label
from qkd_study.analysis.statistics.random_effects import (
    RandomEffects,
    covariance_of_means,
    random_effects,
)
from qkd_study.analysis.summary import by_unit
from qkd_study.study.dataset_factor import DATASET

#: A spread is estimated from so many effects at least.
FEWEST = 3
NAMES = ["arm", "effects", "pairs", "gain", "low", "high", "spread", "spread_low", "spread_high"]
NAMES += ["next_low", "next_high", "p"]


def over_cells(results: RunTables, metric: str = "metric.test_accuracy") -> pd.DataFrame:
    """The gain of every arm over the baseline, summarised over cells; see `random_effects`.

    Cells are taken for a sample of those that could have been run. That their gains are measured on
    the same replicates is allowed for. If datasets are a factor, gains are averaged over them, and
    the cells are those of the other factors.

    Args:
        results: the run.
        metric: a column of the `runs` table.

    Returns:
        arm, effects (cells), pairs (replicates, or searches, complete in all), gain with `low`
        and `high`, spread between cells with `spread_low` and `spread_high`, the interval of the
        gain in one more cell `next_low` to `next_high`, and p of no spread. Arms with fewer than
        three cells, or not more replicates than cells, are left out.
    """
    rows = []
    for arm in results.arms:
        if results.baseline is None or arm == results.baseline:
            continue
        gains = _differences(_pairs(results, arm, metric))
        if DATASET in results.factors:
            gains = gains.T.groupby(_without_dataset(results).__getitem__, sort=False).mean().T
        values = gains.to_numpy()
        n, k = values.shape
        if k >= FEWEST and n > k + 1 and np.linalg.matrix_rank(np.cov(values.T)) == k:
            found = random_effects(values.mean(axis=0), covariance_of_means(values))
            rows.append({"arm": arm, "pairs": n, **_row(found)})
    return pd.DataFrame(rows, columns=NAMES)


def over_datasets(results: RunTables, metric: str = "metric.test_accuracy") -> pd.DataFrame:
    """The gain of every arm over the baseline, summarised over the datasets of a run.

    Gains are averaged over the cells of a dataset. Datasets are taken for a sample of those that
    could have been used, and their replicates for independent.

    Args:
        results: the run.
        metric: a column of the `runs` table.

    Returns:
        The columns of `over_cells`: effects are datasets, pairs the least of them on a dataset,
        and next is one more dataset. Empty without three datasets as a factor; arms that do not
        differ from the baseline in any replicate are left out.
    """
    rows = []
    for arm, found in by_arm(results, metric).items():
        pairs = min(effect.n for effect in found.effects.values())
        rows.append({"arm": arm, "pairs": pairs, **_row(found.summary)})
    return pd.DataFrame(rows, columns=NAMES)


def by_arm(results: RunTables, metric: str = "metric.test_accuracy") -> dict[str, OverDatasets]:
    """The gain on each dataset, and its summary over datasets, by arm; see `over_datasets`."""
    if len(results.factors.get(DATASET, ())) < FEWEST or results.baseline is None:
        return {}
    summaries = {}
    for arm in results.arms:
        if arm == results.baseline:
            continue
        contrast = _contrast(results, arm, metric)
        scores = by_dataset(results, contrast, paired_scores(results, contrast))
        measured = {name: one for name, one in scores.items() if len(one.complete.dropna()) > 1}
        found = summary_over_datasets(measured) if len(measured) >= FEWEST else None
        if found is not None and any(effect.variance > 0 for effect in found.effects.values()):
            summaries[arm] = found
    return summaries


def over_runs(
    runs: Sequence[RunTables], metric: str = "metric.test_accuracy"
) -> dict[str, tuple[pd.Series[float], RandomEffects]]:
    """The gain of every arm, averaged over cells in each run, summarised over runs.

    For runs of one study on several datasets: their replicates are independent, and all of them
    count the same.

    Args:
        runs: each with another dataset.
        metric: a column of the `runs` table.

    Returns:
        By arm that three or more runs have: the gain by run, and its summary.
    """
    found: dict[str, tuple[pd.Series[float], RandomEffects]] = {}
    for arm in dict.fromkeys(arm for run in runs for arm in run.arms):
        gains, variances = {}, []
        for run in runs:
            if run.baseline is None or arm not in run.arms or arm == run.baseline:
                continue
            scores = mean_over_cells(_pairs(run, arm, metric))
            pair = scores.units(scores.complete)
            values = (pair["better"] - pair["than"]).to_numpy(dtype=float)
            if len(values) > 1 and np.ptp(values) > 0:
                gains[run.name] = float(values.mean())
                variances.append(float(values.var(ddof=1)) / len(values))
        if len(gains) >= FEWEST:
            by_run = pd.Series(gains, dtype=float)
            found[arm] = (
                by_run,
                random_effects(by_run.to_numpy(), np.diag(variances), weighted=False),
            )
    return found


def _pairs(results: RunTables, arm: str, metric: str) -> dict[str, PairedScores]:
    """The scores of an arm and of the baseline, by cell."""
    return paired_scores(results, _contrast(results, arm, metric))


def _contrast(results: RunTables, arm: str, metric: str) -> Mapping[str, Any]:
    """An arm against the baseline in all cells, as a claim has it."""
    name = metric.removeprefix("metric.")
    return {"better": arm, "than": results.baseline, "where": {}, "metric": name}


def _without_dataset(results: RunTables) -> dict[str, str]:
    """The key of each cell without its dataset."""
    return {
        cell: label({name: value for name, value in values.items() if name != DATASET})
        for cell, values in results.cells.items()
    }


def _differences(pairs: Mapping[str, PairedScores]) -> pd.DataFrame:
    """The gain by complete replicate, or search if there are several, and cell."""
    cells = {c: p.complete["better"] - p.complete["than"] for c, p in pairs.items()}
    complete = pd.DataFrame(cells).dropna(axis=1, how="all").dropna()
    return by_unit(complete, max((p.searches for p in pairs.values()), default=1))


def _row(found: RandomEffects) -> dict[str, float]:
    return {
        "effects": found.count,
        "gain": found.mean,
        "low": found.low,
        "high": found.high,
        "spread": found.spread,
        "spread_low": found.spread_low,
        "spread_high": found.spread_high,
        "next_low": found.next_low,
        "next_high": found.next_high,
        "p": found.p,
    }


def table_over_runs(runs: Sequence[RunTables]) -> pd.DataFrame:
    """The summaries of `over_runs`, in the columns of `over_cells`; effects are runs."""
    rows = [{"arm": arm, **_row(found)} for arm, (_, found) in over_runs(runs).items()]
    return pd.DataFrame(rows, columns=[name for name in NAMES if name != "pairs"])
