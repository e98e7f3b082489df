"""Trainability and reach of circuits, by formulas for small ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from qkd_study.quantum import Circuit, Gate, strongly_entangling, z_values
from qkd_study.quantum.trainability import (
    BINS,
    entangling_capability,
    expressibility,
    gradient_variance,
    random_states,
)

ROTATION = Circuit(1, (Gate("RY", (0,), parameter=0),))


def ground(qubits: int) -> NDArray[np.complex128]:
    state = np.zeros((1, 1 << qubits), dtype=np.complex128)
    state[0, 0] = 1
    return state


def from_ground(samples: int, rng: torch.Generator, qubits: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.repeat(ground(qubits), samples, axis=0))


def haar(states: int, qubits: int) -> NDArray[np.complex128]:
    rng = np.random.default_rng(5)
    drawn = rng.normal(size=(2, states, 1 << qubits))
    found = drawn[0] + 1j * drawn[1]
    normalised: NDArray[np.complex128] = found / np.linalg.norm(found, axis=1, keepdims=True)
    return normalised


@pytest.mark.parametrize(
    ("amplitudes", "expected"),
    [
        ([1, 0, 0, 0, 0, 0, 0, 1], 1.0),  # GHZ
        ([0, 1, 1, 0, 1, 0, 0, 0], 8 / 9),  # W
        ([1, 0, 0, 0, 0, 0, 1, 0], 2 / 3),  # a Bell pair and a qubit alone
        ([1, 1j, 1, 1j, 1, 1j, 1, 1j], 0.0),  # a product
    ],
)
def test_the_entanglement_of_known_states(amplitudes: list[complex], expected: float) -> None:
    state = np.array([amplitudes], dtype=np.complex128)
    state /= np.linalg.norm(state)
    assert entangling_capability(state) == pytest.approx(expected, abs=1e-12)


def test_the_entanglement_of_haar_random_states() -> None:
    # The mean is (N - 2) / (N + 1) for N = 2^n (Scott 2004, arXiv:quant-ph/0310137).
    for qubits in (2, 3, 4):
        dimension = 1 << qubits
        expected = (dimension - 2) / (dimension + 1)
        assert entangling_capability(haar(4000, qubits)) == pytest.approx(expected, abs=0.01)


def test_circuits_without_entangling_gates_have_none() -> None:
    gates = tuple(Gate("RX", (wire,), parameter=wire) for wire in range(3))
    states = random_states(Circuit(3, gates), draws=20)
    np.testing.assert_allclose(np.linalg.norm(states, axis=1), 1, atol=1e-12)
    assert entangling_capability(states) == pytest.approx(0, abs=1e-12)
    assert entangling_capability(random_states(strongly_entangling(3, 3), draws=50)) > 0.4


def test_the_expressibility_of_known_distributions() -> None:
    dimension = 4
    same = np.repeat(ground(2), 10, axis=0)  # every fidelity is 1, in the last bin
    assert expressibility(same) == pytest.approx((dimension - 1) * math.log(BINS), rel=1e-9)
    assert expressibility(haar(600, 2)) < 0.002
    # Of one rotation about Y, fidelities are cos^2 of half a uniform angle.
    edges = np.linspace(0, 1, BINS + 1)
    of_rotation = np.diff(2 / np.pi * np.arcsin(np.sqrt(edges)))
    exact = float((of_rotation * np.log(of_rotation * BINS)).sum())  # Haar: uniform for N = 2
    assert expressibility(random_states(ROTATION, draws=1200)) == pytest.approx(exact, abs=0.02)
    assert exact > 0.1


def test_the_variance_of_a_gradient_by_formula() -> None:
    # d<Z> / da of RY(a)|0> is -sin(a), whose variance is 1/2; of RY(b) RX(a)|0>, <Z> is
    # cos(a) cos(b), and the variance of both derivatives is 1/4.
    z = z_values(1)
    found = gradient_variance(ROTATION, from_ground, z, draws=1500)
    assert found == pytest.approx(1 / 2, abs=0.04)
    two = Circuit(1, (Gate("RX", (0,), parameter=0), Gate("RY", (0,), parameter=1)))
    assert gradient_variance(two, from_ground, z, draws=1500) == pytest.approx(1 / 4, abs=0.03)


def test_the_variance_of_deep_circuits_falls_with_the_qubits() -> None:
    found = []
    for qubits in (2, 4, 6):

        def states(samples: int, rng: torch.Generator, n: int = qubits) -> torch.Tensor:
            return from_ground(samples, rng, n)

        variance = gradient_variance(
            strongly_entangling(qubits, 8), states, z_values(qubits), draws=60
        )
        assert variance is not None
        found.append(variance)
    # Of a global two-design the variance falls as 2^-n, by 4 for two more qubits.
    assert found[0] > 2 * found[1] > 4 * found[2]


def test_without_angles_there_is_no_variance() -> None:
    assert (
        gradient_variance(Circuit(1, (Gate("Hadamard", (0,)),)), from_ground, z_values(1)) is None
    )


def test_a_seed_gives_the_same_numbers() -> None:
    states = random_states(ROTATION, draws=3, seed=4)
    np.testing.assert_array_equal(states, random_states(ROTATION, draws=3, seed=4))
    assert not np.array_equal(states, random_states(ROTATION, draws=3, seed=5))
