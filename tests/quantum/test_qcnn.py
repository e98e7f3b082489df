"""The quantum convolutional network: sizes, shared angles, pooling as a measurement, a phase."""

from __future__ import annotations

import math

import numpy as np
import pennylane as qml
import pytest
import torch

from qkd_study import GroundStates
from qkd_study.quantum import Simulator, qcnn, z_values


@pytest.mark.parametrize("qubits", [2, 3, 4, 5, 6, 8, 12])
@pytest.mark.parametrize("depth", [1, 2])
def test_sizes(qubits: int, depth: int) -> None:
    circuit = qcnn(qubits, depth)
    levels = math.ceil(math.log2(qubits))
    assert circuit.parameters == levels * (15 * depth + 2) + 2
    left, blocks, pooled = qubits, 0, 0
    while left > 1:
        blocks += depth * (left - 1)
        pooled += left // 2
        left = math.ceil(left / 2)
    names = [gate.name for gate in circuit.gates]
    assert names.count("CNOT") == 3 * blocks
    assert names.count("CRX") == names.count("CRZ") == pooled
    assert circuit.gates[-1].wires == (qubits - 1,)


def test_neighbours_share_angles() -> None:
    circuit = qcnn(4)
    by_pair = [
        [gate.parameter for gate in circuit.gates[:36] if set(gate.wires) <= set(pair)]
        for pair in ((0, 1), (2, 3))
    ]
    assert by_pair[0] == by_pair[1]
    assert set(by_pair[0]) - {None} == set(range(15))


def test_pooling_is_a_measurement() -> None:
    """The last qubit's <Z> is that of a circuit which measures the others and goes on."""
    circuit = qcnn(4)
    theta = np.random.default_rng(3).uniform(-math.pi, math.pi, circuit.parameters)
    state = np.random.default_rng(4).normal(size=16) + 1j * np.random.default_rng(5).normal(size=16)
    state /= np.linalg.norm(state)

    @qml.qnode(qml.device("default.qubit", wires=4))
    def measured() -> object:
        qml.StatePrep(state, wires=range(4))
        outcomes: dict[int, object] = {}
        for gate in circuit.gates:
            angle = () if gate.parameter is None else (theta[gate.parameter],)
            if gate.name in ("CRZ", "CRX"):
                control, target = gate.wires
                if control not in outcomes:
                    outcomes[control] = qml.measure(control)
                turn = getattr(qml, gate.name[1:])
                qml.cond(outcomes[control], turn)(*angle, wires=target)
            else:
                getattr(qml, gate.name)(*angle, wires=gate.wires)
        return qml.expval(qml.Z(3))

    given = torch.from_numpy(state)[None]
    found = Simulator().probabilities(circuit, torch.from_numpy(theta), given) @ z_values(4)
    assert float(found[0, 3]) == pytest.approx(float(np.asarray(measured())), abs=1e-10)


def test_it_learns_a_phase() -> None:
    data = GroundStates("ising", qubits=4, states=80, margin=(0.4, 0.9)).load()
    states = torch.from_numpy(data.pool_inputs(np.arange(60))).double()
    signs = torch.from_numpy(np.where(data.pool_labels[:60] == 1, 1.0, -1.0))
    circuit, simulator = qcnn(4), Simulator()
    rng = torch.Generator().manual_seed(2)
    theta = torch.rand(circuit.parameters, generator=rng, dtype=torch.float64) * 2 - 1
    theta.requires_grad_()
    optimizer = torch.optim.Adam([theta], 0.1)
    for _ in range(60):
        read = simulator.probabilities(circuit, theta, states) @ z_values(4)[:, 3]
        loss = ((read - signs) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float((read.sign() == signs).double().mean()) > 0.9


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="but got qubits=1, depth=1"):
        qcnn(1)
    with pytest.raises(ValueError, match="but got qubits=4, depth=0"):
        qcnn(4, 0)
