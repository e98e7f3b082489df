"""What no other configuration beats in everything: Pareto fronts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qkd_study.analysis.insight.configurations import BRANCH
from qkd_study.analysis.summary import confirmed
from qkd_study.results import mean_score


def pareto_front(
    points: pd.DataFrame, *, maximise: Sequence[str] = (), minimise: Sequence[str] = ()
) -> NDArray[np.bool_]:
    """Which rows no other row dominates: as good in every column, and better in one.

    Equal rows are all kept. Rows with a nan in these columns are never on the front and dominate
    none.

    Args:
        points: one row per point.
        maximise, minimise: its columns, together at least one.

    Raises:
        ValueError: no column, one that `points` lacks, or one named twice.
    """
    names = [*maximise, *minimise]
    if isinstance(maximise, str) or isinstance(minimise, str) or not names:
        raise ValueError(f"Name columns in lists, but got {maximise=}, {minimise=}.")
    if len(set(names)) < len(names) or not set(names) <= set(points.columns):
        raise ValueError(f"Columns must be different ones of {list(points)}, but got {names}.")
    signs = np.array([1.0] * len(maximise) + [-1.0] * len(minimise))
    values = points[names].to_numpy(dtype=float) * signs
    front: NDArray[np.bool_] = ~np.isnan(values).any(axis=1)
    for i in np.flatnonzero(front):
        better = (values >= values[i]).all(axis=1) & (values > values[i]).any(axis=1)
        front[i] = not better.any()
    return front


def pareto_table(
    runs: pd.DataFrame, cost: str = "cost.parameters", metric: str = "metric.test_accuracy"
) -> pd.DataFrame:
    """Score against cost of the confirmed configurations, and which no other beats in both.

    A front is of means: a row may be on it by chance. Rows of cells that must not compete, such
    as those with fewer samples, are to be left out before.

    Args:
        runs: the `runs` table.
        cost: a column that should be small: `cost.parameters`, `config.qubits`, ...
        metric: a column that should be large.

    Returns:
        cell, arm, n (confirm replicates), the means of `cost` and `metric`, and on_front, cheapest
        first.
    """
    by_branch = confirmed(runs).groupby(BRANCH)
    table = pd.DataFrame(
        {
            "n": by_branch.size(),
            cost: by_branch[cost].agg(mean_score),
            metric: by_branch[metric].agg(mean_score),
        }
    ).reset_index()
    front = pareto_front(table, maximise=[metric], minimise=[cost])
    return table.assign(on_front=front).sort_values([cost, *BRANCH], ignore_index=True)
