"""Which classes are mistaken for which, by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from qkd_study import InputError
from qkd_study.analysis import Results
from qkd_study.analysis.statistics.intervals import share_interval
from tests.analysis.made import made_results, with_predictions

NAMES = ["cat", "dog", "emu"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Predictions drawn evenly over three classes, of which the last is never predicted."""
    made = with_predictions(made_results(), tmp_path_factory.mktemp("run"), items=30)
    table = made.predictions
    rng = np.random.default_rng(0)
    table["label"] = (np.arange(len(table)) % 3).astype(np.int32)
    table["predicted"] = rng.integers(0, 2, len(table)).astype(np.int32)
    found = replace(made, manifest=made.manifest | {"class_names": NAMES})
    found.__dict__["_predictions"] = (table, ())
    return found


def _rows(results: Results, cell: str, arm: str) -> pd.DataFrame:
    table = results.predictions
    return table[(table["cell"] == cell) & (table["arm"] == arm)]


def test_confusion_is_that_of_scikit_learn(results: Results) -> None:
    rows = _rows(results, "samples=50", "soft")
    found = results.confusion("samples=50", "soft")
    np.testing.assert_array_equal(found, confusion_matrix(rows["label"], rows["predicted"]))
    assert found.index.tolist() == found.columns.tolist() == NAMES
    assert int(found.to_numpy().sum()) == 12 * 30  # replicates and samples


def test_each_class_by_name(results: Results) -> None:
    table = results.per_class()
    assert len(table) == 2 * 4 * 3
    rows = _rows(results, "samples=100", "scratch")
    own = table[(table["cell"] == "samples=100") & (table["arm"] == "scratch")]
    assert own["class"].tolist() == NAMES
    assert own["samples"].tolist() == [10, 10, 10]
    expected = recall_score(rows["label"], rows["predicted"], average=None)
    np.testing.assert_allclose(own["recall"], expected)
    precision = precision_score(
        rows["label"], rows["predicted"], average=None, zero_division=np.nan
    )
    np.testing.assert_allclose(own["precision"], precision)
    each = [
        (part["predicted"] == 0)[part["label"] == 0].mean() for _, part in rows.groupby("replicate")
    ]
    ends = share_interval(each)
    assert own[["n", "low", "high"]].iloc[0].tolist() == [12, ends.low, ends.high]


def test_a_run_without_names_has_numbers(results: Results) -> None:
    kept = {name: value for name, value in results.manifest.items() if name != "class_names"}
    old = replace(results, manifest=kept)
    old.__dict__["_predictions"] = (results.predictions, ())
    assert old.confusion("samples=50", "soft").index.tolist() == ["0", "1", "2"]


def test_each_dataset_has_its_own_names(results: Results) -> None:
    manifest = dict(results.manifest)
    factors = {"dataset": ["pets", "digits"]}
    manifest["declaration"] = {**manifest["declaration"], "factors": factors}
    table = results.predictions.copy()
    named = {"samples=50": "dataset=pets", "samples=100": "dataset=digits"}
    table["cell"] = table["cell"].map(named)
    runs = results.runs.assign(cell=results.runs["cell"].map(named))
    table.loc[(table["cell"] == "dataset=digits") & (table["label"] == 2), "label"] = 1
    manifest |= {"class_names": [], "class_names_of": {"pets": NAMES}}
    several = replace(results, manifest=manifest, runs=runs)
    several.__dict__["_predictions"] = (table, ())
    assert several.confusion("dataset=pets", "soft").index.tolist() == NAMES
    assert several.confusion("dataset=digits", "soft").index.tolist() == ["0", "1"]
    classes = several.per_class().groupby("cell")["class"].unique()
    assert classes["dataset=pets"].tolist() == NAMES
    assert classes["dataset=digits"].tolist() == ["0", "1"]


def test_what_there_is_not(results: Results, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown cell 'samples=5'\. Did you mean 'samples=50'"):
        results.confusion("samples=5", "soft")
    with pytest.raises(InputError, match=r"unknown arm 'sotf'\. Did you mean 'soft'"):
        results.confusion("samples=50", "sotf")
    none = replace(made_results(), path=tmp_path)
    with pytest.raises(InputError, match=r"no predictions of soft in samples=50: it kept none"):
        none.confusion("samples=50", "soft")
    assert none.per_class().empty
