"""The split of a replicate, written to a file: the samples that a run trains on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qkd_study import Arrays, DataFile
from qkd_study.cli.main import main
from qkd_study.data import load
from qkd_study.distill.samples import sample_splits
from qkd_study.study.config import Config
from qkd_study.study.study import Study


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for ending in ("csv", "parquet", "npz"):
        some = ["--replicate", "1003", "--seed", "7", "--validation-samples", "100"]
        assert main(["data", "export", "digits", "--to", f"split.{ending}", *some]) == 0
    return tmp_path


def _config() -> Config:
    study = Study(question="?", fixed={"samples": 50, "validation_samples": 100}, seed=7)
    return study.config(study.cells()[0], study.all_arms[0], {}, "digits")


def test_a_run_trains_on_what_is_exported(exported: Path) -> None:
    student, _, validation = sample_splits(_config(), load("digits"), 1003)
    table = pd.read_parquet("split.parquet")
    assert table.groupby("part").size().to_dict() == {"train": 1100, "validation": 100, "test": 597}
    train = table[(table["part"] == "train") & (table["position"] < 50)]
    pixels = [f"x{i}" for i in range(64)]
    np.testing.assert_array_equal(train[pixels], student.inputs.reshape(50, -1))
    np.testing.assert_array_equal(train["label"], student.labels)
    assert (train["class"] == train["label"].astype(str)).all()
    held = table[table["part"] == "validation"]
    np.testing.assert_array_equal(held[pixels], validation.inputs.reshape(100, -1))
    np.testing.assert_array_equal(load("digits").pool_labels[held["index"]], held["label"])

    text = pd.read_csv("split.csv", dtype={"class": str})
    pd.testing.assert_frame_equal(text.astype(table.dtypes), table, rtol=1e-6)
    with np.load("split.npz") as arrays:
        np.testing.assert_array_equal(arrays["x"][:50], student.inputs)
        np.testing.assert_array_equal(arrays["validation_x"], validation.inputs)
        np.testing.assert_array_equal(arrays["test_y"], load("digits").test_labels)
        assert arrays["class_names"].tolist() == [str(i) for i in range(10)]
    again = DataFile("split.npz").load()
    assert (len(again.pool_labels), again.shape) == (1100, (8, 8))


def test_a_file_of_ones_own(exported: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 2))
    table = pd.DataFrame(x, columns=["a", "b"]).assign(kind=["u", "v"] * 30)
    table.to_csv("own.csv", index=False, sep="\t")
    own = ["own.csv", "--label", "kind", "--sep", "\\t", "--standardise", "--drop", "b"]
    some = ["--validation-samples", "20", "--to", "own.parquet"]
    assert main(["data", "export", *own, *some]) == 0
    split = pd.read_parquet("own.parquet")
    assert len(split) == 60
    pool = split[split["part"] != "test"]
    assert set(split["class"]) == {"u", "v"}
    np.testing.assert_allclose([pool["x0"].mean(), pool["x0"].std(ddof=0)], [0, 1], atol=1e-6)
    ends = Arrays("own", x[:, :1], np.array(table["kind"], str), standardise=True).load()
    index = pool["index"].to_numpy()
    np.testing.assert_array_equal(ends.pool_inputs(index)[:, 0], pool["x0"].astype(np.float32))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["digits"], "needs --to FILE"),
        (["--to", "a.csv"], "needs the name of a dataset"),
        (["digits", "--to", "a.pkl"], "a.pkl must end in one of .npz, .csv, .parquet"),
        (["digits", "--to", "no/a.csv"], "no is no folder"),
        (["digits", "--to", "split.csv"], "split.csv exists"),
        (["digits", "--to", "a.csv", "--replicate", "-1"], "must be integers >= 0"),
        (["digits", "--to", "a.csv", "--validation-samples", "1195"], "leave 5 of 1200 samples"),
        (["digits", "--to", "a.csv", "--validation-samples", "0"], "Allowed: 1 to 1190"),
        (["digist", "--to", "a.csv"], "Did you mean 'digits'"),
        (["gone.csv", "--to", "a.csv"], "gone.csv is no file"),
    ],
)
def test_what_cannot_be_exported(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("split.csv").touch()
    assert main(["data", "export", *options]) == 2
    assert message in capsys.readouterr().err
    assert not Path("a.csv").exists()
