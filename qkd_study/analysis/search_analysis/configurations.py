"""The configurations that a search tried, and what came of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from qkd_study.analysis.summary import TRIAL
from qkd_study.results import mean_score
from qkd_study.study.trial import Phase

#: Kind and bounds of each searched parameter, as `declaration["search"]` of study.json has them.
DeclaredRanges = Mapping[str, Mapping[str, Any]]

CELL_ARM = ["cell", "arm"]
#: Outcomes of a configuration, the worst last: one failed replicate makes it failed.
OUTCOMES = ("complete", "stopped", "failed")


def configurations(runs: pd.DataFrame, phase: Phase = "search") -> pd.DataFrame:
    """The trials of a phase by cell, arm and trial: outcome, score, n, and their `config.*`."""
    search = runs[runs["phase"] == phase]
    config = [c for c in search.columns if c.startswith("config.")]
    by_trial = search.groupby(TRIAL)
    rank = search["status"].map({name: i for i, name in enumerate(OUTCOMES)}).fillna(0)
    worst = rank.groupby([search[name] for name in TRIAL]).max().to_numpy(dtype=int)
    score = by_trial["metric.val_accuracy"].agg(mean_score).to_numpy(dtype=float)
    found = search.drop_duplicates(TRIAL).sort_values(TRIAL, ignore_index=True)
    found = found[[*TRIAL, *config]]
    found.insert(3, "outcome", np.array(OUTCOMES, dtype=object)[worst])
    found.insert(4, "score", np.where(worst == 0, score, np.nan))
    found.insert(5, "n", by_trial.size().to_numpy())
    return found


def varied(found: pd.DataFrame, parameters: DeclaredRanges) -> dict[str, set[str]]:
    """By arm, the parameters for which the search tried several values in any cell."""
    for name, space in parameters.items():
        if space.get("kind") not in ("Float", "LogFloat", "Int", "Choice"):
            raise ValueError(f"{name} must be Float, LogFloat, Int or Choice, but got {space!r}.")
    return {
        str(arm): {n for n in parameters if column(n) in rows and rows[column(n)].nunique() > 1}
        for arm, rows in found.groupby("arm")
    }


def column(name: str) -> str:
    """The column of a parameter."""
    return f"config.{name}"
