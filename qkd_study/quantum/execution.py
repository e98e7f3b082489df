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

    def run(self, state: ComplexArray, values: RealArray) -> Any: ...

    def run_inverse(self, state: ComplexArray, values: RealArray) -> Any: ...

    def gradient(
        self,
        state: Callable[[], ComplexArray],
        final: ComplexArray,
        cotangent: ComplexArray,
        values: RealArray,
    ) -> RealArray: ...


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
        theta: angles in radians, (P,); all finite.
        states: amplitudes (B, 2^n), real or complex.
        features: the samples' angles between the gates, (B, F), if there are any.

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
    ) -> None:
        self._simulator, self._circuit, self._plan = simulator, circuit, plan
        self._states = states
        self._theta = theta.astype(np.float64)
        self._features = None if features is None else features.astype(np.float64)
        kind = np.dtype(simulator.precision).type
        self.final: ComplexArray = np.empty(states.shape, kind)
        for first, last, extra in self._parts():
            register = _register(states[first:last], extra, kind)
            out = simulator.state(circuit, extra).run(register, self._values(first))
            self.final[first:last] = out.reshape(-1, states.shape[1])[: last - first]
            simulator.executions += 1

    @property
    def probabilities(self) -> RealArray:
        """Of the basis states, (B, 2^n)."""
        squares: RealArray = self.final.real**2 + self.final.imag**2
        return squares

    def _parts(self) -> list[tuple[int, int, int]]:
        """(first, last, extra wires) of every execution."""
        batch = len(self._states)
        if self._plan == "register":
            return chunks(batch, self._circuit.qubits)
        return [(b, b + 1, 0) for b in range(batch)]

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
        circuit, final, kind = self._circuit, self.final, self.final.dtype.type
        count = circuit.parameters
        for_theta = np.zeros(count)
        for_states = np.empty(final.shape, final.dtype) if states else None
        for_features = np.zeros((len(final), circuit.features))
        for first, last, extra in self._parts():
            state, values = self._simulator.state(circuit, extra), self._values(first)
            chunk = final[first:last]
            if squared:
                cotangent = _register(chunk * given[first:last], extra, kind)
                cotangent *= 2
            else:
                cotangent = _register(given[first:last], extra, kind)
            if (theta and count) or features:
                gradient = state.gradient(
                    partial(_register, self._states[first:last], extra, kind),
                    _register(chunk, extra, kind),
                    cotangent,
                    values,
                )
                for_theta += gradient[:count]
                for_features[first:last] = gradient[count:]
                self._simulator.executions += 1
            if for_states is not None:
                back = state.run_inverse(cotangent, values)
                for_states[first:last] = back.reshape(-1, final.shape[1])[: last - first]
                self._simulator.executions += 1
        return for_theta, for_states, for_features


def _register(rows: NDArray[Any], extra_wires: int, kind: type) -> ComplexArray:
    """Stacked states (b, 2^n) as one complex vector of (2^extra * 2^n,), unused rows zero."""
    if len(rows) == 2**extra_wires:
        return np.ascontiguousarray(rows, kind).reshape(-1)
    out = np.zeros((2**extra_wires, rows.shape[1]), kind)
    out[: len(rows)] = rows
    return out.reshape(-1)
