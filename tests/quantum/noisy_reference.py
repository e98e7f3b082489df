"""The same noise by PennyLane's channels on default.mixed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pennylane as qml
from numpy.typing import NDArray

from qkd_study.quantum import Circuit, CircuitNoise, QubitNoise

PAULIS = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]


def _errors(noise: QubitNoise, wire: int) -> None:
    qml.DepolarizingChannel(noise.depolarising, wires=wire)
    qml.AmplitudeDamping(noise.amplitude_damping, wires=wire)
    qml.PhaseDamping(noise.phase_damping, wires=wire)


def queue_noisy(circuit: Circuit, theta: Sequence[float], noise: CircuitNoise) -> None:
    """Queue the gates, each followed by its channels."""
    for gate in circuit.gates:
        angle = gate.angle if gate.parameter is None else gate.factor * theta[gate.parameter]
        turned = () if angle is None else (angle * (1 + noise.over_rotation),)
        getattr(qml, gate.name)(*turned, wires=gate.wires)
        if len(gate.wires) == 1:
            _errors(noise.qubits[gate.wires[0]], gate.wires[0])
            continue
        low, high = sorted(gate.wires)
        pair = noise.pairs[low, high]
        p = pair.depolarising
        kraus = [
            np.sqrt(1 - p if a is PAULIS[0] and b is PAULIS[0] else p / 15) * np.kron(a, b)
            for a, b in itertools.product(PAULIS, PAULIS)
        ]
        if p:
            qml.QubitChannel(kraus, wires=(low, high))
        _errors(pair.first, low)
        _errors(pair.second, high)


def noisy_reference(
    circuit: Circuit, theta: Sequence[float], states: NDArray[Any], noise: CircuitNoise
) -> NDArray[Any]:
    """Probabilities (B, 2^n) of states (B, 2^n), before readout errors."""

    @qml.qnode(qml.device("default.mixed", wires=circuit.qubits))
    def node(state: NDArray[Any]) -> object:
        qml.StatePrep(state, wires=range(circuit.qubits))
        queue_noisy(circuit, theta, noise)
        return qml.probs(wires=range(circuit.qubits))

    return np.asarray(node(states)).reshape(len(states), -1)
