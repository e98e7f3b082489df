"""The simulator against default.qubit with backpropagation: another device, another derivative."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import weakref
from collections.abc import Callable
from functools import partial

import numpy as np
import pennylane as qml
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from qkd_study.quantum import Circuit, Gate, Simulator, quanvolution_filter, z_values
from qkd_study.quantum.circuit import GATES
from qkd_study.quantum.plans import CHUNK, ExecutionPlan


@st.composite
def circuits(draw: st.DrawFn) -> Circuit:
    qubits = draw(st.integers(1, 4))
    names = [name for name, (wires, _) in GATES.items() if wires <= qubits]
    gates: list[Gate] = []
    parameters = 0
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=12)):
        wires, angle = GATES[name]
        where = tuple(draw(st.permutations(range(qubits)))[:wires])
        if not angle:
            gates.append(Gate(name, where))
        elif draw(st.booleans()):
            gates.append(Gate(name, where, angle=draw(st.floats(-3, 3))))
        else:
            again = draw(st.booleans()) and parameters > 0
            number = draw(st.integers(0, parameters - 1)) if again else parameters
            factor = draw(st.sampled_from((1.0, -1.0, 0.5, 2.0)))
            gates.append(Gate(name, where, parameter=number, factor=factor))
            parameters += not again
    return Circuit(qubits, tuple(gates))


def random_states(batch: int, qubits: int, rng: np.random.Generator, real: bool) -> Tensor:
    states = rng.normal(size=(batch, 2**qubits)) + (
        0 if real else 1j * rng.normal(size=(batch, 2**qubits))
    )
    return torch.from_numpy(states / np.linalg.norm(states, axis=1, keepdims=True))


def reference(circuit: Circuit, theta: Tensor, states: Tensor) -> Tensor:
    """Probabilities by default.qubit, differentiable by backpropagation."""

    @qml.qnode(qml.device("default.qubit"), interface="torch", diff_method="backprop")
    def node(theta: Tensor, states: Tensor) -> object:
        qml.StatePrep(states, wires=range(circuit.qubits), validate_norm=False)
        for gate in circuit.gates:
            trained = gate.parameter is not None
            angle = gate.factor * theta[gate.parameter] if trained else gate.angle
            getattr(qml, gate.name)(*([] if angle is None else [angle]), wires=gate.wires)
        return qml.probs(wires=range(circuit.qubits))

    out: Tensor = node(theta, states)
    return out.reshape(len(states), -1)


def values_and_gradients(
    run: Callable[[Tensor, Tensor], Tensor], theta: Tensor, states: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    theta = theta.clone().requires_grad_()
    states = states.clone().requires_grad_()
    out = run(theta, states)
    ((out * weights).sum() + (out**2).sum()).backward()
    assert states.grad is not None
    grad = torch.zeros_like(theta) if theta.grad is None else theta.grad
    return out.detach(), grad, states.grad


@pytest.mark.parametrize("path", ["bindings", "public interface"])
@pytest.mark.parametrize("plan", ["register", "matrix"])
@given(circuits(), st.integers(1, 9), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_agrees_with_backpropagation(
    plan: ExecutionPlan, path: str, circuit: Circuit, batch: int, seed: int, real: bool
) -> None:
    rng = np.random.default_rng(seed)
    theta = torch.from_numpy(rng.uniform(-math.pi, math.pi, circuit.parameters))
    states = random_states(batch, circuit.qubits, rng, real)
    weights = torch.from_numpy(rng.normal(size=(batch, 2**circuit.qubits)))
    # Both run on lightning.qubit; by its name alone, a simulator would take the bindings.
    simulator = Simulator() if path == "bindings" else _public_path()
    ours = values_and_gradients(
        lambda t, s: simulator.probabilities(circuit, t, s, plan=plan), theta, states, weights
    )
    theirs = values_and_gradients(lambda t, s: reference(circuit, t, s), theta, states, weights)
    torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=1e-10)
    torch.testing.assert_close(ours[1], theirs[1], rtol=0, atol=1e-8)
    torch.testing.assert_close(ours[2], theirs[2], rtol=0, atol=1e-8)


def _public_path() -> Simulator:
    from qkd_study.quantum.device import DeviceState

    class Public(Simulator):
        def state(self, circuit: Circuit, extra_wires: int) -> DeviceState:
            return DeviceState("lightning.qubit", circuit, extra_wires, self.precision)

    return Public()


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    circuit = quanvolution_filter(3, 2)
    theta = torch.from_numpy(rng.normal(size=circuit.parameters))
    states, weights = random_states(21, 3, rng, True), torch.from_numpy(rng.normal(size=(21, 8)))
    simulator = Simulator()

    def run(t: Tensor, s: Tensor) -> Tensor:
        return simulator.probabilities(circuit, t, s, plan="register")

    whole = values_and_gradients(run, theta, states, weights)
    before = simulator.executions
    monkeypatch.setattr("qkd_study.quantum.plans.CHUNK", 32)
    parts = values_and_gradients(run, theta, states, weights)
    assert CHUNK > 32
    assert simulator.executions - before == 3 * math.ceil(21 / 4)
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_a_fresh_process_and_a_copy_count_on() -> None:
    simulator = Simulator()
    circuit = quanvolution_filter()
    theta = torch.linspace(-1, 1, 11, dtype=torch.float64)
    simulator.unitary(circuit, theta)
    again = pickle.loads(pickle.dumps(simulator))
    assert again.executions == 1
    torch.testing.assert_close(
        again.unitary(circuit, theta), simulator.unitary(circuit, theta), rtol=0, atol=0
    )
    assert copy.deepcopy(simulator) is simulator


def test_one_execution_whatever_the_batch() -> None:
    circuit = quanvolution_filter()
    states = random_states(5000, 4, np.random.default_rng(0), True)
    simulator = Simulator()
    simulator.probabilities(circuit, torch.zeros(11, dtype=torch.float64), states)
    assert simulator.executions == 1
    simulator.probabilities(
        circuit, torch.zeros(11, dtype=torch.float64), states[:9], plan="register"
    )
    assert simulator.executions == 2


def test_z_values_are_pennylanes() -> None:
    for wire in range(3):
        matrix = qml.matrix(qml.Z(wire), wire_order=range(3))
        np.testing.assert_array_equal(z_values(3)[:, wire].numpy(), np.diag(matrix).real)


def test_another_device_by_name() -> None:
    rng = np.random.default_rng(2)
    circuit = quanvolution_filter(2, 2)
    theta = torch.from_numpy(rng.normal(size=circuit.parameters))
    states, weights = random_states(3, 2, rng, True), torch.from_numpy(rng.normal(size=(3, 4)))
    results = [
        values_and_gradients(partial(simulator.probabilities, circuit), theta, states, weights)
        for simulator in (Simulator(device="lightning.qubit"), Simulator(device="default.qubit"))
    ]
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


@pytest.mark.parametrize("plan", ["register", "matrix"])
def test_a_step_leaves_no_memory_to_the_collector(plan: ExecutionPlan) -> None:
    circuit = quanvolution_filter(3, 1)
    theta = torch.ones(circuit.parameters, dtype=torch.float64, requires_grad=True)
    states = torch.eye(8, dtype=torch.float64)
    out = Simulator().probabilities(circuit, theta, states, plan=plan)
    out[:, 0].sum().backward()
    kept = weakref.ref(out)
    gc.disable()
    try:
        del out
        assert kept() is None
    finally:
        gc.enable()
