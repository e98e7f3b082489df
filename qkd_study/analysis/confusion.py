"""Which classes are mistaken for which, from the predictions of confirm runs."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.statistics.intervals import share_interval
from qkd_study.analysis.summary import by_unit, confirmed
from qkd_study.common.errors import InputError
from qkd_study.common.names import unknown


def confusion(results: RunTables, cell: str, arm: str) -> pd.DataFrame:
    """Test samples by class and predicted class, over all confirm replicates of an arm in a cell.

    Returns:
        A row per class and a column per predicted class, both by name: how many predictions.

    Raises:
        InputError: the run has no such cell or arm, kept no predictions, or has none of these yet.
    """
    if cell not in results.cells:
        raise InputError(unknown("cell", cell, results.cells))
    if arm not in results.arms:
        raise InputError(unknown("arm", arm, results.arms))
    rows = _predictions(results, cell, arm)
    if rows.empty:
        why = (
            "it kept none (Study(predictions=False) or --no-predictions)"
            if results.predictions.empty
            else "no confirm run of these is there yet"
        )
        raise InputError(f"{results.name} has no predictions of {arm} in {cell}: {why}.")
    names = class_names(results)
    counts = np.zeros((len(names), len(names)), np.int64)
    np.add.at(counts, (rows["label"].to_numpy(), rows["predicted"].to_numpy()), 1)
    index, columns = pd.Index(names, name="class"), pd.Index(names, name="predicted")
    return pd.DataFrame(counts, index=index, columns=columns)


def per_class(results: RunTables) -> pd.DataFrame:
    """How well each class is recognised, by cell and arm; empty without predictions.

    Returns:
        cell, arm, class (its name), samples (of the class, in the test set), n (confirm replicates,
        or searches if there are several), recall (the share of its samples that are classified
        correctly) with the interval low, high over them (95 %, Student's on the logit scale), and
        precision (the share of the class among the samples that all replicates classify as it; nan
        if there are none).
    """
    found = []
    names = class_names(results)
    for cell, arm in itertools.product(results.cells, results.arms):
        rows = _predictions(results, cell, arm)
        if rows.empty:
            continue
        rows = rows.assign(right=rows["label"] == rows["predicted"])
        chosen = rows.groupby("predicted")["right"].mean()
        recall = rows.pivot_table(index="replicate", columns="label", values="right")
        each = by_unit(recall, results.searches)
        first = rows[rows["replicate"] == rows["replicate"].iloc[0]]["label"].value_counts()
        for label in map(int, each.columns):
            interval = share_interval(each[label].to_numpy(float))
            found.append(
                {
                    "cell": cell,
                    "arm": arm,
                    "class": names[label],
                    "samples": int(first[label]),
                    "n": interval.count,
                    "recall": interval.mean,
                    "low": interval.low,
                    "high": interval.high,
                    "precision": float(chosen.get(label, np.nan)),
                }
            )
    return pd.DataFrame(found, columns=_COLUMNS)


_COLUMNS = ["cell", "arm", "class", "samples", "n", "recall", "low", "high", "precision"]


def class_names(results: RunTables) -> list[str]:
    """The names of the classes; of runs that did not keep them, and have predictions, numbers."""
    kept = [str(name) for name in results.manifest.get("class_names", [])]
    if kept or results.predictions.empty:
        return kept
    most = int(results.predictions[["label", "predicted"]].to_numpy().max())
    return [str(label) for label in range(most + 1)]


def _predictions(results: RunTables, cell: str, arm: str) -> pd.DataFrame:
    """The predictions of the confirm runs that count."""
    table, branch = results.predictions, results.branch(cell, arm)
    rows = table[(table["cell"] == branch) & (table["arm"] == arm)]
    runs = confirmed(results.runs, results.minimised)
    own = runs[(runs["cell"] == branch) & (runs["arm"] == arm)]
    trials = own.set_index("replicate")["trial"]
    return rows[rows["trial"] == rows["replicate"].map(trials)]
