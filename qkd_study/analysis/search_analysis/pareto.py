"""Pareto fronts of accuracy and cost."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qkd_study.analysis.search_analysis.configurations import CELL_ARM
from qkd_study.analysis.summary import (
    NOTHING_SHARED,
    TRIAL,
    SharedCells,
    confirmed,
    in_every_cell,
    scored_trials,
)
from qkd_study.results import mean_score


def pareto_front(
    points: pd.DataFrame, *, maximise: Sequence[str] = (), minimise: Sequence[str] = ()
) -> NDArray[np.bool_]:
    """Which rows no other row dominates: is as good in every column and better in one.

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


def confirmed_front(runs: pd.DataFrame, minimised: str) -> pd.DataFrame:
    """Confirm runs of the configurations that a search with two objectives chose.

    These are on the front of mean validation accuracy and cost among the complete trials of their
    cell and arm; later trials may have removed others from it.

    Args:
        runs: the `runs` table.
        minimised: the column of the cost.
    """
    fronts = [
        own.index[pareto_front(own, maximise=["score"], minimise=["size"])]
        for _, own in scored_trials(runs, minimised).groupby(CELL_ARM)
    ]
    rows = runs[(runs["phase"] == "confirm") & (runs["status"] == "ok")]
    chosen = {key for keys in fronts for key in keys}
    return rows[[key in chosen for key in zip(*(rows[name] for name in TRIAL), strict=True)]]


def pareto_table(
    runs: pd.DataFrame,
    cost: str = "cost.parameters",
    metric: str = "metric.test_accuracy",
    *,
    minimised: str | None = None,
    groups: Mapping[str, Hashable] | None = None,
    shared: SharedCells = NOTHING_SHARED,
) -> pd.DataFrame:
    """Score against cost of the confirmed configurations, and the Pareto front.

    The front is of means: a row may be on it by chance.

    Args:
        runs: the `runs` table.
        cost: a column that should be small: `cost.parameters`, `config.qubits`, ...
        metric: a column that should be large.
        minimised: the column that the study minimised, if it did: then there is a row for every
            chosen configuration, otherwise for the most accurate of each cell and arm.
        groups: by cell, what its rows compete with: each group has a front of its own, and other
            cells are left out. Default: all cells are one group.
        shared: see `SharedCells`. Rows that cells share stand once in each of their groups.

    Returns:
        cell, arm, trial, n (confirm replicates), the means of `cost` and `metric`, and on_front,
        cheapest first.
    """
    rows = confirmed(runs) if minimised is None else confirmed_front(runs, minimised)
    by_trial = in_every_cell(rows.assign(branch=rows["cell"]), shared).groupby(TRIAL)
    table = pd.DataFrame(
        {
            "n": by_trial.size(),
            cost: by_trial[cost].agg(mean_score),
            metric: by_trial[metric].agg(mean_score),
            "branch": by_trial["branch"].first(),
        }
    ).reset_index()
    if groups is not None:
        table = table[table["cell"].isin(list(groups))]
    numbers = {group: i for i, group in enumerate(dict.fromkeys((groups or {}).values()))}
    group = [numbers[groups[cell]] if groups else 0 for cell in table["cell"]]
    table = table.assign(group=np.array(group, dtype=int))
    table = table.drop_duplicates(["group", "branch", "arm", "trial"]).assign(on_front=False)
    for _, own in table.groupby("group"):
        table.loc[own.index, "on_front"] = pareto_front(own, maximise=[metric], minimise=[cost])
    table = table.drop(columns=["branch", "group"])
    return table.sort_values([cost, *TRIAL], ignore_index=True)
