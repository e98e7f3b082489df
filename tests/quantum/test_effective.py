"""Which angles of a circuit act: the rank of the Jacobian of what is read out."""

import math
from collections.abc import Callable

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import Tensor

from qkd_study.quantum import (
    Circuit,
    amplitude_embedding,
    angle_embedding,
    arbitrary_unitary,
    brickwork,
    brickwork_minimal,
    class_groups,
    effective_parameters,
    hardware_efficient,
    hardware_efficient_minimal,
    strongly_entangling,
    strongly_entangling_minimal,
    z_values,
)

States = Callable[[int, torch.Generator], Tensor]


def amplitudes(n: int) -> States:
    def draw(count: int, rng: torch.Generator) -> Tensor:
        features = torch.rand(count, 2**n, generator=rng, dtype=torch.float64)
        return amplitude_embedding(features, n)

    return draw


def angles(n: int) -> States:
    def draw(count: int, rng: torch.Generator) -> Tensor:
        return angle_embedding(torch.rand(count, n, generator=rng, dtype=torch.float64), n)

    return draw


def test_angles_without_effect_do_not_count() -> None:
    # The last RZ before a measurement of Z only change phases: one of each wire.
    assert effective_parameters(hardware_efficient(4, 1), amplitudes(4), z_values(4)) == 4
    assert effective_parameters(hardware_efficient(10, 1), angles(10), z_values(10)) == 10
    assert effective_parameters(brickwork(6, 4), amplitudes(6), class_groups(6, 3)) == 100
    # 15 dimensions of SU(4) less the 3 of diagonal gates, which no probability shows.
    assert effective_parameters(arbitrary_unitary(2), amplitudes(2), z_values(2)) == 12
    assert effective_parameters(Circuit(2, ()), amplitudes(2), z_values(2)) == 0
    assert effective_parameters(hardware_efficient(13, 1), angles(13), z_values(13)) is None


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("states", [amplitudes, angles])
def test_every_angle_of_a_minimal_ansatz_acts(
    states: Callable[[int], States], n: int, depth: int
) -> None:
    for ansatz in (hardware_efficient_minimal, strongly_entangling_minimal, brickwork_minimal):
        circuit = ansatz(n, depth)
        assert effective_parameters(circuit, states(n), z_values(n)) == circuit.parameters
    reached = effective_parameters(brickwork(n, depth), states(n), z_values(n))
    assert reached == brickwork_minimal(n, depth).parameters


@pytest.mark.parametrize("ansatz", [hardware_efficient, strongly_entangling, brickwork])
def test_the_rank_is_that_of_parameter_shifts_on_default_qubit(
    ansatz: Callable[[int, int], Circuit],
) -> None:
    n, rng = 3, np.random.default_rng(5)
    circuit = ansatz(n, 2)
    device = qml.device("default.qubit", wires=n)

    @qml.qnode(device)
    def expectations(theta: np.ndarray, state: np.ndarray) -> list[object]:
        qml.StatePrep(state, wires=range(n))
        circuit.operators(theta)
        return [qml.expval(qml.Z(wire)) for wire in range(n)]

    theta = rng.uniform(-math.pi, math.pi, circuit.parameters)
    inputs = rng.uniform(size=(20, 2**n))
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)

    def outputs(values: np.ndarray) -> np.ndarray:
        return np.concatenate(expectations(values, inputs))

    # The parameter-shift rule: exact for single-qubit rotations.
    steps = math.pi / 2 * np.eye(circuit.parameters)
    jacobian = np.array([(outputs(theta + d) - outputs(theta - d)) / 2 for d in steps])
    expected = np.linalg.matrix_rank(jacobian, tol=1e-9)
    assert 0 < expected < circuit.parameters
    assert effective_parameters(circuit, amplitudes(n), z_values(n)) == expected
