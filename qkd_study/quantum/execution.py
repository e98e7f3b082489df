"""`CircuitExecution`: executes a circuit on a batch of states, and computes its gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from qkd_study.compat.lightning import ComplexArray, RealArray
from qkd_study.quantum.circuit import Circuit
from qkd_study.quantum.plans import ExecutionPlan, chunks


class State(Protocol):
    """A device's state vector, and one circuit that acts on it; see `LightningState`."""

    def run(
        self, state: ComplexArray, values: RealArray, *, record: bool = False
    ) -> tuple[ComplexArray, Any]: ...

    def gradient(
        self,
        trace: Any,
        state: Callable[[], ComplexArray],
        final: Callable[[], ComplexArray],
        cotangent: ComplexArray,
        values: RealArray,
        *,
        angles: bool = True,
        inverse: bool = False,
    ) -> tuple[RealArray | None, ComplexArray | None]: ...


class Executor(Protocol):
    """Runs circuits; see `Simulator`."""

    precision: Literal["complex128", "complex64"]
    executions: int

    def state(self, circuit: Circuit, extra_wires: int) -> State: ...


class CircuitExecution:
    """A circuit applied to a batch of states, in NumPy arrays, without the overhead of autograd.

    Args:
        simulator: runs the circuit and counts the executions.
        circuit: n qubits.
        plan: `register`, or `plain` for one execution per sample.
        theta: angles in radians, (P,), float64; all finite.
        states: amplitudes (B, 2^n), real or complex.
        features: the samples' angles between the gates, (B, F), if there are any.
        record: whether `gradient` follows.

    Attributes:
        final: the final amplitudes, (B, 2^n), in the simulator's precision.
    """

    def __init__(
        self,
        simulator: Executor,
        circuit: Circuit,
        plan: ExecutionPlan,
        theta: NDArray[Any],
        states: NDArray[Any],
        features: NDArray[Any] | None = None,
        *,
        record: bool = True,
    ) -> None:
        self._simulator, self._circuit, self._parameters = simulator, circuit.by_angle, len(theta)
        self._multiples = circuit.multiples
        self._states, self._theta = states, theta.astype(np.float64)
        if self._multiples is not None:
            self._theta = self._theta[self._multiples[0]] * self._multiples[1]
        self._features = None if features is None else features.astype(np.float64)
        kind = np.dtype(simulator.precision)
        batch, size = states.shape
        if plan == "register":
            self._parts = chunks(batch, circuit.qubits)
        else:
            self._parts = [(b, b + 1, 0) for b in range(batch)]
        self._traces = []
        found = []
        for part in self._parts:
            first, last, extra = part
            register = _register(states[first:last], extra, kind)
            state = simulator.state(self._circuit, extra)
            out, trace = state.run(register, self._values(first), record=record)
            found.append(out.reshape(-1, size)[: last - first])
            self._traces.append(trace)
        simulator.executions += len(self._parts)
        self.final: ComplexArray = found[0] if len(found) == 1 else _concatenated(found, size, kind)

    @property
    def probabilities(self) -> RealArray:
        """Of the basis states, (B, 2^n)."""
        squares: RealArray = self.final.real**2 + self.final.imag**2
        return squares

    def _values(self, sample: int) -> RealArray:
        """The angles of an execution: the parameters, then a sample's features."""
        if self._features is None:
            return self._theta
        return np.concatenate((self._theta, self._features[sample]))

    def gradient(
        self,
        given: NDArray[Any],
        *,
        squared: bool,
        theta: bool = True,
        states: bool = False,
        features: bool = False,
    ) -> tuple[RealArray, ComplexArray | None, RealArray]:
        """Gradients with respect to the angles, the states and the features.

        Args:
            given: that with respect to the probabilities, real (B, 2^n), if `squared`; else that
                with respect to the amplitudes, complex.
            squared: see there.
            theta, states, features: which gradients to compute.

        Returns:
            (P,); (B, 2^n) complex, or `None`; (B, F). Others are 0.
        """
        final, size, count = self.final, self.final.shape[1], self._circuit.parameters
        for_theta, for_features = np.zeros(count), np.zeros((len(final), self._circuit.features))
        for_states = np.empty_like(final) if states else None
        angles = bool(theta and count) or features
        for (first, last, extra), trace in zip(self._parts, self._traces, strict=True):
            rows = slice(first, last)
            gradient, back = self._simulator.state(self._circuit, extra).gradient(
                trace,
                partial(_register, self._states[rows], extra, final.dtype),
                partial(_register, final[rows], extra, final.dtype),
                self._cotangent(given[rows], rows, extra, squared),
                self._values(first),
                angles=angles,
                inverse=states,
            )
            if gradient is not None:
                if squared:
                    gradient *= 2
                for_theta += gradient[:count]
                if features:
                    for_features[rows] = gradient[count:]
            if for_states is not None and back is not None:
                for_states[rows] = back.reshape(-1, size)[: last - first]
        if squared and for_states is not None:
            for_states *= 2
        self._simulator.executions += (angles + states) * len(self._parts)
        if self._multiples is not None:
            places, factors = self._multiples
            of_angles, for_theta = for_theta * factors, np.zeros(self._parameters)
            np.add.at(for_theta, places, of_angles)
        return for_theta, for_states, for_features

    def _cotangent(
        self, given: NDArray[Any], rows: slice, extra: int, squared: bool
    ) -> ComplexArray:
        """The cotangent of the final states `rows` as a register; if `squared`, half of it."""
        if not squared:
            return _register(given, extra, self.final.dtype)
        final = self.final[rows]
        missing = (1 << extra) - len(final)
        out = np.empty((1 << extra, final.shape[1]), final.dtype)
        np.multiply(final, given, out=out[: len(final)])
        if missing:
            out[len(final) :] = 0
        return out.reshape(-1)


def _register(rows: NDArray[Any], extra_wires: int, kind: np.dtype[Any]) -> ComplexArray:
    """Stacked states (b, 2^n) as one complex vector of (2^extra * 2^n,), unused rows zero."""
    if len(rows) == 1 << extra_wires:
        return np.ascontiguousarray(rows, kind).reshape(-1)
    out = np.zeros((1 << extra_wires, rows.shape[1]), kind)
    out[: len(rows)] = rows
    return out.reshape(-1)


def _concatenated(parts: list[ComplexArray], size: int, kind: np.dtype[Any]) -> ComplexArray:
    """Rows of all parts; (0, size) if there are none."""
    return np.concatenate(parts) if parts else np.empty((0, size), kind)
