"""Which callables are PennyLane functions, and what is declared of their weights."""

from __future__ import annotations

import functools
from typing import Any, cast

import pennylane as qml
import pytest

from qkd_study.common.errors import InputError
from qkd_study.quantum import Circuit
from qkd_study.study import FullyQuantum, HybridCircuit, PennyLaneAnsatz
from qkd_study.study.ansatze import is_quantum_function, quantum_function, weight_count
from qkd_study.study.canonical import canonical


def of_gates(wires: int, depth: int) -> Circuit:
    raise NotImplementedError


def layer(weights: Any, wires: Any) -> None:
    qml.RX(weights[0], wires=0)


def two(first: Any, second: Any, wires: Any) -> None: ...


def test_only_functions_of_weights_and_wires_are_quantum_functions() -> None:
    assert not is_quantum_function(of_gates)
    assert not is_quantum_function(lambda qubits, depth: None)
    assert not is_quantum_function(max)
    assert is_quantum_function(layer)
    assert is_quantum_function(qml.StronglyEntanglingLayers)
    assert is_quantum_function(functools.partial(qml.BasicEntanglerLayers, rotation=qml.RZ))


@pytest.mark.parametrize(
    ("ansatz", "count"),
    [
        (qml.StronglyEntanglingLayers, 2 * 3 * 3),
        (qml.SimplifiedTwoDesign, 3 + 2 * 2 * 2),
        (qml.ArbitraryUnitary, 2 * 63),
        (layer, None),
        (PennyLaneAnsatz(layer, {"weights": (5,)}), 10),
        (PennyLaneAnsatz(layer, {"weights": ("depth", 5)}), 10),
        (PennyLaneAnsatz(layer, {"weights": lambda qubits, depth: [qubits, depth]}), 6),
    ],
)
def test_weights_are_counted_without_a_run(ansatz: Any, count: int | None) -> None:
    assert weight_count(ansatz, 3, 2) == count


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HybridCircuit(ansatz=two), "shapes of first and second .* are unknown"),
        (lambda: HybridCircuit(ansatz=qml.QAOAEmbedding), "shapes of features and weights"),
        (lambda: FullyQuantum(ansatz=cast(Any, "RX")), "ansatz of FullyQuantum must be a function"),
        (lambda: PennyLaneAnsatz(of_gates, {}), "must be a function of weights and wires"),
        (lambda: PennyLaneAnsatz(layer, {}), "weight_shapes .* must be a shape for each array"),
        (lambda: PennyLaneAnsatz(layer, {"weights": ("layers",)}), "must be a shape for each"),
        (lambda: PennyLaneAnsatz(layer, {"weights": (0,)}), "must be a shape for each array"),
        (lambda: PennyLaneAnsatz(layer, {"w": (1,)}), "such as {'weights': "),
        (
            lambda: quantum_function(
                PennyLaneAnsatz(layer, {"weights": lambda qubits, depth: 0}), 3, 2
            ),
            "the shape of weights for qubits=3, depth=2 must be a tuple of integers >= 1",
        ),
    ],
)
def test_wrong_declarations_are_refused(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_declarations_are_compared_by_what_they_say() -> None:
    one, same = (PennyLaneAnsatz(layer, {"weights": [5]}) for _ in range(2))
    other = PennyLaneAnsatz(layer, {"weights": (6,)})
    assert one == same
    assert hash(one) == hash(same)
    assert canonical(one) == canonical(same) != canonical(other)
    bound = functools.partial(qml.BasicEntanglerLayers, rotation=qml.RZ)
    found = [canonical(HybridCircuit(ansatz=a)) for a in (qml.BasicEntanglerLayers, bound)]
    assert found[0] != found[1]
