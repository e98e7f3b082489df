"""Outputs of teachers that were trained elsewhere are read from files, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qkd_study import InputError
from qkd_study.data import Dataset
from qkd_study.data.teacher_outputs import TeacherOutputs, read_teacher_outputs

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 3)).astype(np.float32)
TEST = RNG.normal(size=(2, 3)).astype(np.float32)
FEATURES = RNG.normal(size=(6, 2, 4)).astype(np.float32)
ORDER = np.array([5, 0, 3, 1, 2, 4])


def dataset() -> Dataset:
    labels = np.array([0, 1, 2, 0, 1, 2])
    return Dataset("made", np.zeros((6, 5)), labels, np.zeros((2, 5)), labels[:2], 3)


def npz(folder: Path, **arrays: Any) -> TeacherOutputs:
    np.savez(folder / "t.npz", **arrays)
    return read_teacher_outputs(folder / "t.npz", (folder / "t.npz").read_bytes())


def parquet(folder: Path, frame: pd.DataFrame) -> TeacherOutputs:
    frame.to_parquet(folder / "t.parquet")
    return read_teacher_outputs(folder / "t.parquet", (folder / "t.parquet").read_bytes())


def test_arrays_are_read_in_the_order_of_the_dataset(tmp_path: Path) -> None:
    shuffled = {"logits": LOGITS[ORDER], "features": FEATURES[ORDER], "index": ORDER}
    outputs = npz(tmp_path, **shuffled, test_logits=TEST[::-1], test_index=[1, 0])
    outputs.check("t.npz", dataset())
    logits, features = outputs.by_sample()
    assert (logits == LOGITS).all()
    assert features is not None
    assert (features == FEATURES).all()
    np.testing.assert_array_equal(outputs.by_test_sample(), TEST)
    plain = npz(tmp_path, logits=LOGITS.astype(np.float64))
    assert (plain.by_sample()[0] == LOGITS).all()
    assert plain.by_sample()[1] is plain.by_test_sample() is None


def test_a_table_is_read_as_arrays_are(tmp_path: Path) -> None:
    rows = [
        {"index": i, "split": "pool", "logits": LOGITS[i], "features": FEATURES[i].ravel()}
        for i in ORDER
    ]
    rows += [{"index": i, "split": "test", "logits": TEST[i]} for i in (1, 0)]
    without = [{k: v for k, v in row.items() if k != "features"} for row in rows]
    outputs = parquet(tmp_path, pd.DataFrame(without))
    outputs.check("t.parquet", dataset())
    assert (outputs.by_sample()[0] == LOGITS).all()
    np.testing.assert_array_equal(outputs.by_test_sample(), TEST)
    pool = pd.DataFrame(rows[:6]).drop(columns="split")
    found = parquet(tmp_path, pool).by_sample()[1]
    assert found is not None
    assert (found == FEATURES.reshape(6, 8)).all()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": LOGITS}, "arrays that mean nothing here: x. Allowed: logits, features"),
        ({"features": FEATURES}, "no array 'logits'. Needed: logits .samples, classes."),
        ({"logits": LOGITS[0]}, "float32 of shape .3,.. Needed: real numbers, .samples, classes."),
        ({"logits": LOGITS.astype(str)}, "logits is an array of <U32"),
        ({"logits": LOGITS[:, :1]}, r"logits have the shape \(6, 1\). Needed: .samples, classes."),
        ({"logits": [[0, -np.inf], [0, 0]]}, r"logits holds -inf at \[0, 1\].*clipped, to -30"),
        ({"logits": LOGITS, "features": FEATURES[1:]}, r"Needed: \(6, ...\), a row for each row"),
        ({"logits": LOGITS, "test_logits": TEST[:, :2]}, "must have 3 columns, as logits"),
        ({"logits": LOGITS, "test_index": [0]}, "test_index, but no test_logits"),
        ({"logits": LOGITS, "index": [0, 1]}, r"shape \(2,\). Needed: integers \(6,\)"),
        ({"logits": LOGITS, "index": [0, 1, 2, 3, 4, 4]}, "names sample 4 twice"),
        ({"logits": LOGITS, "index": [-1, 1, 2, 3, 4, 5]}, "names sample -1. Needed"),
        ({"logits": np.array([{}])}, "cannot be read as .npz: ValueError: Object arrays"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, arrays: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        npz(tmp_path, **arrays)


def test_other_tables_are_refused(tmp_path: Path) -> None:
    rows = pd.DataFrame({"index": [0, 1], "logits": [[1.0, 2.0], [1.0]]})
    with pytest.raises(InputError, match="lists of column 'logits' have different lengths"):
        parquet(tmp_path, rows)
    rows["logits"] = [[1.0, 2.0], [2.0, 1.0]]
    with pytest.raises(InputError, match=r"split holds 'train' in row 1. Allowed: 'pool' and"):
        parquet(tmp_path, rows.assign(split="train"))
    with pytest.raises(InputError, match=r"no column 'index'. Its columns: logits. Needed: index"):
        parquet(tmp_path, rows[["logits"]])
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no table")
    with pytest.raises(InputError, match=r"cannot be read as .parquet.*DataFrame.to_parquet"):
        read_teacher_outputs(tmp_path / "t.parquet", (tmp_path / "t.parquet").read_bytes())


def test_outputs_must_be_for_the_samples_of_the_dataset(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 of the 6 samples of the pool of made have no outputs"):
        npz(tmp_path, logits=LOGITS[:4]).check("t.npz", dataset())
    with pytest.raises(InputError, match="outputs for sample 9, but the pool of made has samples"):
        npz(tmp_path, logits=LOGITS, index=[0, 1, 2, 3, 4, 9]).check("t.npz", dataset())
    with pytest.raises(InputError, match="1 of the 2 samples of the test set of made"):
        npz(tmp_path, logits=LOGITS, test_logits=TEST[:1]).check("t.npz", dataset())
