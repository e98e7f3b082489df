"""The best configuration of each cell and arm, and whether its search was too narrow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from qkd_study.analysis.search_analysis.configurations import (
    DeclaredRanges,
    column,
    configurations,
    varied,
)
from qkd_study.analysis.summary import TRIAL, best_trials

#: A value this close to an end of its range, as a share of the range, lies at its edge.
EDGE = 0.05


def best_configurations(
    runs: pd.DataFrame, parameters: DeclaredRanges, minimised: str | None = None
) -> pd.DataFrame:
    """The configuration that each cell and arm confirms, and whether its search was too narrow.

    Args:
        runs: the `runs` table.
        parameters: the search space, as `declaration["search"]` of study.json.
        minimised: the column that the study minimised, if it did.

    Returns:
        cell, arm, trial, score (mean validation accuracy), n (replicates), `config.<name>` of every
        parameter, and at_edge: a tuple of the parameters whose value lies within 5 % of the range
        from one of its ends, in the logarithm for `LogFloat`. A better value may lie beyond, unless
        the parameter itself ends there. Choices have no ends, and parameters that the arm did not
        vary, or that are null, are never listed.

    Raises:
        ValueError: a parameter's kind is unknown.
    """
    found = configurations(runs)
    tried = varied(found, parameters)
    best = found.merge(best_trials(runs, minimised).reset_index(), on=TRIAL)
    edges = [
        tuple(
            n
            for n in parameters
            if n in tried[row["arm"]] and is_at_edge(row[column(n)], parameters[n])
        )
        for _, row in best.iterrows()
    ]
    columns = [column(name) for name in parameters]
    table = best.reindex(columns=[*TRIAL, "score", "n", *columns])
    return table.assign(at_edge=pd.Series(edges, index=table.index, dtype=object))


def is_at_edge(value: Any, space: Mapping[str, Any]) -> bool:
    """Whether a value lies within 5 % of a declared range from one of its ends."""
    if space["kind"] == "Choice" or pd.isna(value):
        return False
    low, high, x = float(space["low"]), float(space["high"]), float(value)
    if space["kind"] == "LogFloat":
        low, high, x = math.log(low), math.log(high), math.log(x) if x > 0 else -math.inf
    # With a tolerance for rounding.
    return min(x - low, high - x) <= EDGE * (high - low) * (1 + 1e-9)
