"""A user's own states: checked, normalised, complex or real."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qkd_study import Arrays, InputError
from qkd_study.data.datasets import load
from qkd_study.study.canonical import canonical

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 8)) + 1j * RNG.normal(size=(12, 8))
X /= np.linalg.norm(X, axis=1, keepdims=True)
Y = np.arange(12) % 2


def test_complex_states_are_two_rows() -> None:
    data = load(Arrays("mine", X * 1.0004, Y, X[:3], Y[:3], kind="states"))
    assert (data.shape, data.max_value) == ((2, 8), 1)
    found = data.pool_inputs(np.arange(12))
    np.testing.assert_allclose(found[:, 0] + 1j * found[:, 1], X, atol=1e-7)
    np.testing.assert_allclose(data.test_inputs()[:, 1], X[:3].imag, atol=1e-7)


def test_real_states_are_vectors_unless_the_test_set_is_complex() -> None:
    real = np.abs(X)
    assert load(Arrays("mine", real.astype(complex), Y, kind="states")).shape == (8,)
    mixed = load(Arrays("mine", real, Y, X[:3], Y[:3], kind="states"))
    assert mixed.shape == (2, 8)
    assert not mixed.pool_raw[:, 1].any()


def test_declarations_without_states_are_what_they_were() -> None:
    assert "kind': 'states" in str(canonical(Arrays("mine", X, Y, kind="states")))
    assert set(canonical(Arrays("mine", X.real, Y))) == {
        *("kind", "name", "x", "y", "test_x", "test_y", "test_share", "divide_by"),
        *("standardise", "class_names", "_dataset"),
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": X[:, :6]}, r"x has the shape \(12, 6\). Allowed with kind='states'"),
        ({"x": X[0]}, r"x has the shape \(8,\)"),
        ({"x": X[:, :1]}, r"x has the shape \(12, 1\)"),
        ({"x": 2 * X}, r"x\[0\] has the norm 2. Allowed: 1"),
        ({"x": np.where(X.real > 1e9, X, np.nan)}, r"x holds \(nan\+0j\) at \[0, 0\]"),
        ({"x": [["a", "b"]]}, "x has the type"),
        ({"x": [[1, 0], [1]]}, "x is no array"),
        ({"test_x": X[:2, :4] * 0, "test_y": Y[:2]}, r"test_x\[0\] has the norm 0"),
        ({"test_x": np.eye(4)[:2], "test_y": Y[:2]}, "test_x has states of 4 amplitudes"),
        ({"standardise": True}, "standardise have no meaning for kind='states'"),
        ({"divide_by": 2}, "divide_by and standardise have no meaning"),
        ({"kind": "state"}, "kind must be one of samples, states, but got 'state'"),
    ],
)
def test_what_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Arrays(**({"name": "mine", "x": X, "y": Y, "kind": "states"} | given))
