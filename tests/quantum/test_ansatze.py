"""Ansatze: sizes by formula, counted on the tape; unitaries against PennyLane templates."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pennylane as qml
import pytest
import torch
from numpy.typing import NDArray

from qkd_study.quantum import (
    Circuit,
    Simulator,
    arbitrary_unitary,
    brickwork,
    hardware_efficient,
    quanvolution_filter,
    random_layers,
    strongly_entangling,
)

SHAPES = [(1, 1), (2, 1), (2, 3), (3, 2), (4, 1), (5, 4), (7, 2)]


def angles(circuit: Circuit, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(-np.pi, np.pi, circuit.parameters)


def matrix(circuit: Circuit, theta: NDArray[np.float64]) -> NDArray[np.complex128]:
    """U, from the simulator's rows U|i>."""
    rows = Simulator().unitary(circuit, torch.from_numpy(theta))
    return np.asarray(rows.numpy().T)


def counted(circuit: Circuit) -> tuple[int, int, int]:
    """Parameters, gates and two-qubit gates, from PennyLane's own tape."""
    operators = circuit.operators(angles(circuit))
    tape = qml.tape.QuantumScript(operators, [qml.state()])
    sizes = tape.specs["resources"].gate_sizes
    fixed = sum(gate.angle is not None for gate in circuit.gates)
    return len(tape.get_parameters()) - fixed, len(operators), sizes.get(2, 0)


@pytest.mark.parametrize(("n", "depth"), SHAPES)
def test_sizes_by_formula(n: int, depth: int) -> None:
    ring = 0 if n == 1 else n
    assert counted(hardware_efficient(n, depth)) == (
        2 * n * depth,
        depth * (2 * n + ring),
        depth * ring,
    )
    chain = hardware_efficient(n, depth, entangler="chain")
    assert counted(chain) == (2 * n * depth, depth * (3 * n - 1), depth * (n - 1))
    assert counted(strongly_entangling(n, depth)) == (
        3 * n * depth,
        depth * (3 * n + ring),
        depth * ring,
    )
    assert counted(quanvolution_filter(n, depth)) == (
        depth * (3 * n - 1),
        depth * (3 * n - 1),
        depth * (n - 1),
    )
    assert counted(random_layers(n, depth, seed=1)) == (0, depth * (n + ring), depth * ring)
    if n > 1:
        blocks = sum((n - layer % 2) // 2 for layer in range(depth))
        assert counted(brickwork(n, depth)) == (15 * blocks, 18 * blocks, 3 * blocks)


@pytest.mark.parametrize(("n", "depth"), SHAPES[1:])
def test_strongly_entangling_is_pennylanes(n: int, depth: int) -> None:
    circuit = strongly_entangling(n, depth)
    theta = angles(circuit)
    # PennyLane's Rot(a, b, c) is RZ(a), RY(b), RZ(c).
    template = qml.StronglyEntanglingLayers(theta.reshape(depth, n, 3), wires=range(n))
    expected = qml.matrix(template, wire_order=range(n))
    np.testing.assert_allclose(matrix(circuit, theta), expected, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_arbitrary_unitary_is_a_product_of_pauli_rotations(n: int) -> None:
    circuit = arbitrary_unitary(n)
    assert circuit.parameters == 4**n - 1
    theta = angles(circuit)
    words = ["".join(word) for word in itertools.product("IXYZ", repeat=n)][1:]
    expected = np.eye(2**n)
    for angle, word in zip(theta, words, strict=True):
        rotation = qml.PauliRot(angle, word, wires=range(n))
        expected = qml.matrix(rotation, wire_order=range(n)) @ expected
    np.testing.assert_allclose(matrix(circuit, theta), expected, atol=1e-12)


@pytest.mark.parametrize("circuit", [arbitrary_unitary(2), brickwork(2, 1)])
def test_universal_circuits_have_full_rank(circuit: Circuit) -> None:
    """15 independent directions: all of SU(4) around a random point."""
    theta, step = angles(circuit, 3), 1e-6
    columns = []
    for i in range(circuit.parameters):
        shift = np.zeros_like(theta)
        shift[i] = step
        difference = matrix(circuit, theta + shift) - matrix(circuit, theta - shift)
        tangent = matrix(circuit, theta).conj().T @ difference / (2 * step)
        columns.append(np.concatenate([tangent.real.ravel(), tangent.imag.ravel()]))
    assert np.linalg.matrix_rank(np.array(columns), tol=1e-4) == 15


def test_random_layers_follow_from_the_seed() -> None:
    assert random_layers(3, 2, seed=5) == random_layers(3, 2, seed=5)
    assert random_layers(3, 2, seed=5) != random_layers(3, 2, seed=6)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: hardware_efficient(0), "qubits and depth must be >= 1, but got qubits=0"),
        (lambda: strongly_entangling(2, 0), "got qubits=2, depth=0"),
        (lambda: brickwork(1), "brickwork needs qubits >= 2, but got qubits=1"),
        (lambda: arbitrary_unitary(4), "needs 1, 2 or 3 qubits, but got qubits=4"),
        (lambda: hardware_efficient(2, entangler="star"), "entangler must be 'ring' or 'chain'"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_built(build: Callable[[], Circuit], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
