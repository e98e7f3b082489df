"""Subsets and arrays of one's own, and the choice among declarations."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qkd_study import InputError, StudyWarning
from qkd_study.data import Arrays, DataFile, Subset, choose, load, name_of, source

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)) * 5
Y = np.arange(40) % 4


def test_a_subset_of_digits() -> None:
    digits, part = load("digits"), load(Subset("digits", (8, 3)))
    kept = np.flatnonzero((digits.pool_labels == 8) | (digits.pool_labels == 3))
    assert (part.name, part.classes, part.shape) == ("digits:8,3", 2, (8, 8))
    np.testing.assert_array_equal(part.pool_raw, digits.pool_raw[kept])
    np.testing.assert_array_equal(part.pool_labels, np.where(digits.pool_labels[kept] == 8, 0, 1))
    assert len(part.test_labels) == np.isin(digits.test_labels, (3, 8)).sum()
    assert part.test_inputs().max() == 1
    assert part.digest != digits.digest


def test_a_subset_of_a_subset() -> None:
    outer = Subset(Subset("digits", (5, 1, 7)), (2, 0), name="sevens and fives")
    assert outer.name == name_of(outer) == "sevens and fives"
    dataset, straight = outer.load(), Subset("digits", (7, 5)).load()
    np.testing.assert_array_equal(dataset.pool_labels, straight.pool_labels)
    np.testing.assert_array_equal(dataset.pool_raw, straight.pool_raw)
    assert Subset(Subset("digits", (5, 1, 7)), (2, 0)).name == "digits:5,1,7:2,0"


@pytest.mark.parametrize(
    ("of", "classes", "message"),
    [
        ("digits", (3,), r"at least 2 and all different, but got \(3,\)"),
        ("digits", (3, 3), "all different"),
        ("digits", (3, 10**5000), "must be below 1,000,000,000, but got an integer of 16610 bits"),
        ("digits", (3, 10), r"'digits:3,10': there is no class 10 to keep\. Allowed: 0 to 9"),
        ("digits", (-1, 3), "no class -1"),
        ("digits", (1.5, 3), r"must be integers, but got 1\.5"),
        ("digits", (True, 3), "must be integers, but got True"),
        ("digits", "38", r"must be such as \(3, 8\), but got '38'"),
        ("digits", 3, "but got 3"),
        ("mnits", (0, 1), "unknown dataset 'mnits'"),
        (7, (0, 1), "but got 7"),
        (Subset("digits", (1, 2, 3)), (0, 3), "no class 3 to keep. Allowed: 0 to 2"),
        (Arrays("mine", X, Y), (0, 4), "no class 4 to keep. Allowed: 0 to 3"),
    ],
)
def test_subsets_that_cannot_be(of: Any, classes: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Subset(of, classes)


def test_a_subset_of_a_file_is_checked_when_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x=X, y=Y, test_x=X[:2], test_y=Y[:2])
    file = DataFile(tmp_path / "own.npz")
    with pytest.raises(InputError, match="no class 9 to keep"):
        Subset(file, (0, 9)).load()
    with pytest.raises(InputError, match=r"the test set of own has no sample of .*\(2, 3\)"):
        Subset(file, (2, 3)).load()


@pytest.mark.parametrize("shape", [(3,), (4, 5), (3, 4, 5)])
def test_arrays_of_any_shape(shape: tuple[int, ...]) -> None:
    x = RNG.normal(size=(40, *shape)) * 9
    before = x.astype(np.float32)
    mine = Arrays("mine", x, Y, x[:4], Y[:4])
    x[:] = 0  # what was declared stays
    dataset = load(mine)
    assert (dataset.name, dataset.shape, dataset.classes) == ("mine", shape, 4)
    np.testing.assert_array_equal(dataset.pool_inputs(np.arange(40)), before)
    np.testing.assert_array_equal(dataset.test_inputs(), before[:4])
    np.testing.assert_array_equal(dataset.pool_labels, Y)


@pytest.mark.parametrize("share", [0.01, 0.25, 0.99])
def test_a_test_set_is_split_off_every_class(share: float) -> None:
    y = np.repeat([0, 1, 2], [60, 30, 2])
    x = np.arange(92.0)[:, None]
    dataset = Arrays("mine", x, y, test_share=share).load()
    expected = [min(max(round(share * n), 1), n - 1) for n in (60, 30, 2)]
    assert np.bincount(dataset.test_labels).tolist() == expected
    both = np.concatenate((dataset.pool_raw, dataset.test_raw)).ravel()
    assert sorted(both) == x.ravel().tolist()
    np.testing.assert_array_equal(y[dataset.test_raw.ravel().astype(int)], dataset.test_labels)
    assert dataset.digest == Arrays("mine", x, y, test_share=share).load().digest


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (["no", "yes"] * 20, [0, 1] * 20),
        (np.array(["b", "a"] * 20), [1, 0] * 20),
        (pd.Series(["b", "a"] * 20), [1, 0] * 20),
        ([-1, 1] * 20, [0, 1] * 20),
        (np.array([7.0, 3.0] * 20), [1, 0] * 20),
        (np.array([True, False] * 20), [1, 0] * 20),
        (np.array([10, 9] * 20, dtype=object), [1, 0] * 20),
    ],
)
def test_classes_are_numbered_in_sorted_order(y: Any, expected: list[int]) -> None:
    dataset = Arrays("mine", X, y, X[:2], y[:2]).load()
    assert dataset.pool_labels.dtype == np.int64
    assert dataset.pool_labels.tolist() == expected
    assert dataset.test_labels.tolist() == expected[:2]


@pytest.mark.parametrize(
    ("largest", "kind", "divide_by", "divisor"),
    [
        (255, np.uint8, None, 255),
        (200, np.int64, None, 255),
        (16, np.uint8, None, 16),
        (1, np.uint8, None, 1),
        (40_000, np.uint16, None, 65_535),
        (70_000, np.int64, None, 1),
        (255, np.float64, None, 1),
        (255, np.float64, 255, 255),
        (255, np.uint8, 1, 1),
        (255, np.uint8, np.float32(0.5), 0.5),
    ],
)
def test_integer_images_are_scaled(
    tmp_path: Path, largest: int, kind: type, divide_by: Any, divisor: float
) -> None:
    x = RNG.integers(0, largest, (40, 4, 5), endpoint=True)
    x[1] = largest
    x = x.astype(kind)
    mine = Arrays("mine", x, Y, x[:8], Y[:8], divide_by=divide_by).load()
    expected = (x / divisor).astype(np.float32)
    np.testing.assert_allclose(mine.pool_inputs(np.arange(40)), expected, rtol=1e-6)
    np.testing.assert_allclose(mine.test_inputs(), expected[:8], rtol=1e-6)
    np.savez(tmp_path / "mine.npz", x=x, y=Y, test_x=x[:8], test_y=Y[:8])
    assert DataFile(tmp_path / "mine.npz", divide_by=divide_by).load().digest == mine.digest
    as_it_is = Arrays("mine", x, Y, x[:8], Y[:8], divide_by=1).load()
    assert (mine.digest == as_it_is.digest) == (divisor == 1)  # a run on other inputs is another
    assert Subset(Arrays("mine", x, Y, divide_by=divide_by), (0, 1)).load().max_value == divisor


def test_what_is_no_image_of_integers_is_used_as_it_is() -> None:
    for x in (X, np.arange(120).reshape(40, 3), np.arange(480).reshape(40, 3, 4) - 1):
        assert Arrays("mine", x, Y).load().max_value == 1
    black = np.zeros((40, 4, 4), np.uint8)
    assert Arrays("mine", black, Y, black + 255, Y).load().max_value == 255  # the test set counts


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ((16, 15, 3), (3, 16, 15)),
        ((16, 15, 1), (16, 15)),
        ((3, 16, 15), (3, 16, 15)),
        ((1, 16, 15), (16, 15)),
        ((16, 15, 2), (16, 15, 2)),
    ],
)
def test_channels_may_be_the_last_axis(given: tuple[int, ...], read: tuple[int, ...]) -> None:
    x = RNG.normal(size=(40, *given))
    dataset = Arrays("mine", x, Y, x, Y).load()
    moved = np.moveaxis(x, -1, 1) if given[-1] in (1, 3) else x
    expected = moved.reshape(40, *read).astype(np.float32)
    assert dataset.shape == read
    np.testing.assert_array_equal(dataset.pool_inputs(np.arange(40)), expected)
    np.testing.assert_array_equal(dataset.test_inputs(), expected)


def test_two_orders_of_channels_are_told_apart() -> None:
    x = RNG.normal(size=(40, 3, 16, 3))
    with pytest.warns(StudyWarning, match=r"which is read as \(samples, channels, height, width\)"):
        assert Arrays("mine", x, Y).load().shape == (3, 16, 3)


@pytest.mark.parametrize(
    ("shape", "axes"), [((5,), 0), ((4, 5), (0, 1, 2)), ((3, 4, 5), (0, 2, 3))]
)
def test_samples_are_standardised_by_the_pool(shape: tuple[int, ...], axes: Any) -> None:
    x = RNG.integers(0, 9, (40, *shape))
    made = Arrays("mine", x[:30], Y[:30], x[30:], Y[30:], standardise=True).load()
    mean, spread = (f(x[:30], axes, keepdims=True) for f in (np.mean, np.std))
    np.testing.assert_allclose(made.pool_inputs(np.arange(30)), (x[:30] - mean) / spread, atol=1e-5)
    np.testing.assert_allclose(made.test_inputs(), (x[30:] - mean) / spread, atol=1e-5)


def test_names_of_classes_are_no_part_of_the_data() -> None:
    named = Arrays("mine", X, np.array(["d", "a", "c", "b"])[Y]).load()
    assert named.class_names == ("a", "b", "c", "d")
    given = Arrays("mine", X, Y, class_names=["n0", "n1", "n2", "n3"])
    assert given.load().class_names == ("n0", "n1", "n2", "n3")
    assert given.load().digest == Arrays("mine", X, Y).load().digest
    assert Subset(given, (3, 1)).load().class_names == ("n3", "n1")
    assert Arrays("mine", X, Y + 5).load().class_names == ("5", "6", "7", "8")


def test_channels_that_cannot_be_told() -> None:
    with pytest.warns(StudyWarning, match=r"as 16 channels of 16x4 pixels.*x\[..., :3\]"):
        Arrays("mine", RNG.normal(size=(40, 16, 16, 4)), Y)


def with_value(value: float) -> np.ndarray:
    x = X.copy()
    x[3, 1] = value
    return x


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": with_value(np.nan)}, r"x holds nan at \[3, 1\]\. Allowed: finite"),
        ({"x": with_value(-np.inf)}, r"x holds -inf at \[3, 1\]"),
        ({"x": with_value(1e300)}, r"x holds 1e\+300 at \[3, 1\].*fit into 32 bits"),
        ({"x": X[:39]}, "x has 39 samples and y has 40 labels"),
        ({"x": X[:, :0]}, r"x has the shape \(40, 0\)"),
        ({"x": X[:, 0]}, r"x has the shape \(40,\)"),
        ({"x": np.zeros((40, 1, 1, 1, 1))}, r"x has the shape \(40, 1, 1, 1, 1\)"),
        ({"x": X[:0], "y": Y[:0]}, r"x has the shape \(0, 3\)"),
        ({"x": X.astype(str)}, "x has the type <U"),
        ({"x": X + 1j}, "x has the type complex128"),
        ({"x": X.astype(object)}, "x has the type object"),
        ({"x": [[1], [1, 2]]}, "x is no array"),
        ({"y": Y * 0 + 7}, r"y holds \[7\] only\. Allowed: 2 classes or more"),
        ({"y": Y + 0.5}, r"y holds 0\.5 at \[0\]\. Allowed: classes as integers"),
        ({"y": np.where(Y == 2, np.nan, Y)}, r"y holds nan at \[2\]"),
        ({"y": np.where(Y == 2, np.inf, Y)}, r"y holds inf at \[2\]"),
        ({"y": [0, "a"] * 20}, r"y holds 'a' at \[1\].*or all as text"),
        ({"y": ["a", None] * 20}, r"y holds"),
        ({"y": np.eye(4)[Y]}, r"y has the shape \(40, 4\)"),
        ({"y": []}, "y has 0 labels"),
        ({"y": None}, "y is missing"),
        ({"test_x": X}, "test_y is missing. Give test_x and test_y"),
        ({"test_y": Y}, "test_x is missing"),
        ({"test_x": X[:, :2], "test_y": Y}, r"the shape \(2,\), but must have that of x, \(3,\)"),
        ({"test_x": X, "test_y": Y + 1}, r"test_y holds 4, which is no class of y.*0, 1, 2, 3"),
        ({"test_x": X, "test_y": ["a"] * 40}, "test_y holds 'a', which is no class of y"),
        ({"test_x": with_value(np.nan), "test_y": Y}, r"test_x holds nan at \[3, 1\]"),
        ({"test_x": X[:9], "test_y": Y[:8]}, "test_x has 9 samples and test_y has 8 labels"),
        ({"y": [0] * 39 + [5]}, "class 5 has 1 sample, but needs 2"),
        ({"test_share": 0}, "test_share must be a number between 0 and 1, but got 0"),
        ({"test_share": 1.0}, "test_share"),
        ({"test_share": "a"}, "test_share"),
        ({"y": np.eye(4)[Y]}, "Regression targets and several labels per sample"),
        ({"standardise": 1}, "standardise is True or False, but got 1"),
        ({"standardise": True, "divide_by": 2}, "standardise=True and divide_by=2 exclude each"),
        ({"class_names": "abcd"}, r"class_names must be such as \('cat', 'dog'\), but got 'abcd'"),
        ({"class_names": ("a", "b", "c")}, "class_names has 3 names, but y holds 3"),
        ({"y": ["a", "b"] * 20, "class_names": ("x", "y")}, "class_names are those of integers"),
        ({"divide_by": 0}, r"divide_by must be a number > 0, but got 0\. It is 255 for bytes"),
        ({"divide_by": np.nan}, "divide_by must be a number > 0"),
        ({"divide_by": True}, "divide_by must be a number > 0"),
        ({"divide_by": "255"}, "divide_by must be a number > 0"),
    ],
)
def test_arrays_that_are_no_dataset(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match="dataset 'mine': .*" + message):
        Arrays(**{"name": "mine", "x": X, "y": Y, **changes})


@pytest.mark.parametrize("name", ["", " ", "a\nb", 3, "digits"])
def test_names_that_cannot_be(name: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name of Arrays must"):
        Arrays(name, X, Y)
    if name != "":
        with pytest.raises(InputError, match="name of Subset must"):
            Subset("digits", (0, 1), name)
        with pytest.raises(InputError, match="name of DataFile must"):
            DataFile(tmp_path / "a.csv", name=name)


def test_declarations_compare_hash_pickle_and_print(tmp_path: Path) -> None:
    mine = Arrays("mine", X, Y)
    assert mine == Arrays("mine", X.copy(), Y.tolist())  # type: ignore[arg-type]
    assert hash(mine) == hash(Arrays("mine", X.copy(), Y))
    others = [Arrays("other", X, Y), Arrays("mine", X + 1, Y), Arrays("mine", X, Y, test_share=0.5)]
    assert mine not in others
    said = "Arrays(name='mine', test_share=0.25, divide_by=None, standardise=False)"
    assert repr(mine) == said
    assert pickle.loads(pickle.dumps(mine)) == mine
    assert Subset(mine, [0, 1]) == Subset(mine, (0, 1))
    assert len({mine, Subset(mine, (0, 1)), Subset(mine, (1, 0)), DataFile("a.csv")}) == 4
    assert DataFile("a.csv") == DataFile(Path("a.csv"))


def test_choice_among_declarations(tmp_path: Path) -> None:
    mine, gone = Arrays("mine", X, Y), DataFile(tmp_path / "gone.csv")
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    assert choose((mine, "digits")) == (mine, "dataset: mine")
    part = Subset(gone, (0, 1))
    chosen, said = choose((gone, part, Subset(mine, (0, 1)), "digits"))
    assert chosen == Subset(mine, (0, 1))
    absent = f"{gone.path} is no file"
    assert said == f"dataset: mine:0,1 (gone: {absent}; gone:0,1: {absent})"
    with pytest.raises(InputError, match=f"had: gone: {absent}. Check the path: a relative one"):
        choose((gone,))
    with pytest.raises(InputError, match="is a folder, not a file"):
        choose((DataFile(folder),))
    with pytest.raises(InputError, match=r"gone\.csv is no file"):
        load(gone)
    with pytest.raises(InputError, match=r"must be a name \(fashion-mnist.*but got 3"):
        choose((mine, 3))  # type: ignore[arg-type]
    assert source(mine) is mine
    assert [name_of(entry) for entry in ("digits", mine, gone)] == ["digits", "mine", "gone"]
