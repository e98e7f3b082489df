"""Plans, precision, devices by name, data between the gates, and what cannot be simulated."""

from __future__ import annotations

import math
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pennylane as qml
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from qkd_study.quantum import (
    Circuit,
    Gate,
    Simulator,
    amplitude_embedding,
    angle_embedding,
    basis_embedding,
    data_reuploading,
    hardware_efficient,
    plans,
)


def states_of(batch: int, qubits: int, seed: int = 0) -> Tensor:
    x = np.random.default_rng(seed).normal(size=(batch, 2**qubits))
    return torch.from_numpy(x / np.linalg.norm(x, axis=1, keepdims=True))


def by_pennylane(circuit: Circuit, theta: Tensor, features: Tensor) -> Tensor:
    """Probabilities from |0...0>, sample by sample, differentiable by backpropagation."""

    @qml.qnode(qml.device("default.qubit"), interface="torch", diff_method="backprop")
    def node(theta: Tensor, row: Tensor) -> object:
        for gate in circuit.gates:
            if gate.feature is not None:
                getattr(qml, gate.name)(row[gate.feature], wires=gate.wires)
            elif gate.parameter is not None:
                getattr(qml, gate.name)(theta[gate.parameter], wires=gate.wires)
            else:
                getattr(qml, gate.name)(wires=gate.wires)
        return qml.probs(wires=range(circuit.qubits))

    return torch.stack([node(theta, row) for row in features])


@pytest.mark.parametrize("device", ["lightning.qubit", "default.qubit", "lightning.kokkos"])
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(0, 10**6))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_data_between_the_gates(device: str, n: int, depth: int, batch: int, seed: int) -> None:
    if device == "lightning.kokkos":
        pytest.importorskip("pennylane_lightning.lightning_kokkos")
    rng = np.random.default_rng(seed)
    circuit = data_reuploading(n, depth, features=max(n - 1, 1))
    theta = torch.from_numpy(rng.normal(size=circuit.parameters)).requires_grad_()
    features = torch.from_numpy(rng.normal(size=(batch, circuit.features))).requires_grad_()
    ground = torch.eye(2**n, dtype=torch.float64)[:1].expand(batch, -1)
    simulator = Simulator(device)
    assert simulator.plan(circuit, batch) == "plain"
    ours = simulator.probabilities(circuit, theta, ground, features=features)
    theirs = by_pennylane(circuit, theta, features)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)
    weights = torch.from_numpy(rng.normal(size=ours.shape))
    mine, other = (
        torch.autograd.grad((out * weights).sum(), (theta, features)) for out in (ours, theirs)
    )
    for a, b in zip(mine, other, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-8)
    assert simulator.executions == 2 * batch
    assert simulator.plans_used == "plain"


def test_sizes_of_reuploading() -> None:
    circuit = data_reuploading(4, 3, features=2)
    assert (circuit.parameters, circuit.features) == (2 * 4 * 3, 2)
    assert len(circuit.gates) == 3 * (2 + 2 * 4 + 4)
    assert sum(len(gate.wires) == 2 for gate in circuit.gates) == 3 * 4


def test_every_plan_gives_the_same() -> None:
    circuit = hardware_efficient(3, 2)
    weights = torch.from_numpy(np.random.default_rng(3).normal(size=(7, 8)))
    found = []
    for plan in ("register", "matrix", "plain"):
        theta = torch.linspace(-2, 2, circuit.parameters, dtype=torch.float64).requires_grad_()
        states = states_of(7, 3).requires_grad_()
        simulator = Simulator(forced=plan)
        out = simulator.probabilities(circuit, theta, states)
        assert simulator.plans_used == plan
        found.append((out, *torch.autograd.grad((out * weights).sum(), (theta, states))))
    for others in found[1:]:
        for a, b in zip(found[0], others, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_complex64_is_what_it_says() -> None:
    circuit = hardware_efficient(6, 4)
    weights = states_of(32, 6, seed=1)
    found: list[Tensor] = []
    for precision in ("complex128", "complex64"):
        theta = torch.linspace(-3, 3, circuit.parameters, dtype=torch.float64).requires_grad_()
        simulator = Simulator(precision=precision)
        out = simulator.probabilities(circuit, theta, states_of(32, 6), plan="register")
        (out * weights).sum().backward()
        assert theta.grad is not None
        found.append(theta.grad)
    error = (found[0] - found[1]).abs().max() / found[0].abs().max()
    assert 1e-9 < error < 1e-5  # single precision, and no worse


@given(st.integers(1, 16), st.integers(1, 3), st.integers(1, 40_000))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_what_the_rule_counts_is_what_runs(qubits: int, layers: int, batch: int) -> None:
    circuit = hardware_efficient(qubits, layers)
    gates = len(circuit.gates)

    def executed(rows: int) -> float:
        widths = [qubits + extra for _, _, extra in plans.chunks(rows, qubits)]
        return sum(
            plans.EXECUTION + gates * (plans.GATE + plans.AMPLITUDE * float(2**wires))
            for wires in widths
        )

    assert plans.microseconds("register", circuit, batch) == pytest.approx(executed(batch))
    products = plans.PRODUCT * batch * 4**qubits
    matrix = executed(2**qubits) + plans.MATRIX + plans.PRODUCED * batch * 2**qubits
    assert plans.microseconds("matrix", circuit, batch) == pytest.approx(matrix + 2 * products)
    of_complex = plans.microseconds("matrix", circuit, batch, real=False)
    assert of_complex == pytest.approx(matrix + 4 * products)
    plain = batch * (plans.EXECUTION + gates * (plans.GATE + plans.AMPLITUDE * 2**qubits))
    assert plans.microseconds("plain", circuit, batch) == pytest.approx(plain)


@pytest.mark.parametrize(
    ("qubits", "layers", "batch", "plan"),
    [
        (4, 2, 1, "register"),
        (4, 2, 3136, "matrix"),
        (4, 2, 19600, "matrix"),
        (6, 4, 64, "register"),
        (6, 4, 256, "matrix"),
        (8, 8, 256, "register"),
        (12, 4, 64, "register"),
    ],
)
def test_a_plan_is_the_same_on_every_machine(
    qubits: int, layers: int, batch: int, plan: str
) -> None:
    assert Simulator().plan(hardware_efficient(qubits, layers), batch) == plan


def test_a_first_circuit_may_run_without_gradients(tmp_path: Path) -> None:
    program = """
import torch
from qkd_study.quantum import Simulator, hardware_efficient

states = torch.eye(16, dtype=torch.float64)[:3]
circuit = hardware_efficient(4)
with torch.no_grad():
    out = Simulator().probabilities(circuit, torch.ones(8, dtype=torch.float64), states)
print(out.sum().item())
"""
    env = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(3)
    assert list(tmp_path.iterdir()) == []  # nothing was measured and kept


def test_a_circuit_travels_without_its_hash() -> None:
    circuit = hardware_efficient(2)
    hash(circuit)
    again = pickle.loads(pickle.dumps(circuit))
    assert again == circuit
    assert "_hash" not in again.__dict__
    assert again.parameters == 4


def run(simulator: Simulator, **changes: object) -> Tensor:
    circuit = hardware_efficient(2)
    given = {"theta": torch.zeros(4, dtype=torch.float64), "states": states_of(3, 2), **changes}
    return simulator.probabilities(circuit, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: run(Simulator("lightning.none")), "device 'lightning.none' is unknown or not"),
        (lambda: run(Simulator("default.mixed")), "'default.mixed' has no adjoint differentiation"),
        (
            lambda: run(Simulator("default.qubit", "complex64")),
            "device 'default.qubit' has no precision 'complex64', only complex128",
        ),
        (lambda: Simulator(precision="half"), "precision must be one of"),  # type: ignore[arg-type]
        (lambda: Simulator(forced="fast"), "plan must be one of"),  # type: ignore[arg-type]
        (lambda: run(Simulator(), plan="fast"), "but got 'fast'"),
        (
            lambda: run(Simulator(), theta=torch.tensor([0.0, math.nan, 0.0, 0.0])),
            "theta must be finite, but is nan at [1]",
        ),
        (lambda: run(Simulator(), theta=torch.zeros(3)), "has 4 parameters, but theta has"),
        (lambda: run(Simulator(), states=torch.ones(3, 8)), "(batch, 4), but got (3, 8)"),
        (lambda: run(Simulator(), features=torch.ones(3, 1)), "but got (3, 1)"),
        (
            lambda: Simulator().probabilities(
                data_reuploading(1, 1, features=1),
                torch.zeros(2),
                torch.eye(2)[:1],
                features=torch.zeros(1, 1),
                plan="matrix",
            ),
            "data enters between the gates",
        ),
        (
            lambda: Simulator().unitary(hardware_efficient(40), torch.zeros(80)),
            f"the matrix of 40 qubits needs {5 * 16 * 4**40:,} bytes of memory",
        ),
        (lambda: angle_embedding(torch.zeros(2, 40), 40), f"needs {2 * 4 * 2**40:,} bytes"),
        (lambda: amplitude_embedding(torch.ones(2, 4), 40), f"needs {2 * 8 * 2**40:,} bytes"),
        (lambda: basis_embedding(torch.zeros(1, 40), 40), f"needs {16 * 2**40:,} bytes"),
        (lambda: data_reuploading(2, features=3), "features must be from 1 to qubits=2"),
        (lambda: Circuit(1, (Gate("RX", (0,), 0, feature=0),)), "exactly one of parameter, angle"),
        (lambda: Circuit(1, (Gate("RX", (0,), feature=1),)), "features must be numbered 0, 1, ..."),
    ],
)
def test_bad_input(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        build()


def test_a_state_larger_than_memory() -> None:
    simulator = Simulator()
    with pytest.raises(ValueError, match=f"simulating 45 qubits needs {5 * 16 * 2**45:,} bytes"):
        simulator.state(hardware_efficient(45), 0)
