"""Generated data: as described, the same everywhere, and beyond a linear model."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from qkd_study.data import SOURCES, load

NAMES = ("xor4", "spirals", "checkerboard")


@pytest.mark.parametrize(
    ("name", "features", "classes", "least"),
    [("xor4", 64, 3, 0.95), ("spirals", 16, 3, 0.98), ("checkerboard", 16, 2, 0.92)],
)
def test_only_a_model_that_is_not_linear_solves_it(
    name: str, features: int, classes: int, least: float
) -> None:
    data = load(name)
    assert (data.name, data.shape, data.classes) == (name, (features,), classes)
    assert (data.pool_raw.shape, data.test_raw.shape) == ((12_000, features), (4_000, features))
    assert SOURCES[name].classes == classes
    assert SOURCES[name].available()
    x, y = data.pool_inputs(np.arange(12_000)), data.pool_labels
    majority = np.bincount(data.test_labels, minlength=classes).max() / 4_000
    linear = LogisticRegression(max_iter=500).fit(x, y)
    assert linear.score(data.test_inputs(), data.test_labels) < majority + 0.05
    neighbours = KNeighborsClassifier().fit(x, y)
    assert neighbours.score(data.test_inputs(), data.test_labels) > least


def test_xor4_is_as_described() -> None:
    data = load("xor4")
    share = np.bincount(data.pool_labels) / 12_000
    assert share == pytest.approx([0.25, 0.5, 0.25], abs=0.015)
    blocks = data.pool_raw.reshape(-1, 4, 16)
    signs = np.sign(blocks.mean(axis=2))  # right in 99.9 % of the blocks: 3 standard deviations
    wrong = (signs[:, 0] != signs[:, 1]).astype(int) + (signs[:, 2] != signs[:, 3])
    assert (wrong == data.pool_labels).mean() > 0.99
    assert np.abs(blocks.mean(axis=2)).mean() == pytest.approx(0.75, abs=0.01)
    assert (blocks - 0.75 * signs[..., None]).std() == pytest.approx(1, abs=0.01)


def test_planes_are_lifted_by_an_orthogonal_map() -> None:
    for name in ("spirals", "checkerboard"):
        values = np.linalg.svd(load(name).pool_raw, compute_uv=False) / np.sqrt(12_000)
        assert values[1] > 1
        assert values[2:] == pytest.approx([0.05] * 14, rel=0.05)


def test_balance() -> None:
    spirals = load("spirals")
    every = np.concatenate((spirals.pool_labels, spirals.test_labels))
    assert sorted(np.bincount(every)) == [5333, 5333, 5334]
    assert np.bincount(load("checkerboard").pool_labels) / 12_000 == pytest.approx(0.5, abs=0.015)


def test_the_same_numbers_as_ever() -> None:
    """Rows keep the digest: new numbers would be another dataset."""
    first = {name: load(name).pool_raw[0, :3] for name in NAMES}
    for name in NAMES:
        load.cache_clear()
        np.testing.assert_array_equal(load(name).pool_raw[0, :3], first[name])
    assert {name: load(name).digest[:16] for name in NAMES} == {
        "xor4": "fae16ef6fae85834",
        "spirals": "dc3a5cf1ad89c653",
        "checkerboard": "0d3c0d287d7bb6be",
    }
