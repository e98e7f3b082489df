"""What a search used, and how far it had converged."""

from __future__ import annotations

import math

import pandas as pd

from qkd_study.analysis.search_analysis.configurations import BRANCH, configurations
from qkd_study.analysis.summary import TRIAL


def search_budget(runs: pd.DataFrame) -> pd.DataFrame:
    """What the search of each cell and arm used.

    Returns:
        cell, arm, configurations (all that were tried), complete, stopped, failed (they sum to it;
        one failed replicate makes a configuration failed), runs (trainings that were begun, so
        without the replicates that a stop saved) and seconds (`cost.seconds_total` of those that
        ended well: failed ones have no time).
    """
    found = configurations(runs)
    outcomes = {o: found["outcome"] == o for o in ("complete", "stopped", "failed")}
    counts = found.assign(configurations=1, **outcomes).groupby(BRANCH)
    search = runs[runs["phase"] == "search"]
    used = search.assign(runs=search["status"] != "stopped").rename(
        columns={"cost.seconds_total": "seconds"}
    )
    table = counts[["configurations", *outcomes]].sum().astype(int)
    sums = used.groupby(BRANCH)[["runs", "seconds"]].sum()
    return table.join(sums.astype({"runs": int, "seconds": float})).reset_index()


def convergence(runs: pd.DataFrame) -> pd.DataFrame:
    """The best score so far after each configuration, in the order in which they were suggested.

    Returns:
        cell, arm, trial, score (nan if not complete), best (so far) and gain_of_last_third: the
        best of all less the best before the last third of the configurations (rounded down), the
        same in all rows of a cell and arm. Near 0 means that more trials are unlikely to help; nan
        with fewer than three configurations or none complete before the last third. Scores are
        those that the search chose by: the best of many is too high by chance.
    """
    found = configurations(runs)[[*TRIAL, "score"]]
    best = found.groupby(BRANCH)["score"].cummax()
    found = found.assign(best=best.groupby([found["cell"], found["arm"]]).ffill())

    def gain(values: pd.Series[float]) -> float:
        last = len(values) // 3
        return float(values.iloc[-1] - values.iloc[-last - 1]) if last else math.nan

    gains = found.groupby(BRANCH)["best"].transform(gain)
    return found.assign(gain_of_last_third=gains.astype(float))
