"""`CircuitExecutions`: executes the circuits of several models, each on a batch of its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_study.compat.lightning import ComplexArray, RealArray
from qkd_study.quantum.circuit import Circuit
from qkd_study.quantum.execution import Executor, State
from qkd_study.quantum.plans import ExecutionPlan, chunks

#: Of a chunk: its first row, the one behind its last, and the wires in front of the circuit's.
Part = tuple[int, int, int]


class CircuitExecutions:
    """R circuits on as many batches of states: a `CircuitExecution` for each.

    The device runs them one after the other. What is around it is done for all at once, and every
    number is that of `CircuitExecution`, bit for bit.

    Args:
        simulators: of each, with the same device states; they count the executions.
        circuits: of each, n qubits and P parameters, without features.
        plan: `register`, or `plain` for one execution per sample.
        theta: angles in radians, (R, P); all finite.
        states: amplitudes (R, B, 2^n), or (1, B, 2^n) if they are the same for all.

    Attributes:
        final: the final amplitudes, (R, B, 2^n), in the precision of the simulators.
    """

    def __init__(
        self,
        simulators: Sequence[Executor],
        circuits: Sequence[Circuit],
        plan: ExecutionPlan,
        theta: NDArray[Any],
        states: NDArray[Any],
    ) -> None:
        self._simulators, self._circuits = simulators, [circuit.by_angle for circuit in circuits]
        self._multiples = [circuit.multiples for circuit in circuits]
        self._angles = [
            angles if found is None else angles[found[0]] * found[1]
            for angles, found in zip(theta.astype(np.float64), self._multiples, strict=True)
        ]
        self._states, self._shape = states, theta.shape
        kind = np.dtype(simulators[0].precision)
        batch, size = states.shape[1:]
        self._parts: list[Part] = (
            chunks(batch, circuits[0].qubits)
            if plan == "register"
            else [(sample, sample + 1, 0) for sample in range(batch)]
        )
        self._traces: list[list[Any]] = []
        found = []
        for part in self._parts:
            given = _registers(states[:, slice(*part[:2])], part, kind)
            finals = np.empty((len(theta), given.shape[1]), kind)
            rows = np.broadcast_to(given, finals.shape)
            traces = []
            for final, row, state, angles in zip(
                finals, rows, self._devices(part), self._angles, strict=True
            ):
                final[:], trace = state.run(row, angles, record=True)
                traces.append(trace)
            self._traces.append(traces)
            found.append(finals.reshape(len(theta), -1, size)[:, : part[1] - part[0]])
        for simulator in simulators:
            simulator.executions += len(self._parts)
        self.final: ComplexArray = found[0] if len(found) == 1 else np.concatenate(found, 1)

    def _devices(self, part: Part) -> list[State]:
        """The device's state of every circuit, looked up once for each."""
        first = self._simulators[0]
        different = {id(circuit): circuit for circuit in self._circuits}
        found = {key: first.state(circuit, part[2]) for key, circuit in different.items()}
        return [found[id(circuit)] for circuit in self._circuits]

    @property
    def probabilities(self) -> RealArray:
        """Of the basis states, (R, B, 2^n)."""
        squares: RealArray = self.final.real**2 + self.final.imag**2
        return squares

    def gradient(
        self, given: NDArray[Any], *, squared: bool, states: bool
    ) -> tuple[RealArray, ComplexArray | None]:
        """Gradients with respect to the angles and the states.

        Args:
            given: that with respect to the probabilities, real (R, B, 2^n), if `squared`; else that
                with respect to the amplitudes, complex.
            squared: see there.
            states: whether to compute the second result.

        Returns:
            (R, P); and (R, B, 2^n) complex, or `None`.
        """
        final, kind = self.final, self.final.dtype
        for_angles = [np.zeros(len(angles)) for angles in self._angles]
        for_states = np.empty(final.shape, kind) if states else None
        for part, traces in zip(self._parts, self._traces, strict=True):
            rows = slice(*part[:2])
            cotangents = given[:, rows] * final[:, rows] if squared else given[:, rows]
            registers = _registers(cotangents, part, kind)
            for number, (state, trace) in enumerate(zip(self._devices(part), traces, strict=True)):
                gradient, back = state.gradient(
                    trace,
                    partial(self._register, self._states, number, part),
                    partial(self._register, final, number, part),
                    registers[number],
                    self._angles[number],
                    angles=bool(self._shape[1]),
                    inverse=states,
                )
                if gradient is not None:
                    for_angles[number] += gradient
                if for_states is not None and back is not None:
                    found = back.reshape(-1, final.shape[2])
                    for_states[number, rows] = found[: part[1] - part[0]]
        for simulator in self._simulators:
            simulator.executions += (bool(self._shape[1]) + states) * len(self._parts)
        for_theta = np.stack([*map(self._of_parameters, for_angles, self._multiples)])
        if squared:
            for_theta *= 2
            if for_states is not None:
                for_states *= 2
        return for_theta, for_states

    def _register(self, rows: NDArray[Any], number: int, part: Part) -> ComplexArray:
        """The register of one circuit, of rows (R or 1, B, 2^n)."""
        mine = rows[number if len(rows) > 1 else 0, slice(*part[:2])]
        found: ComplexArray = _registers(mine[None], part, self.final.dtype)[0]
        return found

    def _of_parameters(
        self, gradient: RealArray, multiples: tuple[list[int], list[float]] | None
    ) -> RealArray:
        """The gradient of the parameters, (P,), from that of the angles."""
        if multiples is None:
            return gradient
        found = np.zeros(self._shape[1])
        np.add.at(found, multiples[0], gradient * multiples[1])
        return found


def _registers(rows: NDArray[Any], part: Part, kind: np.dtype[Any]) -> ComplexArray:
    """Stacked states (R, b, 2^n) as R vectors of (2^extra * 2^n,), unused rows zero."""
    count, batch, size = rows.shape
    if batch == 1 << part[2]:
        return np.ascontiguousarray(rows, kind).reshape(count, -1)
    out = np.zeros((count, 1 << part[2], size), kind)
    out[:, :batch] = rows
    return out.reshape(count, -1)
