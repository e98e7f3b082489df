"""`Simulator`: a whole batch of samples in few executions of one device, with exact gradients.

Data enters first and the same gates act on every sample, which allows two exact shortcuts:

- *batch register*: the sample's index becomes extra wires in front, so that one run of the circuit
  on sum_b |b>|x_b> transforms all samples at once. Large batches run in chunks that fit the cache.
- *matrix* (the Choi state): the batch register over all basis states yields the circuit's whole
  unitary; torch then multiplies any number of samples with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qkd_study.quantum._device import DeviceState
from qkd_study.quantum._lightning import LightningState
from qkd_study.quantum.circuit import Circuit

Plan = Literal["register", "matrix"]

#: Amplitudes per chunk: beyond about 2^17 a state falls out of the cache.
CHUNK = 2**16


class _State(Protocol):
    def run(self, state: NDArray[np.complex128], theta: NDArray[np.float64]) -> Any: ...

    def run_inverse(self, state: NDArray[np.complex128], theta: NDArray[np.float64]) -> Any: ...

    def gradient(
        self,
        state: NDArray[np.complex128],
        final: NDArray[np.complex128],
        cotangent: NDArray[np.complex128],
        theta: NDArray[np.float64],
    ) -> NDArray[np.float64]: ...


@dataclass
class Simulator:
    """Runs circuits on one device and counts the executions.

    Attributes:
        device: `lightning.qubit` is driven through its own state vector; any other PennyLane
            device with adjoint derivatives through its public interface.
        executions: circuit executions so far: forward, adjoint and inverse runs each count one.
    """

    device: str = "lightning.qubit"
    executions: int = 0
    _states: dict[tuple[Circuit, int], _State] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        # Devices stay in their process.
        return {"device": self.device, "executions": self.executions, "_states": {}}

    def __deepcopy__(self, memo: dict[int, Any]) -> Simulator:
        return self

    def _state(self, circuit: Circuit, extra_wires: int) -> _State:
        key = (circuit, extra_wires)
        if key not in self._states:
            self._states[key] = (
                LightningState(circuit, extra_wires)
                if self.device == "lightning.qubit"
                else DeviceState(self.device, circuit, extra_wires)
            )
        return self._states[key]

    def plan(self, circuit: Circuit, batch: int) -> Plan:
        """How a batch of `batch` samples would be run: by matrix if that is the smaller state."""
        return "matrix" if circuit.qubits <= 6 and batch >= 2**circuit.qubits else "register"

    def unitary(self, circuit: Circuit, theta: Tensor) -> Tensor:
        """The circuit as a matrix, from one execution on 2n wires.

        Args:
            circuit: n qubits, P parameters.
            theta: angles in radians, (P,).

        Returns:
            complex128 (2^n, 2^n): row i holds U|i>, so that a batch of states (B, 2^n) is
            transformed by `states @ unitary`.
        """
        identity = torch.eye(2**circuit.qubits, dtype=torch.complex128)
        return _evolve(theta, identity, circuit, self)

    def evolve(
        self, circuit: Circuit, theta: Tensor, states: Tensor, *, plan: Plan | None = None
    ) -> Tensor:
        """Apply the circuit to a batch of states.

        Args:
            circuit: n qubits, P parameters.
            theta: angles in radians, (P,).
            states: amplitudes, real or complex, (B, 2^n).
            plan: `register` or `matrix`; default: what `plan()` says.

        Returns:
            Amplitudes (B, 2^n), complex, in the precision of `states`.
        """
        if (plan or self.plan(circuit, len(states))) == "register":
            out = _evolve(theta, states.to(torch.complex128), circuit, self)
            return out.to(torch.promote_types(states.dtype, torch.complex64))
        matrix = self.unitary(circuit, theta)
        if states.is_complex():
            return states @ matrix.to(states.dtype)
        real = matrix.real.to(states.dtype)
        imaginary = matrix.imag.to(states.dtype)
        return torch.complex(states @ real, states @ imaginary)

    def probabilities(
        self, circuit: Circuit, theta: Tensor, states: Tensor, *, plan: Plan | None = None
    ) -> Tensor:
        """Probabilities of the basis states after the circuit, (B, 2^n); see `evolve`."""
        out = self.evolve(circuit, theta, states, plan=plan)
        return out.real**2 + out.imag**2


def _evolve(theta: Tensor, states: Tensor, circuit: Circuit, simulator: Simulator) -> Tensor:
    out: Tensor = _Evolve.apply(theta, states, circuit, simulator)  # type: ignore[no-untyped-call]
    return out


def _chunks(batch: int, qubits: int) -> list[tuple[int, int, int]]:
    """(first, last, extra wires) of every chunk of a batch."""
    size = max(CHUNK >> qubits, 1)
    bounds = [(i, min(i + size, batch)) for i in range(0, batch, size)]
    return [(a, b, (b - a - 1).bit_length()) for a, b in bounds]


def _register(rows: NDArray[np.complex128], extra_wires: int) -> NDArray[np.complex128]:
    """Stacked states (b, 2^n) as one vector of (2^extra * 2^n,), unused rows zero."""
    missing = 2**extra_wires - len(rows)
    if missing:
        rows = np.concatenate((rows, np.zeros((missing, rows.shape[1]), rows.dtype)))
    return np.ascontiguousarray(rows).reshape(-1)


class _Evolve(torch.autograd.Function):
    """The batch register as a torch function of the angles and the states."""

    @staticmethod
    def forward(
        ctx: Any, theta: Tensor, states: Tensor, circuit: Circuit, simulator: Simulator
    ) -> Tensor:
        angles = theta.detach().to(torch.float64).numpy()
        rows = states.detach().resolve_conj().numpy()
        out = np.empty_like(rows)
        for first, last, extra in _chunks(len(rows), circuit.qubits):
            final = simulator._state(circuit, extra).run(_register(rows[first:last], extra), angles)
            out[first:last] = final.reshape(-1, rows.shape[1])[: last - first]
            simulator.executions += 1
        ctx.circuit, ctx.simulator = circuit, simulator
        result = torch.from_numpy(out)
        ctx.save_for_backward(theta, states, result)
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        theta, states, final = ctx.saved_tensors
        circuit, simulator = ctx.circuit, ctx.simulator
        angles = theta.detach().to(torch.float64).numpy()
        rows_in = states.detach().resolve_conj().numpy()
        rows_out = final.detach().numpy()
        cotangents = grads[0].detach().resolve_conj().to(torch.complex128).numpy()
        need_theta, need_states = ctx.needs_input_grad[:2]
        for_theta = np.zeros(circuit.parameters)
        for_states = np.empty_like(rows_in) if need_states else None
        for first, last, extra in _chunks(len(rows_in), circuit.qubits):
            state = simulator._state(circuit, extra)
            cotangent = _register(cotangents[first:last], extra)
            if need_theta and circuit.parameters:
                for_theta += state.gradient(
                    _register(rows_in[first:last], extra),
                    _register(rows_out[first:last], extra),
                    cotangent,
                    angles,
                )
                simulator.executions += 1
            if for_states is not None:
                back = state.run_inverse(cotangent, angles)
                for_states[first:last] = back.reshape(-1, rows_in.shape[1])[: last - first]
                simulator.executions += 1
        return (
            torch.from_numpy(for_theta).to(theta.dtype) if need_theta else None,
            torch.from_numpy(for_states) if for_states is not None else None,
            None,
            None,
        )
