"""The gradient by layers against lightning's own, another device, and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qkd_study.quantum import Circuit, Gate, Simulator, brickwork, strongly_entangling
from qkd_study.quantum._lightning import LightningState
from qkd_study.quantum.circuit import GATES


def drawn(qubits: int, gates: int, seed: int, *, controlled: bool) -> Circuit:
    """Random gates, a fifth of them with fixed angles, and two features."""
    rng = np.random.default_rng(seed)
    found, parameters = [], 0
    for number in range(gates):
        name = str(rng.choice(list(GATES)))
        wires, angle = GATES[name]
        where = tuple(rng.permutation(qubits)[:wires].tolist())
        if not angle:
            found.append(Gate(name, where))
        elif rng.random() < 0.2 or (wires == 2 and not controlled):
            found.append(Gate(name, where, angle=float(rng.uniform(-3, 3))))
        elif number % 7 < 2:
            found.append(Gate(name, where, feature=number % 7))
        else:
            found.append(Gate(name, where, parameter=parameters))
            parameters += 1
    entered = [Gate("RY", (0,), feature=feature) for feature in range(2)]
    return Circuit(qubits, (*entered, *found))


CIRCUITS = [
    *(drawn(qubits, 60, seed, controlled=True) for qubits in (2, 3, 4) for seed in (0, 1)),
    *(drawn(qubits, 80, seed, controlled=False) for qubits in (5, 6, 7) for seed in (0, 1)),
    strongly_entangling(8, 2),
    brickwork(5, 3),
]


@pytest.mark.parametrize("circuit", CIRCUITS, ids=lambda c: f"{c.qubits}-{c.parameters}")
def test_gradient_by_layers(circuit: Circuit) -> None:
    """Of random amplitudes in two samples at once, with respect to angles and amplitudes."""
    rng = np.random.default_rng(4)
    state, cotangent = (
        rng.normal(size=2 << circuit.qubits) + 1j * rng.normal(size=2 << circuit.qubits)
        for _ in range(2)
    )
    values = rng.uniform(-3, 3, circuit.parameters + circuit.features)
    ours = LightningState(circuit, 1, "complex128")
    final, trace = ours.run(state, values, record=True)
    assert trace is not None  # else lightning's own derivative would be compared with itself
    found, back = ours.gradient(
        trace, lambda: state, lambda: final, cotangent, values, inverse=True
    )
    given, other = ours.gradient(
        None, lambda: state, lambda: final, cotangent, values, inverse=True
    )
    assert found is not None
    assert back is not None
    assert given is not None
    assert other is not None
    np.testing.assert_allclose(found, given, rtol=0, atol=1e-11)
    np.testing.assert_allclose(back, other, rtol=0, atol=1e-11)

    def loss(changed: np.ndarray) -> float:
        return float(np.vdot(cotangent, ours.run(state, changed)[0]).real)

    for place in range(0, len(values), 5):
        step = np.zeros(len(values))
        step[place] = 1e-5
        difference = (loss(values + step) - loss(values - step)) / 2e-5
        np.testing.assert_allclose(found[place], difference, rtol=0, atol=1e-6)


@pytest.mark.parametrize("plan", ["register", "matrix"])
def test_more_wires_against_another_device(plan: str) -> None:
    circuit = strongly_entangling(5, 2)
    found = []
    for device in ("lightning.qubit", "default.qubit"):
        theta = torch.linspace(-3, 3, circuit.parameters, dtype=torch.float64).requires_grad_()
        states = torch.eye(32, dtype=torch.float64)[10:13].roll(1, 0).requires_grad_()
        out = Simulator(device).probabilities(circuit, theta, states, plan=plan)  # type: ignore[arg-type]
        weights = torch.linspace(0, 1, out.numel(), dtype=torch.float64).view_as(out)
        found.append((out, *torch.autograd.grad((out * weights).sum(), (theta, states))))
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-10)


def test_a_trace_that_is_too_large_is_not_kept() -> None:
    circuit = strongly_entangling(8, 33)
    state = LightningState(circuit, 6, "complex128")
    one = np.zeros(1 << 14, complex)
    one[0] = 1
    assert state.run(one, np.ones(circuit.parameters), record=True)[1] is None
