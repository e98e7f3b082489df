"""One training step of a circuit, forward and backward, beside what a user would pick instead.

    make bench

Prints a table of milliseconds (medians) and ratios on one thread, and writes them as JSON records
beside this file: `shape, plan, ours_ms, rival, rival_ms, ratio`. Rivals: PennyLane's TorchLayer on
lightning.qubit with adjoint differentiation, and default.qubit with backpropagation and
broadcasting. Circuit: per layer RY, RZ on each qubit and a ring of CNOTs; amplitude embedding; all
probabilities out, but n expectations <Z> for TorchLayer, whose adjoint method has no probabilities.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pennylane as qml
import torch
from torch import Tensor

from qkd_study.quantum import Circuit, Simulator, hardware_efficient

#: Qubits, layers, batch; and whether the slowest rival is run at that size too.
SHAPES = [
    (4, 2, 196, True),
    (4, 2, 3136, False),
    (4, 2, 19600, False),
    (6, 4, 64, True),
    (6, 4, 256, True),
    (8, 4, 64, True),
    (8, 8, 256, False),
    (10, 4, 64, True),
    (12, 4, 64, False),
]
#: Seconds after which a measurement stops repeating.
BUDGET = 3.0


def median_ms(step: Callable[[], None]) -> float:
    """Milliseconds of one step: the median of up to 50 after one that warms up."""
    step()
    times: list[float] = []
    start = time.perf_counter()
    while len(times) < 50 and (len(times) < 3 or time.perf_counter() - start < BUDGET):
        begin = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times)


def gates(circuit: Circuit, theta: Tensor) -> None:
    """Queue the circuit's gates in PennyLane."""
    for gate in circuit.gates:
        angle = [] if gate.parameter is None else [theta[gate.parameter]]
        getattr(qml, gate.name)(*angle, wires=gate.wires)


def ours(circuit: Circuit, states: Tensor) -> tuple[str, Callable[[], None]]:
    """The plan that the simulator picks, and a step."""
    simulator = Simulator()
    theta = torch.rand(circuit.parameters, dtype=torch.float64, requires_grad=True)
    weights = torch.rand_like(states)

    def step() -> None:
        theta.grad = None
        (simulator.probabilities(circuit, theta, states) * weights).sum().backward()

    return simulator.plan(circuit, len(states)), step


def torch_layer(circuit: Circuit, states: Tensor) -> Callable[[], None]:
    """A step of qml.qnn.TorchLayer."""
    n = circuit.qubits

    @qml.qnode(qml.device("lightning.qubit", wires=n), interface="torch", diff_method="adjoint")
    def node(inputs: Tensor, theta: Tensor) -> object:
        qml.AmplitudeEmbedding(inputs, wires=range(n))
        gates(circuit, theta)
        return [qml.expval(qml.Z(wire)) for wire in range(n)]

    layer = qml.qnn.TorchLayer(node, {"theta": (circuit.parameters,)})

    def step() -> None:
        layer.zero_grad()
        layer(states).sum().backward()

    return step


def backprop(circuit: Circuit, states: Tensor) -> Callable[[], None]:
    """A step of default.qubit."""
    n = circuit.qubits

    @qml.qnode(qml.device("default.qubit", wires=n), interface="torch", diff_method="backprop")
    def node(inputs: Tensor, theta: Tensor) -> object:
        qml.AmplitudeEmbedding(inputs, wires=range(n))
        gates(circuit, theta)
        return qml.probs(wires=range(n))

    theta = torch.rand(circuit.parameters, dtype=torch.float64, requires_grad=True)
    weights = torch.rand_like(states)

    def step() -> None:
        theta.grad = None
        (node(states, theta) * weights).sum().backward()

    return step


def main() -> None:
    """Measure every shape and print the table."""
    torch.set_num_threads(1)
    records = []
    print(f"{'qubits, layers, batch':>22} {'plan':>9} {'ours':>9}  rival, its ms, ratio")
    for n, layers, batch, with_layer in SHAPES:
        circuit = hardware_efficient(n, layers)
        states = torch.nn.functional.normalize(torch.rand(batch, 2**n, dtype=torch.float64), dim=1)
        plan, step = ours(circuit, states)
        own = median_ms(step)
        rivals = {"default.qubit backprop": backprop}
        if with_layer:
            rivals["TorchLayer lightning.qubit"] = torch_layer
        for rival, build in rivals.items():
            other = median_ms(build(circuit, states))
            shape = f"{n}, {layers}, {batch}"
            print(f"{shape:>22} {plan:>9} {own:9.2f}  {rival}, {other:.1f}, {other / own:.1f}")
            records.append(
                {
                    "shape": [n, layers, batch],
                    "plan": plan,
                    "ours_ms": own,
                    "rival": rival,
                    "rival_ms": other,
                    "ratio": other / own,
                }
            )
    target = Path(__file__).with_suffix(".json")
    target.write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
