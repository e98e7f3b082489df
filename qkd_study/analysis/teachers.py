"""The teachers that were searched: what was tried, which won, and how it did on the test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.search_analysis import configurations, is_at_edge
from qkd_study.analysis.summary import TRIAL, best_teachers

#: Outcomes of a configuration, as columns.
_OUTCOMES = ("complete", "stopped", "failed")


def teachers(results: RunTables) -> pd.DataFrame:
    """The best configuration of every teacher that was searched.

    Returns:
        cell (of the factors that the teacher reads), teacher (its kind), configurations, complete,
        stopped and failed ones, trial (the best), n (its replicates), val_accuracy and val_ece (its
        means over them), seconds (of all trainings), `config.<name>` of what was searched, at_edge
        (a tuple of the parameters within 5 % of an end of their range), and of the teachers of
        confirm replicates: test_n (how many), test_accuracy, and entropy of their soft targets, in
        nats: a mean over the arms that they teach.
    """
    space = results.declaration.get("teacher_search", {})
    rows = results.runs[results.runs["phase"] == "teacher"]
    tried, best = configurations(rows, "teacher"), best_teachers(rows)
    found = []
    for search in results.manifest["plan"].get("teacher_searches", []):
        cell, kind = search["cell"], search["arm"]
        own = tried[(tried["cell"] == cell) & (tried["arm"] == kind)]
        counts = own["outcome"].value_counts()
        line: dict[str, Any] = {"cell": cell, "teacher": kind, "configurations": len(own)}
        line |= {name: int(counts.get(name, 0)) for name in _OUTCOMES}
        of = rows[(rows["cell"] == cell) & (rows["arm"] == kind)]
        line["seconds"] = float(of["cost.seconds_total"].sum())
        won = of[of["trial"] == best.get((cell, kind))]
        read = [name for name in space if own[f"config.{name}"].nunique() > 1]
        line |= {"trial": best.get((cell, kind)), "n": len(won)}
        line |= {f"val_{name}": won[column].mean() for name, column in _VALIDATION.items()}
        chosen = {name: won[f"config.{name}"].iloc[0] if len(won) else None for name in space}
        line |= {f"config.{name}": value for name, value in chosen.items()}
        line["at_edge"] = tuple(n for n in read if is_at_edge(chosen[n], space[n]))
        found.append(line | _confirmed(results, search["arms"], search["values"]))
    return pd.DataFrame(found, columns=[*_COLUMNS, *(f"config.{name}" for name in space)])


_VALIDATION = {"accuracy": "metric.val_accuracy", "ece": "metric.teacher_val_ece"}
_COLUMNS = (
    *("cell", "teacher", "configurations", *_OUTCOMES, *TRIAL[-1:], "n"),
    *("val_accuracy", "val_ece", "seconds", "at_edge", "test_n", "test_accuracy", "entropy"),
)


def _confirmed(
    results: RunTables, arms: Sequence[str], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Means over the confirm replicates that a teacher teaches in."""
    cells = [cell for cell, named in results.cells.items() if named.items() >= values.items()]
    rows = results.confirmed
    rows = rows[rows["arm"].isin(arms) & rows["cell"].isin(cells)]
    rows = rows.dropna(subset=["metric.teacher_test_accuracy"])
    each = rows.groupby("replicate")["metric.teacher_test_accuracy"].first()
    return {
        "test_n": len(each),
        "test_accuracy": each.mean(),
        "entropy": rows["metric.teacher_entropy"].mean(),
    }
