"""PennyLane functions as circuits: values and gradients against default.qubit, and refusals."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pennylane as qml
import pytest
import torch

from qkd_study.quantum import Circuit, Gate, Simulator, strongly_entangling
from qkd_study.quantum.from_pennylane import circuit_of
from qkd_study.study.ansatze import PennyLaneAnsatz, quantum_function, weight_count


def layer(weights: Any, wires: Any) -> None:
    for wire in wires:
        qml.RX(weights[wire, 0], wires=wire)
        qml.RZ(2 * weights[wire, 1] + 0.3, wires=wire)
    for pair in itertools.pairwise(wires):
        qml.CNOT(pair)


def sums(weights: Any, wires: Any, depth: int) -> None:
    """Sums, decomposed gates, and weights of several gates."""
    for number in range(depth):
        for wire in wires:
            qml.RY(weights[number * len(wires) + wire], wires=wire)
        qml.T(wires[0])
        qml.IsingXX(weights[0] - weights[1] / 3, wires=wires[:2])
        qml.SingleExcitation(weights[2] + 0.1, wires=wires[1:3])
        qml.adjoint(qml.ctrl(qml.RX, control=wires[0]))(weights[0], wires=wires[2])
        qml.ControlledPhaseShift(weights[1], wires=wires[:2])
        qml.Toffoli(wires[:3])


def rows(weights: Any, wires: Any) -> None:
    for wire, row in enumerate(weights):
        qml.Rot(*row, wires=wires[wire])
    qml.PauliRot(weights[0, 0], "XYZ", wires=wires[:3])


def within(weights: Any, wires: Any) -> None:
    qml.BasicEntanglerLayers(weights, wires=wires, rotation=qml.RY)


def circuit(ansatz: Callable[..., Any], qubits: int, depth: int) -> tuple[Circuit, Any]:
    call = quantum_function(ansatz, qubits, depth)
    made = circuit_of(call.function, call.shapes, qubits, weights=call.weights, layers=call.layers)
    return made, call


CZ = functools.partial(qml.StronglyEntanglingLayers, imprimitive=qml.CZ)
CASES: dict[str, tuple[Callable[..., Any], Mapping[str, tuple[int, ...]], int]] = {
    "strongly": (qml.StronglyEntanglingLayers, {"weights": (2, 3, 3)}, 1),
    "partial": (CZ, {"weights": (2, 3, 3)}, 1),
    "basic": (qml.BasicEntanglerLayers, {"weights": (2, 3)}, 1),
    "random": (qml.RandomLayers, {"weights": (2, 3)}, 1),
    "two design": (
        qml.SimplifiedTwoDesign,
        {"initial_layer_weights": (3,), "weights": (2, 2, 2)},
        1,
    ),
    "arbitrary": (qml.ArbitraryUnitary, {"weights": (63,)}, 2),
    "a layer": (layer, {"weights": (3, 2)}, 2),
    "sums": (sums, {"weights": (6,)}, 1),
    "rows": (PennyLaneAnsatz(rows, {"weights": ("qubits", 3)}), {"weights": (3, 3)}, 2),
    "within": (
        PennyLaneAnsatz(within, {"weights": lambda qubits, depth: (depth, qubits)}),
        {"weights": (2, 3)},
        1,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_probabilities_and_gradients_are_those_of_default_qubit(case: str) -> None:
    ansatz, shapes, layers = CASES[case]
    made, call = circuit(ansatz, 3, 2)
    sizes = [math.prod(shape) for shape in shapes.values()]
    assert made.parameters == layers * sum(sizes)
    assert call.layers == layers
    assert weight_count(ansatz, 3, 2) in (None, made.parameters)
    rng = np.random.default_rng(5)
    theta = torch.from_numpy(rng.normal(size=made.parameters)).requires_grad_()
    states = torch.from_numpy(rng.normal(size=(2, 8)))
    states = states / states.norm(dim=1, keepdim=True)
    weigh = torch.from_numpy(rng.normal(size=(2, 8)))

    @qml.qnode(qml.device("default.qubit"), interface="torch", diff_method="backprop")
    def node(theta: torch.Tensor) -> Any:
        qml.StatePrep(states, wires=range(3))
        for part in theta.reshape(layers, -1):
            arrays = zip(part.split(sizes), shapes.items(), strict=True)
            given = {name: array.reshape(shape) for array, (name, shape) in arrays}
            call.function(**given, wires=[0, 1, 2])
        return qml.probs(wires=range(3))

    expected = node(theta)
    found = Simulator().probabilities(made, theta, states)
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)
    gradients = [torch.autograd.grad((p * weigh).sum(), theta)[0] for p in (found, expected)]
    assert torch.allclose(gradients[0], gradients[1], rtol=0, atol=1e-11)
    assert gradients[0].abs().max() > 0.01


def test_gradients_with_factors_are_finite_differences() -> None:
    made, _ = circuit(sums, 3, 1)
    assert {gate.factor for gate in made.gates} > {1.0}
    theta = torch.linspace(-2, 2, made.parameters, dtype=torch.float64, requires_grad=True)
    states = torch.eye(8, dtype=torch.float64)[:3]
    for plan in ("register", "matrix", "plain"):
        simulator = Simulator(forced=plan)
        assert torch.autograd.gradcheck(
            lambda angles, s=simulator: s.probabilities(made, angles, states), (theta,)
        )
    other = Simulator(device="default.qubit")
    values = [s.probabilities(made, theta, states).square().sum() for s in (Simulator(), other)]
    gradients = [torch.autograd.grad(value, theta)[0] for value in values]
    assert torch.allclose(gradients[0], gradients[1], rtol=0, atol=1e-11)


def test_a_template_is_the_same_circuit_as_the_built_in_one() -> None:
    made, _ = circuit(qml.StronglyEntanglingLayers, 4, 3)
    assert made == strongly_entangling(4, 3)


def test_expressions_are_exact() -> None:
    made, _ = circuit(layer, 2, 1)
    assert made.gates == (
        Gate("RX", (0,), parameter=0),
        Gate("RZ", (0,), angle=0.3),
        Gate("RZ", (0,), parameter=1, factor=2.0),
        Gate("RX", (1,), parameter=2),
        Gate("RZ", (1,), angle=0.3),
        Gate("RZ", (1,), parameter=3, factor=2.0),
        Gate("CNOT", (0, 1)),
    )


def sine(weights: Any, wires: Any) -> None:
    qml.RX(weights[0], wires=0)
    qml.RY(np.sin(weights[1]), wires=1)


def measures(weights: Any, wires: Any) -> Any:
    qml.RX(weights[0], wires=0)
    return qml.expval(qml.Z(0))


def noisy(weights: Any, wires: Any) -> None:
    qml.RX(weights[0], wires=0)
    qml.DepolarizingChannel(0.1, wires=0)


def prepares(weights: Any, wires: Any) -> None:
    qml.BasisState([1], wires=0)
    qml.RX(weights[0], wires=0)


def conditional(weights: Any, wires: Any) -> None:
    qml.RX(weights[0], wires=0)
    qml.cond(qml.measure(0), qml.RX)(weights[1], wires=1)


def loops(weights: Any, wires: Any) -> None:
    for number, weight in enumerate(weights):
        qml.RX(weight, wires=wires[number % len(wires)])


def skips(weights: Any, wires: Any) -> None:
    qml.RX(weights[1], wires=0)


def branches(weights: Any, wires: Any) -> None:
    (qml.RX if weights[0] > 0 else qml.RY)(weights[0], wires=0)


def outside(weights: Any, wires: Any) -> None:
    qml.RX(weights[0], wires=len(wires))


def vector(weights: Any, wires: Any) -> None:
    qml.RX(weights, wires=0)


def missing(weights: Any, wires: Any) -> None:
    qml.RX(weights[0], wires=0)
    raise KeyError("no such thing")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (sine, r"the angle of RY on wires \[1\] is not a sum of constants and multiples"),
        (measures, r"it measures \(expval\(Z\(0\)\)\), but an ansatz only applies gates"),
        (noisy, r"DepolarizingChannel on wires \[0\] cannot be written in gates"),
        (prepares, r"BasisState on wires \[0\] .* prepares a state, but acts on one"),
        (conditional, r"MidMeasureMP on wires \[0\] cannot be written in gates"),
        (loops, "the shape of weights cannot be seen .* PennyLaneAnsatz"),
        (skips, "the shape of weights cannot be seen"),
        (branches, "it applies other gates for other weights"),
        (outside, r"RX acts on wires \[2\], but wires are 0 to 1"),
        (vector, r"the angle of RX on wires \[0\] is an array of shape \(16,\)"),
    ],
)
def test_what_is_no_circuit_is_refused(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        circuit(function, 2, 1)


def test_a_weight_without_a_gate_is_refused() -> None:
    ansatz = PennyLaneAnsatz(skips, {"weights": (3,)})
    with pytest.raises(ValueError, match=r"no gate has the weight weights\[0\]"):
        circuit(ansatz, 2, 1)
