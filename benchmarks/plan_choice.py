"""Register or matrix: does the rule pick the faster one?

    make bench
    .venv/bin/python benchmarks/plan_choice.py --fit

Times one training step of a circuit, forward and backward, under both plans in turn, on one thread,
at the shapes and sweeps of quantum_step.py and on a grid. Prints the times, the plan that the rule
(`qkd_study/quantum/plans.py`) picks, and its time as a multiple of the faster plan's; of the grid
only where that is above 1. `--fit` fits the numbers of the rule to these times anew.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import itertools
import statistics
import time

import numpy as np
import torch
from quantum_step import SHAPES, SWEEPS
from scipy.optimize import nnls

from qkd_study.quantum import ExecutionPlan, Simulator, hardware_efficient
from qkd_study.quantum.plans import CHUNK, chunks, fastest_plan

Shape = tuple[int, int, int]

#: The shapes that docs/performance.md reports, and more, where the two plans are near each other.
NAMED: list[Shape] = list(
    dict.fromkeys([s[:3] for s in SHAPES] + [s for sweep in SWEEPS.values() for s in sweep])
)
GRID: list[Shape] = list(
    itertools.product((2, 3, 4, 5, 6, 7, 8), (1, 4, 8), (1, 8, 32, 128, 512, 2048))
)
#: Above so many qubits the matrix takes seconds, and far longer than the register.
LARGEST_MATRIX = 9
#: Seconds after which a measurement stops repeating.
BUDGET = 0.8


def times(shape: Shape) -> dict[ExecutionPlan, float]:
    """Milliseconds of a step under each plan, run in turn: medians of up to 60."""
    qubits, layers, batch = shape
    circuit = hardware_efficient(qubits, layers)
    states = torch.nn.functional.normalize(torch.rand(batch, 2**qubits, dtype=torch.float64), dim=1)
    weights = torch.rand_like(states)
    theta = torch.rand(circuit.parameters, dtype=torch.float64, requires_grad=True)
    simulator = Simulator()
    plans: list[ExecutionPlan] = (
        ["register", "matrix"] if qubits <= LARGEST_MATRIX else ["register"]
    )
    found: dict[ExecutionPlan, list[float]] = {plan: [] for plan in plans}
    begin = time.perf_counter()
    while len(found["register"]) < 61 and (
        len(found["register"]) < 4 or time.perf_counter() - begin < BUDGET
    ):
        for plan in plans:
            theta.grad = None
            start = time.perf_counter()
            (simulator.probabilities(circuit, theta, states, plan=plan) * weights).sum().backward()
            found[plan].append(1e3 * (time.perf_counter() - start))
    return {plan: statistics.median(values[1:]) for plan, values in found.items()}


def amounts(plan: ExecutionPlan, shape: Shape) -> list[float]:
    """How often a step pays each number of `fit`."""
    qubits, layers, batch = shape
    gates = len(hardware_efficient(qubits, layers).gates)
    parts = chunks(batch if plan == "register" else 2**qubits, qubits)
    amplitudes = sum(2 ** (qubits + extra) for _, _, extra in parts)
    matrix = plan == "matrix"
    return [
        len(parts),
        len(parts) * gates,
        gates * amplitudes,
        2 * batch * 4**qubits * matrix,
        batch * 2**qubits * matrix,
        matrix,
        batch * 2**qubits,
        1,
    ]


def fit(measured: dict[Shape, dict[ExecutionPlan, float]]) -> None:
    """Print the numbers that fit these times best, by least squares of relative errors."""
    rows, seconds = [], []
    for shape, found in measured.items():
        for plan, ms in found.items():
            rows.append(amounts(plan, shape))
            seconds.append(1e3 * ms)
    scale = np.array(seconds)[:, None]
    numbers, _ = nnls(np.array(rows, float) / scale, np.ones(len(seconds)))
    names = ("EXECUTION", "GATE", "AMPLITUDE", "PRODUCT", "PRODUCED", "MATRIX", "(per amplitude)")
    print(f"microseconds, fitted to {len(seconds)} times of {len(measured)} shapes:")
    for name, number in zip((*names, "(per step)"), numbers, strict=True):
        print(f"  {name:28} {number:.3g}")


def main() -> None:
    """Time all shapes, and print where the rule is not the faster plan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fit", action="store_true", help="print the numbers of the rule, fitted")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"chunks of {CHUNK} amplitudes; qubits, layers, batch; ms of register and matrix")
    measured, lost = {}, {}
    for shape in dict.fromkeys([*NAMED, *GRID]):
        found = measured[shape] = times(shape)
        plan = fastest_plan(hardware_efficient(*shape[:2]), shape[2])
        lost[shape] = found[plan] / min(found.values())
        if shape in NAMED or lost[shape] > 1:
            shown = " ".join(f"{p} {ms:9.3f}" for p, ms in found.items())
            print(f"{shape!s:16} {shown:38} rule: {plan:8} {lost[shape]:5.2f}", flush=True)
    for name, shapes in (("shapes and sweeps", NAMED), ("grid", GRID)):
        ratios = [lost[shape] for shape in shapes]
        slower = sum(ratio > 1 for ratio in ratios)
        print(
            f"{name}: the rule picked the slower plan at {slower} of {len(shapes)}, "
            f"at most {100 * (max(ratios) - 1):.0f} % slower"
        )
    if options.fit:
        fit(measured)


if __name__ == "__main__":
    main()
