"""Folders that `save_to_disk` of Hugging Face's datasets wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from qkd_study import Arrays, DataFile, InputError
from qkd_study.data import choose
from tests.data.made_folders import NAMES, animals, save

X = np.random.default_rng(0).normal(size=(40, 3))
KIND = np.arange(40) % 4


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_images_with_a_test_split(tmp_path: Path, mode: str) -> None:
    pixels = animals(tmp_path / "animals", mode)
    dataset = DataFile(tmp_path / "animals").load()
    labels = np.arange(40) % 3
    same = Arrays("animals", pixels, labels, pixels[:9], labels[:9], class_names=NAMES).load()
    assert dataset.digest == same.digest
    assert dataset.class_names == same.class_names == tuple(NAMES)
    assert dataset.max_value == 255


def test_numbers_arrays_and_several_files(tmp_path: Path) -> None:
    numbers = pa.table({"a": X[:, 0], "kind": KIND, "b": X[:, 1], "id": [f"s{i}" for i in KIND]})
    save(tmp_path / "numbers", numbers, {}, shards=3)
    read = DataFile(tmp_path / "numbers", label="kind", drop=("id",), name="n").load()
    assert read.digest == Arrays("n", X[:, :2], KIND).load().digest
    lists = pa.table({"v": X.tolist(), "kind": KIND})
    save(tmp_path / "lists", lists, {}, shards=2)
    read = DataFile(tmp_path / "lists", label="kind", name="n").load()
    assert read.digest == Arrays("n", X, KIND).load().digest
    save(tmp_path / "both" / "train", lists.slice(0, 30), {})
    save(tmp_path / "both" / "validation", lists.slice(30), {})
    (tmp_path / "both" / "dataset_dict.json").write_text('{"splits": ["train", "validation"]}')
    assert DataFile(tmp_path / "both", label="kind", name="n").load().digest == read.digest


def broken_image(folder: Path) -> None:
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    rows = [{"bytes": b"no image", "path": None}] * 40
    save(folder, pa.table({"image": pa.array(rows, kind), "label": KIND}), {})


def path_only(folder: Path) -> None:
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    rows = [{"bytes": None, "path": "elsewhere.png"}] * 40
    save(folder, pa.table({"image": pa.array(rows, kind), "label": KIND}), {})


def text(folder: Path) -> None:
    save(folder, pa.table({"text": ["a"] * 40, "label": KIND}), {})


def two_arrays(folder: Path) -> None:
    save(folder, pa.table({"v": X.tolist(), "w": X.tolist(), "label": KIND}), {})


def ragged(folder: Path) -> None:
    save(folder, pa.table({"v": [[1.0], [1.0, 2.0]] * 20, "label": KIND}), {})


def no_class(folder: Path) -> None:
    save(folder, pa.table({"v": X.tolist(), "label": [None, *KIND[1:].tolist()]}), {})


def split(folder: Path) -> None:
    text(folder / "extra")
    (folder / "dataset_dict.json").write_text('{"splits": ["extra"]}')


def no_train(folder: Path) -> None:
    text(folder / "test")
    (folder / "dataset_dict.json").write_text('{"splits": ["test"]}')


def indices(folder: Path) -> None:
    text(folder)
    state = json.loads((folder / "state.json").read_text()) | {"_indices_data_files": [{}]}
    (folder / "state.json").write_text(json.dumps(state))


def no_json(folder: Path) -> None:
    text(folder)
    (folder / "state.json").write_text("{")


def no_files(folder: Path) -> None:
    text(folder)
    (folder / "state.json").write_text("{}")


def cut(folder: Path) -> None:
    text(folder)
    file = next(folder.glob("*.arrow"))
    file.write_bytes(file.read_bytes()[:100])


def gone(folder: Path) -> None:
    text(folder)
    next(folder.glob("*.arrow")).unlink()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (broken_image, "own: column 'image', row 1 is a broken image: cannot identify"),
        (path_only, "own: column 'image', row 1 holds no image but bytes, path. Allowed: images"),
        (text, r"own: column 'text' is not of numbers.*drop=\('text',\)"),
        (two_arrays, r"column 'v' holds arrays.*are others: w\..*drop=\('w',\)"),
        (ragged, r"column 'v', row 2 has the shape \(2,\), but the first has \(1,\)"),
        (no_class, "column 'label' has no class in 1 rows"),
        (split, "own has the split 'extra'. Allowed: train, validation, test"),
        (no_train, "own has no split 'train'; it has test"),
        (indices, r"saved as indices into another table.*flatten_indices\(\)"),
        (no_json, "own cannot be read as a folder of datasets: Expecting property name"),
        (no_files, "own cannot be read as a folder of datasets: it lacks '_data_files'"),
        (cut, "own cannot be read as a folder of datasets:"),
        (gone, "own cannot be read as a folder of datasets:"),
        (Path.mkdir, "own has neither dataset_dict.json nor state.json. Allowed: a folder that"),
    ],
)
def test_folders_that_are_no_dataset(
    tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    make(tmp_path / "own")
    with pytest.raises(InputError, match=message):
        DataFile(tmp_path / "own").load()


def test_folders_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, said in (("gone", "no folder"), ("file", "a file, not a folder")):
        entry = DataFile(tmp_path / name)
        assert not entry.available()
        with pytest.raises(InputError, match=f"{tmp_path}/{name} is {said}"):
            choose((entry,))
