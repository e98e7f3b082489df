"""Which arms and cells, and which of their teachers, were trained for too few epochs."""

from __future__ import annotations

import pandas as pd

from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.statistics.intervals import mean_interval
from qkd_study.common.late_rise import late_rise

#: An arm of a cell was still rising if its interval is above 0 and its mean above this accuracy.
NOTICED = 0.005
#: A verdict is marked if more than this share of what it compares was still rising.
TOLERATED = 0.25

_COLUMNS = ["cell", "arm", "runs", "rise", "low", "high", "last", "rising"]


def undertraining(results: RunTables) -> pd.DataFrame:
    """How much confirm runs still gained when their training ended.

    Returns:
        cell, arm, runs, `rise` (the mean validation accuracy gained over the last fifth of the
        epochs, see `late_rise`), its t interval `low` to `high`, `last` (the share of runs whose
        best epoch was the last), and `rising`: whether the interval is above 0 and the mean above
        half a point of accuracy. Runs with fewer than three validated epochs are left out.
    """
    keys = ["cell", "arm", "replicate"]
    curves = results.confirmed_curves.dropna(subset=["metric.val_accuracy"]).sort_values("epoch")
    found = [
        {
            **dict(zip(keys, key, strict=True)),
            "rise": late_rise(run["epoch"], run["metric.val_accuracy"]),
            "last_epoch": run["epoch"].iloc[-1],
        }
        for key, run in curves.groupby(keys, sort=False)
    ]
    if not found:
        return pd.DataFrame(columns=_COLUMNS)
    runs = pd.DataFrame(found)
    best = results.confirmed.set_index(keys)["metric.best_epoch"]
    runs["last"] = runs["last_epoch"] == best.reindex(pd.MultiIndex.from_frame(runs[keys])).array
    return _by_arm(results, runs)


def teacher_undertraining(results: RunTables) -> pd.DataFrame:
    """How much the teachers of confirm runs still gained when their training ended.

    Returns:
        as `undertraining`, of the teachers of each cell and arm. Arms without a teacher, or with
        one that was trained elsewhere, are left out, and so are runs of earlier versions, which
        recorded nothing of it: then it is not known.
    """
    runs = results.confirmed
    last = runs["metric.teacher_best_epoch"] == runs["config.teacher_epochs"]
    return _by_arm(results, runs.assign(rise=runs["metric.teacher_late_rise"], last=last))


def _by_arm(results: RunTables, runs: pd.DataFrame) -> pd.DataFrame:
    """The table of runs with `rise` and `last`, by cell and arm."""
    rows = []
    runs = runs.dropna(subset=["rise"])
    for cell in results.cells:
        for arm in results.arms:
            there = runs[(runs["cell"] == cell) & (runs["arm"] == arm)]
            if there.empty:
                continue
            rise = mean_interval(there["rise"].astype(float), most=1.0)
            rows.append(
                {
                    "cell": cell,
                    "arm": arm,
                    "runs": len(there),
                    "rise": rise.mean,
                    "low": rise.low,
                    "high": rise.high,
                    "last": float(there["last"].mean()),
                    "rising": bool(rise.low > 0 and rise.mean > NOTICED),
                }
            )
    return pd.DataFrame(rows, columns=_COLUMNS)
