"""The effort of searches, and their convergence."""

from __future__ import annotations

import math

import pandas as pd

from qkd_study.analysis.search_analysis.configurations import CELL_ARM, configurations
from qkd_study.analysis.summary import TRIAL
from qkd_study.study.replicates import TRIALS_PER_SEARCH


def search_budget(runs: pd.DataFrame) -> pd.DataFrame:
    """The configurations, runs and seconds of the search of each cell and arm.

    Returns:
        cell, arm, configurations (all that were tried), complete, stopped, failed (they sum to it;
        one failed replicate makes a configuration failed), runs (trainings, without stopped
        replicates) and seconds (`cost.seconds_total` of the successful ones: failed ones have no
        time).
    """
    found = configurations(runs)
    outcomes = {o: found["outcome"] == o for o in ("complete", "stopped", "failed")}
    counts = found.assign(configurations=1, **outcomes).groupby(CELL_ARM)
    search = runs[runs["phase"] == "search"]
    used = search.assign(runs=search["status"] != "stopped").rename(
        columns={"cost.seconds_total": "seconds"}
    )
    table = counts[["configurations", *outcomes]].sum().astype(int)
    sums = used.groupby(CELL_ARM)[["runs", "seconds"]].sum()
    return table.join(sums.astype({"runs": int, "seconds": float})).reset_index()


def convergence(runs: pd.DataFrame) -> pd.DataFrame:
    """The best score after each configuration, in the order of suggestion.

    Returns:
        cell, arm, trial, score (nan if not complete), best (so far) and gain_of_last_third: the
        best of all minus the best before the last third of the configurations (rounded down), the
        same in all rows of a search. Near 0 more trials are unlikely to help; nan with fewer
        than three configurations or none complete before the last third. Scores are validation
        scores, of which the maximum is biased upwards.
    """
    found = configurations(runs)[[*TRIAL, "score"]]
    search = [found["cell"], found["arm"], found["trial"] // TRIALS_PER_SEARCH]
    found = found.assign(best=found["score"].groupby(search).cummax())
    found = found.assign(best=found["best"].groupby(search).ffill())

    def gain(values: pd.Series[float]) -> float:
        last = len(values) // 3
        return float(values.iloc[-1] - values.iloc[-last - 1]) if last else math.nan

    gains = found["best"].groupby(search).transform(gain)
    return found.assign(gain_of_last_third=gains.astype(float))
