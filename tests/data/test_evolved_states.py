"""States of random circuits, against PennyLane."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pennylane as qml
import pytest

from qkd_study import InputError
from qkd_study.data import EvolvedStates, load


def evolved(row: np.ndarray, label: int, qubits: int, layers: int) -> np.ndarray:
    """The state of one circuit by default.qubit."""

    @qml.qnode(qml.device("default.qubit", wires=qubits))
    def circuit() -> Any:
        angle, turns = row[0], row[1:].reshape(layers, qubits)
        for layer in turns:
            for wire in range(qubits):
                qml.RX(layer[wire], wire)
            for wire in [*range(0, qubits - 1, 2), *range(1, qubits - 1, 2)]:
                pair = [wire, wire + 1]
                if label == 0:
                    qml.IsingZZ(2 * angle, pair)
                else:
                    qml.IsingXY(-2 * angle, pair)
        return qml.state()

    return np.asarray(circuit())


def test_states_are_those_of_the_circuit(folders: Path) -> None:
    declared = EvolvedStates(qubits=3, states=16, layers=2, seed=5)
    data = load(declared)
    assert (data.name, data.shape, data.class_names) == ("evolved-3", (2, 8), ("ising", "exchange"))
    both = np.concatenate((data.pool_raw, data.test_raw))
    labels = np.concatenate((data.pool_labels, data.test_labels))
    found = both[:, 0] + 1j * both[:, 1]
    drawn = declared.parameters()
    for label in (0, 1):
        states = np.array([evolved(row, label, 3, 2) for row in drawn])
        overlaps = np.abs(states.conj() @ found[labels == label].T) ** 2
        # Every state of the class is that of one of the rows, up to float32, with its phase.
        assert overlaps.max(axis=0) == pytest.approx(1, abs=1e-5)
        nearest = states[overlaps.argmax(axis=0)]
        np.testing.assert_allclose(found[labels == label], nearest, atol=1e-6)
    assert np.bincount(labels).tolist() == [8, 8]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"qubits": 1}, "qubits of EvolvedStates must be an integer from 2 to 12"),
        ({"layers": 0}, "layers of EvolvedStates must be an integer from 1 to 100, but got 0"),
        ({"angles": (0, 4)}, "angles of EvolvedStates must be two increasing numbers from 0 to 3"),
    ],
)
def test_what_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        EvolvedStates(**given)
