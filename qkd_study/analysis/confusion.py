"""Which classes are mistaken for which, from the predictions of confirm runs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.statistics.intervals import share_interval
from qkd_study.analysis.summary import by_unit, confirmed
from qkd_study.common.errors import InputError
from qkd_study.common.names import unknown
from qkd_study.study.dataset_factor import DATASET


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
    names = class_names(results, cell)
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
    for cell, arm in itertools.product(results.cells, results.arms):
        rows = _predictions(results, cell, arm)
        if rows.empty:
            continue
        names = class_names(results, cell)
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


def class_names(results: RunTables, cell: str) -> list[str]:
    """The names of the classes of a cell's dataset.

    Of runs that did not keep them, and have predictions, numbers.
    """
    dataset = results.cells[cell].get(DATASET)
    kept = names_of_classes(results.manifest, dataset)
    if kept or results.predictions.empty:
        return kept
    same = [one for one, named in results.cells.items() if named.get(DATASET) == dataset]
    rows = results.predictions
    own = rows["cell"].isin({results.branch(one, arm) for one in same for arm in results.arms})
    most = int(rows.loc[own, ["label", "predicted"]].to_numpy().max(initial=-1))
    return [str(label) for label in range(most + 1)]


def names_of_classes(manifest: Mapping[str, Any], dataset: str | None) -> list[str]:
    """The names of a dataset's classes in study.json; empty if they are not there.

    Args:
        manifest: the content of study.json.
        dataset: its name; `None` of a run with one dataset.
    """
    of_all: Mapping[str, list[str]] = manifest.get("class_names_of", {})
    return list(of_all.get(dataset or "") or manifest.get("class_names", []))


def _predictions(results: RunTables, cell: str, arm: str) -> pd.DataFrame:
    """The predictions of the confirm runs that count."""
    table, branch = results.predictions, results.branch(cell, arm)
    rows = table[(table["cell"] == branch) & (table["arm"] == arm)]
    runs = confirmed(results.runs, results.minimised)
    own = runs[(runs["cell"] == branch) & (runs["arm"] == arm)]
    trials = own.set_index("replicate")["trial"]
    return rows[rows["trial"] == rows["replicate"].map(trials)]
