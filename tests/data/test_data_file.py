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
        (("own",), "must end in one of"),
        (("",), "must be that of a file, but got ''"),
        ((3,), "must be that of a file, but got 3"),
        (("own.csv", ""), "must name a column, but got ''"),
    ],
)
def test_files_that_cannot_be(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        DataFile(*arguments)
