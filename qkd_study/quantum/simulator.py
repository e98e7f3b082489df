"""`Simulator`: runs a batch of samples in few executions of a device, with exact gradients.

If data enters first and the same gates act on every sample, there are two exact shortcuts:

- *register*: the sample's index becomes extra wires in front, so that one run of the circuit on
  sum_b |b>|x_b> transforms all samples at once. Large batches run in chunks that fit the cache.
- *matrix* (the Choi state): the register over all basis states yields the circuit's whole unitary;
  torch then multiplies any number of samples with it.

If data enters again between the gates, every sample needs its own circuit: *plain*.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qkd_study.common.memory import check_allocation
from qkd_study.quantum._first_order import first_derivatives_only
from qkd_study.quantum._lightning import LightningState
from qkd_study.quantum._product import Product
from qkd_study.quantum.circuit import Circuit
from qkd_study.quantum.execution import CircuitExecution, State
from qkd_study.quantum.executions import CircuitExecutions
from qkd_study.quantum.plans import ExecutionPlan, fastest_plan

Precision = Literal["complex128", "complex64"]

#: States of a chunk in memory in a backward pass: the device's, the cotangent, three in the sweep.
STATES = 5


@dataclass
class Simulator:
    """Runs circuits on one device and counts the executions.

    Attributes:
        device: `lightning.qubit` is driven through its own state vector; any other PennyLane
            device with state preparation, adjoint derivatives and sparse observables through its
            public interface.
        precision: of the amplitudes. complex64 halves the memory; see docs/performance.md for what
            its effect on gradients.
        forced: the plan of every batch; `None`: see `fastest_plan`.
        executions: circuit executions so far: forward, adjoint and inverse runs each count one.
        plans: the plans that were used so far.

    Raises:
        ValueError: the device is unknown, cannot differentiate, or not in that precision (when the
            first circuit runs).
    """

    device: str = "lightning.qubit"
    precision: Precision = "complex128"
    forced: ExecutionPlan | None = None
    executions: int = 0
    plans: set[str] = field(default_factory=set)
    _states: dict[tuple[Circuit, int], State] = field(default_factory=dict, repr=False)
    _fastest: dict[tuple[Circuit, int, bool], ExecutionPlan] = field(
        default_factory=dict, repr=False
    )

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise ValueError(
                f"precision must be one of {get_args(Precision)}, got {self.precision!r}"
            )
        _check_plan(self.forced)

    def __getstate__(self) -> dict[str, Any]:
        # Device states cannot be pickled.
        return {**self.__dict__, "_states": {}}

    def __deepcopy__(self, memo: dict[int, Any]) -> Simulator:
        return self

    def shared_copy(self) -> Simulator:
        """A simulator with the same device states and its own counts."""
        return replace(self, executions=0, plans=set())

    @property
    def dtype(self) -> torch.dtype:
        """The amplitudes' torch type."""
        return torch.complex64 if self.precision == "complex64" else torch.complex128

    @property
    def plans_used(self) -> str | None:
        """The plans used so far, joined by `+`; `None` before the first circuit."""
        return "+".join(sorted(self.plans)) or None

    def state(self, circuit: Circuit, extra_wires: int) -> State:
        """The device's state of `extra_wires` + n qubits, with the circuit on the last n.

        Raises:
            ValueError: see the class, or the state does not fit into memory.
        """
        key = (circuit, extra_wires)
        if key not in self._states:
            wires = extra_wires + circuit.qubits
            check_allocation(
                (STATES * self.dtype.itemsize) << wires, f"simulating {circuit.qubits} qubits"
            )
            given = circuit, extra_wires, self.precision
            if self.device == "lightning.qubit":
                self._states[key] = LightningState(*given)
            else:
                from qkd_study.quantum.device import DeviceState  # imports PennyLane

                self._states[key] = DeviceState(self.device, *given)
        return self._states[key]

    def plan(self, circuit: Circuit, batch: int, *, real: bool = True) -> ExecutionPlan:
        """The plan of a batch.

        Args:
            circuit: to run.
            batch: samples B.
            real: whether their amplitudes are real numbers.
        """
        if circuit.features:
            return "plain"
        if self.forced is not None:
            return self.forced
        key = (circuit, batch, real)
        if key not in self._fastest:
            self._fastest[key] = fastest_plan(circuit, batch, real=real)
        return self._fastest[key]

    def unitary(self, circuit: Circuit, theta: Tensor) -> Tensor:
        """The circuit as a matrix, from one execution on 2n wires.

        Args:
            circuit: n qubits, P parameters, no features.
            theta: angles in radians, (P,).

        Returns:
            (2^n, 2^n), complex in the simulator's precision: row i holds U|i>, so that a batch of
            states (B, 2^n) is transformed by `states @ unitary`.

        Raises:
            ValueError: an angle is not finite, or the matrix does not fit into memory.
        """
        size = self._matrix_size(circuit)
        return self._run(circuit, theta, torch.eye(size, dtype=self.dtype), None, "register")

    def matrix_execution(self, circuit: Circuit, theta: NDArray[Any]) -> CircuitExecution:
        """As `unitary`, in arrays: `final` is the matrix, and its gradient can be computed."""
        size = self._matrix_size(circuit)
        _check_angles(circuit, theta, None)
        return CircuitExecution(self, circuit, "register", theta, np.eye(size))

    def _matrix_size(self, circuit: Circuit) -> int:
        """Check that the circuit's matrix fits into memory; returns its number of rows."""
        self.plans.add("matrix")
        size: int = 2**circuit.qubits
        check_allocation(
            STATES * self.dtype.itemsize * size**2, f"the matrix of {circuit.qubits} qubits"
        )
        return size

    def evolve(
        self,
        circuit: Circuit,
        theta: Tensor,
        states: Tensor,
        *,
        features: Tensor | None = None,
        plan: ExecutionPlan | None = None,
    ) -> Tensor:
        """Apply the circuit to a batch of states.

        Args:
            circuit: n qubits, P parameters, F features.
            theta: angles in radians, (P,).
            states: amplitudes, real or complex, (B, 2^n).
            features: the samples' angles between the gates, in radians, (B, F); only if F > 0.
            plan: `register`, `matrix` or `plain`; default: the result of `plan()`.

        Returns:
            Amplitudes (B, 2^n), complex, in the precision of `states`.

        Raises:
            ValueError: an angle or a feature is not finite, a shape does not fit the circuit, the
                plan of a circuit with features is not `plain`, or a state does not fit into memory.
        """
        plan = self._chosen(circuit, states, features, plan)
        if plan != "matrix":
            self.plans.add(plan)
            out = self._run(circuit, theta, states, features, plan)
            return out.to(torch.promote_types(states.dtype, torch.complex64))
        matrix = self.unitary(circuit, theta)
        if states.is_complex():
            return states @ matrix.to(states.dtype)
        both = states @ _real_and_imaginary(matrix, states.dtype)
        size = states.shape[-1]
        return torch.complex(both[:, :size].contiguous(), both[:, size:].contiguous())

    def probabilities(
        self,
        circuit: Circuit,
        theta: Tensor,
        states: Tensor,
        *,
        features: Tensor | None = None,
        plan: ExecutionPlan | None = None,
    ) -> Tensor:
        """Probabilities of the basis states after the circuit, (B, 2^n); see `evolve`."""
        plan = self._chosen(circuit, states, features, plan)
        if plan == "matrix" and states.is_complex():
            out = self.evolve(circuit, theta, states, plan=plan)
            return out.real**2 + out.imag**2
        if plan == "matrix":
            call = (self, circuit, plan, True)
            product: Tensor = _ByMatrix.apply(theta, states, call)  # type: ignore[no-untyped-call]
            return product
        self.plans.add(plan)
        found = self._run(circuit, theta, states, features, plan, squared=True)
        real = _real(states)
        return found if found.dtype == real else found.to(real)

    def _chosen(
        self, circuit: Circuit, states: Tensor, features: Tensor | None, plan: ExecutionPlan | None
    ) -> ExecutionPlan:
        """Check the shapes of a batch; returns its plan."""
        if states.ndim != 2 or states.shape[1] != 1 << circuit.qubits:
            raise ValueError(
                f"states of {circuit.qubits} qubits have the shape (batch, {2**circuit.qubits}), "
                f"but got {tuple(states.shape)}"
            )
        shape = None if features is None else tuple(features.shape)
        needed = (len(states), circuit.features) if circuit.features else None
        if shape != needed:
            raise ValueError(
                f"a circuit with {circuit.features} features needs features of the shape "
                f"({len(states)}, {circuit.features}) or none for 0, but got {shape}"
            )
        if plan is None:
            return self.plan(circuit, len(states), real=not states.is_complex())
        _check_plan(plan)
        if plan != "plain" and circuit.features:
            raise ValueError(
                f"plan={plan!r} needs one circuit for all samples, but data enters between the "
                f"gates of this one: leave the plan out, or say 'plain'"
            )
        return plan

    def _run(
        self,
        circuit: Circuit,
        theta: Tensor,
        states: Tensor,
        features: Tensor | None,
        plan: ExecutionPlan,
        *,
        squared: bool = False,
    ) -> Tensor:
        call = (self, circuit, plan, squared)
        out: Tensor = _Evolve.apply(theta, states, features, call)  # type: ignore[no-untyped-call]
        return out


def matrix_executions(
    simulators: Sequence[Simulator], circuit: Circuit, theta: NDArray[Any]
) -> CircuitExecutions:
    """As `Simulator.matrix_execution` for each of R simulators with the same device states.

    Args:
        simulators: they count the executions; one may be there several times.
        circuit: n qubits, P parameters, no features.
        theta: angles in radians, (R, P).

    Returns:
        `final` are the matrices, (R, 2^n, 2^n).

    Raises:
        ValueError: an angle is not finite, or a matrix does not fit into memory.
    """
    for simulator in simulators:
        simulator.plans.add("matrix")
    rows = np.eye(simulators[0]._matrix_size(circuit))[None]
    for angles in theta:
        _check_angles(circuit, angles, None)
    return CircuitExecutions(simulators, [circuit] * len(theta), "register", theta, rows)


def _check_angles(circuit: Circuit, theta: NDArray[Any], features: NDArray[Any] | None) -> None:
    if theta.shape != (circuit.parameters,):
        raise ValueError(
            f"the circuit has {circuit.parameters} parameters, but theta has the shape "
            f"{tuple(theta.shape)}"
        )
    for name, values in (("theta", theta), ("features", features)):
        # A finite sum of squares, which is faster, shows that all are finite.
        if values is None or math.isfinite(np.vdot(values, values)):
            continue
        if not np.isfinite(values).all():
            where = np.argwhere(~np.isfinite(values))[0].tolist()
            raise ValueError(f"{name} must be finite, but is {values[tuple(where)]} at {where}")


def _check_plan(plan: str | None) -> None:
    if plan not in (None, *get_args(ExecutionPlan)):
        raise ValueError(f"plan must be one of {get_args(ExecutionPlan)}, but got {plan!r}")


def _real(states: Tensor) -> torch.dtype:
    return states.real.dtype if states.is_complex() else states.dtype


def _real_and_imaginary(matrix: Tensor, dtype: torch.dtype) -> Tensor:
    """(N, N) complex as (N, 2N) real: one product gives both parts."""
    return torch.cat((matrix.real, matrix.imag), dim=1).to(dtype)


def _array(tensor: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.numpy(force=True)
    return array


#: What the functions below are given beside tensors: also whether to return probabilities.
_Call = tuple["Simulator", Circuit, ExecutionPlan, bool]


class _Evolve(torch.autograd.Function):
    """Executions of a circuit as a torch function of the angles, the states and the features.

    It returns amplitudes, or their squared absolute values: then the final states are the only
    complex array of the batch's size.
    """

    @staticmethod
    def forward(
        ctx: Any, theta: Tensor, states: Tensor, features: Tensor | None, call: _Call
    ) -> Tensor:
        simulator, circuit, plan, ctx.squared = call
        angles, between = _array(theta), None if features is None else _array(features)
        _check_angles(circuit, angles, between)
        record, given = any(ctx.needs_input_grad), _array(states)
        ctx.execution = execution = CircuitExecution(
            simulator, circuit, plan, angles, given, between, record=record
        )
        ctx.save_for_backward(theta, states, features)
        return torch.from_numpy(execution.probabilities if ctx.squared else execution.final)

    @staticmethod
    @first_derivatives_only
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        theta, states, features = ctx.saved_tensors
        needs = ctx.needs_input_grad
        for_theta, for_states, for_features = ctx.execution.gradient(
            _array(grads[0]),
            squared=ctx.squared,
            theta=needs[0],
            states=needs[1],
            features=needs[2],
        )
        to_states = None if for_states is None else torch.from_numpy(for_states)
        if to_states is not None and not states.is_complex():
            to_states = to_states.real
        return (
            torch.from_numpy(for_theta).to(theta.dtype) if needs[0] else None,
            None if to_states is None else to_states.to(states.dtype),
            torch.from_numpy(for_features).to(features.dtype) if needs[2] else None,
            None,
        )


class _ByMatrix(torch.autograd.Function):
    """Probabilities of real states by the circuit's matrix, as a function of angles and states."""

    @staticmethod
    def forward(ctx: Any, theta: Tensor, states: Tensor, call: _Call) -> Tensor:
        ctx.execution = call[0].matrix_execution(call[1], _array(theta))
        matrix = torch.from_numpy(ctx.execution.final)
        ctx.product = Product(states, _real_and_imaginary(matrix, states.dtype))
        ctx.save_for_backward(theta, states)
        probabilities: Tensor = ctx.product.probabilities()
        return probabilities

    @staticmethod
    @first_derivatives_only
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        theta, _ = ctx.saved_tensors
        for_parts, for_states = ctx.product.gradient(grads[0], states=ctx.needs_input_grad[1])
        if not ctx.needs_input_grad[0]:
            return None, for_states, None
        real, imaginary = for_parts.numpy().reshape(len(for_parts), 2, -1).swapaxes(0, 1)
        for_theta, _, _ = ctx.execution.gradient(real + 1j * imaginary, squared=False)
        return torch.from_numpy(for_theta).to(theta.dtype), for_states, None
