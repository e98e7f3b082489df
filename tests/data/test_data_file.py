"""Files of one's own: what comes out, what is refused, and that nothing in them runs."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qkd_study import InputError
from qkd_study.data import Arrays, DataFile, load

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)) * 5
Y = np.arange(40) % 4


def frame() -> pd.DataFrame:
    table = pd.DataFrame({"b": X[:, 0], "a": np.arange(40), "kind": list("zyxw") * 10})
    return table[["b", "kind", "a"]]


def write(table: pd.DataFrame, path: Path) -> DataFile:
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path)
    return DataFile(path, label="kind")


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_tables(tmp_path: Path, ending: str) -> None:
    file = write(frame(), tmp_path / f"own{ending}")
    assert file.available()
    dataset = load(file)
    assert (dataset.name, dataset.shape, dataset.classes) == ("own", (2,), 4)
    assert len(dataset.test_labels) == 8  # round(10 / 4) of each class
    expected = Arrays("own", frame()[["b", "a"]].to_numpy(), (3 - np.arange(40) % 4)).load()
    assert dataset.digest == expected.digest


def test_npz(tmp_path: Path) -> None:
    images = RNG.normal(size=(40, 3, 4, 4))
    np.savez_compressed(tmp_path / "own.npz", x=images, y=Y, test_x=images[:8], test_y=Y[:8])
    dataset = load(DataFile(tmp_path / "own.npz", name="pictures"))
    assert dataset.digest == Arrays("pictures", images, Y, images[:8], Y[:8]).load().digest
    np.savez(tmp_path / "own2.npz", x=images, y=Y, other=np.zeros(3))
    assert load(DataFile(tmp_path / "own2.npz")).shape == (3, 4, 4)


def changed(column: str, row: int, value: Any) -> pd.DataFrame:
    table = frame().astype({column: object})
    table.loc[row, column] = value
    return table


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (changed("a", 4, "many"), "column 'a' is not of numbers: it holds 'many' in row 5"),
        (changed("b", 4, np.nan), "column 'b' holds nan in row 5. Allowed: finite"),
        (changed("b", 4, np.inf), "column 'b' holds inf in row 5"),
        (changed("kind", 4, None), "column 'kind' has no class in row 5"),
        (frame().rename(columns={"kind": "class"}), "no column 'kind'.*columns: b, class, a"),
        (frame()[["kind"]], "40 rows and 0 columns of features"),
        (frame()[:0], "0 rows and 2 columns"),
        (frame().assign(kind=1.5 * Y), r"y holds 1\.5 at \[1\]"),
        (frame().assign(kind="z"), r"y holds \['z'\] only"),
        (frame().rename(columns={"a": ""}), "a column without a name"),
        (changed("b", 4, 1e300), r"x holds 1e\+300 at \[4, 0\]"),
    ],
)
def test_tables_that_are_no_dataset(tmp_path: Path, table: pd.DataFrame, message: str) -> None:
    path = tmp_path / "own.csv"
    with pytest.raises(InputError, match=re.escape(str(path)) + ".*" + message):
        write(table, path).load()


def test_parquet_with_text_or_missing_numbers(tmp_path: Path) -> None:
    path = tmp_path / "own.parquet"
    with pytest.raises(
        InputError, match=r"own\.parquet: column 'a' is not of numbers.*'0' in row 1"
    ):
        write(frame().assign(a=frame()["a"].astype(str)), path).load()
    with pytest.raises(InputError, match="column 'a' holds <NA> in row 2"):
        write(frame().assign(a=pd.array([1, None] * 20, dtype="Int64")), path).load()


class Trap:
    """Unpickling one leaves a file: nothing in a data file may run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("ran"),)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("own.npz", b"no file of arrays", r"own\.npz cannot be read as \.npz"),
        ("own.npz", b"", "cannot be read"),
        ("own.npz", pickle.dumps(Trap()), "cannot be read"),
        ("own.csv", b"", "cannot be read as .csv: No columns to parse"),
        ("own.csv", b"a,label\n\xff\xfe,1\n", "cannot be read as .csv: 'utf-8'"),
        ("own.csv", b"a,label\n1,2\n1,2,3,4\n", "cannot be read as .csv: Error tokenizing"),
        ("own.parquet", b"no table", "cannot be read as .parquet"),
        ("own.parquet", b"", "cannot be read as .parquet"),
    ],
)
def test_files_that_are_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        DataFile(name).load()
    assert not Path("ran").exists()


def test_npz_files_that_are_no_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    traps = np.array([Trap()] * 40, dtype=object)
    np.savez("traps.npz", x=X, y=traps)
    with pytest.raises(InputError, match=r"traps\.npz cannot be read as \.npz: Object arrays"):
        DataFile("traps.npz").load()
    assert not Path("ran").exists()
    np.savez("half.npz", x=X, labels=Y)
    with pytest.raises(InputError, match=r"half\.npz has no array 'y'; it holds x, labels"):
        DataFile("half.npz").load()
    np.savez("one.npz", x=X, y=Y, test_x=X)
    with pytest.raises(InputError, match=r"one\.npz: test_y is missing"):
        DataFile("one.npz").load()
    whole = Path("half.npz").read_bytes()
    Path("cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.npz cannot be read"):
        DataFile("cut.npz").load()
    with Path("single.npz").open("wb") as out:
        np.save(out, X)
    with pytest.raises(InputError, match=r"single\.npz cannot be read.*one array without a name"):
        DataFile("single.npz").load()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("own.pkl",), r"own\.pkl must end in one of \.npz, \.csv, \.parquet"),
        ((".",), "must end in one of"),
        (("own.d",), "must end in one of .*, or be a folder of Hugging Face's datasets, whose"),
        (("",), "must be that of a file, but got ''"),
        ((3,), "must be that of a file, but got 3"),
        (("own.csv", ""), "must name a column, but got ''"),
        (
            ("own.csv", {"drop": 3}),
            r"drop of DataFile must name columns, as in \('id',\), but got 3",
        ),
        (
            ("own.csv", {"drop": ("a", "label")}),
            "drop of DataFile names 'label', the column of the",
        ),
        (("own.csv", {"sep": ";;"}), "sep of DataFile must be one character, such as ';', but got"),
        (("own.csv", {"decimal": "a"}), "decimal of DataFile must be one character"),
        (
            ("own.csv", {"decimal": ","}),
            "sep and decimal of DataFile must differ, but are both ','",
        ),
        (("own.parquet", {"sep": ";"}), "sep has no meaning for .parquet: it is for .csv files"),
        (("own.npz", {"drop": ("a",)}), "drop has no meaning for .npz: it is for tables"),
        (("own", {"decimal": ";"}), "decimal has no meaning for a folder"),
    ],
)
def test_files_that_cannot_be(arguments: tuple[Any, ...], message: str) -> None:
    options = arguments[-1] if isinstance(arguments[-1], dict) else {}
    with pytest.raises(InputError, match=message):
        DataFile(*arguments[: len(arguments) - bool(options)], **options)


def test_dialects_and_dropped_columns(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    frame().assign(id=range(40)).to_csv(path, index=False, sep=";", decimal=",")
    read = DataFile(path, "kind", drop=["id"], sep=";", decimal=",").load()
    expected = write(frame(), tmp_path / "own.parquet")
    assert read.digest == expected.load().digest
    assert read.class_names == ("w", "x", "y", "z")
    for options, message in (
        ({}, r"no column 'kind'.*It looks separated by ';': DataFile\(..., sep=';'\)"),
        ({"sep": ";"}, r"holds '.*,.*' in row 1.*behind a comma: DataFile\(..., decimal=','\)"),
        ({"sep": ";", "decimal": ",", "drop": ("x",)}, "no column 'x' to drop.*Correct drop"),
        ({"sep": ";", "decimal": ",", "drop": ("a", "b", "id")}, "40 rows and 0 columns"),
    ):
        with pytest.raises(InputError, match=message):
            DataFile(path, "kind", **options).load()


def test_standardised_tables(tmp_path: Path) -> None:
    file = write(frame().assign(same=0.1), tmp_path / "own.csv")
    plain = file.load().pool_raw.astype(np.float64)
    mean, spread = plain.mean(0), plain.std(0)
    spread[2] = 1
    moved = DataFile(file.path, "kind", standardise=True).load()
    np.testing.assert_allclose(moved.pool_raw, (plain - mean) / spread, atol=1e-6)
    test = (file.load().test_raw - mean) / spread
    np.testing.assert_allclose(moved.test_inputs(), test, atol=1e-6)
    assert moved.digest != file.load().digest
