"""Execution plans: a rule of fixed numbers chooses one, the same on every machine."""

from __future__ import annotations

from typing import Literal

from qkd_study.quantum.circuit import Circuit

ExecutionPlan = Literal["register", "matrix", "plain"]

#: Amplitudes per chunk: 256 KiB, which stays in the second-level cache with its adjoint copies.
CHUNK = 2**14

# Microseconds of a training step, forward and backward, on one thread of an AMD EPYC, fitted to
# both plans at 155 shapes by `benchmarks/plan_choice.py`. Only their ratios matter. They are not
# measured at run time: plans round differently, so rows would depend on measured times.
#: One execution of a circuit, without its gates.
EXECUTION = 200.0
#: One gate of an execution, without its amplitudes.
GATE = 0.74
#: One gate on one amplitude.
AMPLITUDE = 9.8e-4
#: One real multiply-add of a batch with the circuit's matrix.
PRODUCT = 1.05e-4
#: One amplitude of a batch that is multiplied with the matrix: squares, and their gradient.
PRODUCED = 1.36e-2
#: Per step with a matrix: splitting, product and derivative.
MATRIX = 100.0


def chunks(batch: int, qubits: int) -> list[tuple[int, int, int]]:
    """(first, last, extra wires) of every chunk of a batch in the register."""
    size = max(CHUNK >> qubits, 1)
    bounds = [(i, min(i + size, batch)) for i in range(0, batch, size)]
    return [(a, b, (b - a - 1).bit_length()) for a, b in bounds]


def microseconds(plan: ExecutionPlan, circuit: Circuit, batch: int, *, real: bool = True) -> float:
    """Estimate the time of a training step by the numbers above.

    Args:
        plan: of the batch.
        circuit: n qubits.
        batch: samples B, at least 1.
        real: whether the samples' amplitudes are real numbers.
    """
    n, gates = circuit.qubits, len(circuit.gates)
    states = 1 << n
    if plan == "plain":
        return batch * (EXECUTION + gates * (GATE + AMPLITUDE * states))
    rows = batch if plan == "register" else states
    size = max(CHUNK >> n, 1)
    full, rest = divmod(rows, size)
    executions, amplitudes = full, full * size * states
    if rest:
        executions, amplitudes = full + 1, amplitudes + (states << (rest - 1).bit_length())
    register = executions * (EXECUTION + gates * GATE) + gates * AMPLITUDE * amplitudes
    if plan == "register":
        return register
    products = PRODUCED + PRODUCT * states * (2 if real else 4)
    return register + MATRIX + batch * states * products


def fastest_plan(circuit: Circuit, batch: int, *, real: bool = True) -> ExecutionPlan:
    """The fastest plan by `microseconds`; `plain` only if data enters between the gates."""
    if circuit.features:
        return "plain"
    matrix = microseconds("matrix", circuit, batch, real=real)
    return "matrix" if matrix < microseconds("register", circuit, batch, real=real) else "register"
