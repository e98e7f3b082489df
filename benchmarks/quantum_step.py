"""One training step of a circuit, forward and backward, beside what a user would pick instead.

    make bench

Prints a table of milliseconds (medians) and ratios on one thread, writes them beside this file as
JSON (one record per shape and rival: `shape, plan, ours_ms, rival, rival_ms, ratio`), and plots.
Circuit: per layer RY, RZ on each qubit and a ring of CNOTs; amplitude embedding; all probabilities
out, but n expectations <Z> for TorchLayer, whose adjoint method has no probabilities.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pennylane as qml
import torch
from floor import floor_ms
from torch import Tensor

from qkd_study.quantum import Circuit, Simulator, hardware_efficient

Step = Callable[[], None]

LAYER, BACKPROP, JAX = "TorchLayer, lightning.qubit", "default.qubit, backprop", "jax.jit"
FLOOR = "floor"

#: Qubits, layers, batch, and whether TorchLayer is run too, which takes seconds for the others.
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
#: What grows in each sweep, and its shapes.
SWEEPS: dict[str, list[tuple[int, int, int]]] = {
    "qubits": [(n, 4, 64) for n in range(2, 15)],
    "batch": [(4, 2, b) for b in (1, 10, 100, 1000, 5000, 20000)],
    "depth": [(6, d, 64) for d in (1, 2, 4, 8, 16, 32)],
}
#: Seconds after which a measurement stops repeating.
BUDGET = 2.0


def median_ms(step: Step) -> float:
    """Milliseconds of one step: the median of up to 50 after one that warms up."""
    step()
    times: list[float] = []
    start = time.perf_counter()
    while len(times) < 50 and (len(times) < 3 or time.perf_counter() - start < BUDGET):
        begin = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times)


def gates(circuit: Circuit, theta: Any) -> None:
    """Queue the circuit's gates in PennyLane."""
    for gate in circuit.gates:
        angle = [] if gate.parameter is None else [theta[gate.parameter]]
        getattr(qml, gate.name)(*angle, wires=gate.wires)


def ours(circuit: Circuit, states: Tensor) -> tuple[str, Step]:
    """The plan that the simulator picks, and a step."""
    simulator = Simulator()
    theta = torch.rand(circuit.parameters, dtype=torch.float64, requires_grad=True)
    weights = torch.rand_like(states)

    def step() -> None:
        theta.grad = None
        (simulator.probabilities(circuit, theta, states) * weights).sum().backward()

    return simulator.plan(circuit, len(states)), step


def torch_layer(circuit: Circuit, states: Tensor) -> Step:
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


def backprop(circuit: Circuit, states: Tensor) -> Step:
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


def jitted(circuit: Circuit, states: Tensor) -> Step:
    """A step of default.qubit under jax.jit; the first call compiles."""
    import jax

    jax.config.update("jax_enable_x64", True)
    n = circuit.qubits

    @qml.qnode(qml.device("default.qubit", wires=n), interface="jax", diff_method="backprop")
    def node(inputs: Any, theta: Any) -> object:
        qml.AmplitudeEmbedding(inputs, wires=range(n))
        gates(circuit, theta)
        return qml.probs(wires=range(n))

    inputs, weights = jax.numpy.asarray(states.numpy()), jax.numpy.asarray(torch.rand_like(states))
    theta = jax.numpy.linspace(0.0, 1.0, circuit.parameters)
    both = jax.jit(jax.value_and_grad(lambda theta: (node(inputs, theta) * weights).sum()))

    def step() -> None:
        jax.block_until_ready(both(theta))

    return step


RIVALS: dict[str, Callable[[Circuit, Tensor], Step]] = {
    LAYER: torch_layer,
    BACKPROP: backprop,
    JAX: jitted,
}


def measure(shape: tuple[int, int, int], rivals: list[str]) -> list[dict[str, Any]]:
    """Our step at a shape (qubits, layers, batch) beside those of the rivals: one record each."""
    n, layers, batch = shape
    circuit = hardware_efficient(n, layers)
    states = torch.nn.functional.normalize(torch.rand(batch, 2**n, dtype=torch.float64), dim=1)
    plan, step = ours(circuit, states)
    own = median_ms(step)
    records = []
    for rival in rivals:
        extra: dict[str, float] = {}
        if rival == FLOOR:
            other = floor_ms(circuit, batch, plan)
        else:
            step = RIVALS[rival](circuit, states)
            start = time.perf_counter()
            if rival == JAX:
                step()
                extra["compile_s"] = time.perf_counter() - start
            other = median_ms(step)
        print(
            f"{n:3} {layers:3} {batch:6}  {plan:>9} {own:9.2f}  {rival:28} {other:10.2f} "
            f"{other / own:8.2f}" + (f"  compiled in {extra['compile_s']:.0f} s" if extra else ""),
            flush=True,
        )
        record: dict[str, Any] = {
            "shape": list(shape),
            "plan": plan,
            "ours_ms": own,
            "rival": rival,
        }
        records.append(record | {"rival_ms": other, "ratio": other / own} | extra)
    return records


def plot(sweeps: dict[str, list[dict[str, Any]]], target: Path) -> None:
    """Milliseconds per step against what grows, ours and the rivals'."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    titles = {
        "qubits": "qubits (4 layers, batch 64)",
        "batch": "batch (4 qubits, 2 layers)",
        "depth": "layers (6 qubits, batch 64)",
    }
    for axes, (name, records) in zip(
        figure.subplots(1, 3, sharey=True), sweeps.items(), strict=True
    ):
        column = ["qubits", "depth", "batch"].index(name)
        shown = {tuple(r["shape"]): r["ours_ms"] for r in records}
        axes.plot([s[column] for s in shown], list(shown.values()), "o-", label="qkd-study")
        for rival, mark in ((LAYER, "v--"), (BACKPROP, "s--"), (JAX, "^--"), (FLOOR, "k:")):
            there = [r for r in records if r["rival"] == rival]
            x = [r["shape"][column] for r in there]
            axes.plot(x, [r["rival_ms"] for r in there], mark, label=rival)
        axes.set(yscale="log", xlabel=titles[name], xscale="linear" if name == "qubits" else "log")
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("ms per step, one thread")
    figure.legend(*figure.axes[1].get_legend_handles_labels(), loc="outside upper center", ncols=5)
    figure.savefig(target, dpi=130)


def main() -> None:
    """Measure every shape and every sweep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", type=Path, default=Path(__file__).with_suffix(".png"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    there = [BACKPROP, FLOOR]
    try:
        import jax  # noqa: F401

        there.insert(1, JAX)
    except ImportError:
        print("jax is not installed: pip install 'qkd-study[bench]'")
    print("qubits, layers, batch; our plan and ms; the rival, its ms, and the ratio")
    records = []
    for *shape, with_layer in SHAPES:
        records += measure((shape[0], shape[1], shape[2]), [LAYER] * with_layer + there)
    sweeps: dict[str, list[dict[str, Any]]] = {}
    for name, shapes in SWEEPS.items():
        sweeps[name] = []
        for sized in shapes:
            n, layers, batch = sized
            rivals = [BACKPROP, FLOOR]
            # TorchLayer takes seconds per step beyond these, and jax minutes to compile.
            if n * layers * batch <= 10 * 4 * 64:
                rivals.insert(0, LAYER)
            if JAX in there and name == "batch":
                rivals.insert(0, JAX)
            sweeps[name] += measure(sized, rivals)
    target = Path(__file__).with_suffix(".json")
    everything = [*records, *itertools.chain.from_iterable(sweeps.values())]
    target.write_text(json.dumps(everything, indent=1) + "\n")
    plot(sweeps, options.plot)
    print(f"figures in {target.name}, plot in {options.plot}")


if __name__ == "__main__":
    main()
