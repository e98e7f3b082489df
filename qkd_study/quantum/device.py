"""Any PennyLane device with state preparation, adjoint derivatives and sparse observables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pennylane as qml
import scipy.sparse
from pennylane.devices import ExecutionConfig
from pennylane.exceptions import DeviceError
from pennylane.tape import QuantumScript

from qkd_study.compat.lightning import ComplexArray, RealArray
from qkd_study.quantum.circuit import Circuit


def check_device(name: str) -> None:
    """Check that PennyLane has the device, and that it differentiates by the adjoint method.

    Raises:
        ValueError: it does not; the message lists the devices that do.
    """
    device_with_adjoint(name, 1)


def device_with_adjoint(name: str, wires: int, **options: object) -> qml.devices.Device:
    """The PennyLane device called `name`.

    Raises:
        ValueError: it is not installed, or has no adjoint differentiation.
    """
    problem = "is unknown or not installed"
    try:
        device = qml.device(name, wires=wires, **options)
        adjoint = ExecutionConfig(gradient_method="adjoint")
        if isinstance(device, qml.devices.Device) and device.supports_derivatives(adjoint):
            return device
        problem = "has no adjoint differentiation"
    except (DeviceError, ImportError):
        pass
    raise ValueError(
        f"device {name!r} {problem}. Devices that can be used: lightning.qubit (the default), and "
        f"others with state preparation, adjoint differentiation and sparse observables, such as "
        f"default.qubit, lightning.kokkos or lightning.gpu where they are installed."
    )


class DeviceState:
    """Runs one circuit through a device's public interface; a slower `LightningState`.

    Args:
        device: a PennyLane device's name.
        circuit: the gates.
        extra_wires: wires in front of them that no gate touches (the batch register).
        precision: complex64 or complex128; default.qubit supports the latter only.

    Raises:
        ValueError: the device is unknown, cannot differentiate, or not in that precision.
    """

    def __init__(self, device: str, circuit: Circuit, extra_wires: int, precision: str) -> None:
        self._circuit = circuit
        self._first = extra_wires
        self._wires = range(extra_wires + circuit.qubits)
        self._type = np.dtype(precision)
        options = {"c_dtype": self._type.type} if device.startswith("lightning.") else {}
        if precision != "complex128" and not options:
            raise ValueError(f"device {device!r} has no precision {precision!r}, only complex128.")
        self._device = device_with_adjoint(device, len(self._wires), **options)
        adjoint = ExecutionConfig(gradient_method="adjoint", use_device_gradient=True)
        # Without this, lightning devices keep a state per tape under a hash of its printed form.
        self._config = replace(
            self._device.setup_execution_config(adjoint), use_device_jacobian_product=False
        )

    def _prepare(self, state: ComplexArray) -> tuple[qml.StatePrep, float]:
        norm = float(np.linalg.norm(state)) or 1.0
        return qml.StatePrep(state / norm, wires=self._wires, validate_norm=False), norm

    def _execute(
        self, state: ComplexArray, operators: list[qml.operation.Operation]
    ) -> ComplexArray:
        prepare, norm = self._prepare(state)
        script = QuantumScript([prepare, *operators], [qml.state()])
        (out,) = self._device.execute([script], self._config)
        final: ComplexArray = np.asarray(out, self._type) * self._type.type(norm)
        return final

    def run(
        self, state: ComplexArray, values: RealArray, *, record: bool = False
    ) -> tuple[ComplexArray, None]:
        """Apply the circuit; see `LightningState.run`."""
        operators = self._circuit.operators(values, first_wire=self._first)
        return self._execute(state, operators), None

    def gradient(
        self,
        trace: None,
        state: Callable[[], ComplexArray],
        final: Callable[[], ComplexArray],
        cotangent: ComplexArray,
        values: RealArray,
        *,
        angles: bool = True,
        inverse: bool = False,
    ) -> tuple[RealArray | None, ComplexArray | None]:
        """Gradients of angles and initial state; see `LightningState.gradient`."""
        found = self._of_angles(state(), final(), cotangent, values) if angles else None
        if not inverse:
            return found, None
        operators = self._circuit.operators(values, first_wire=self._first)
        adjoint = [qml.adjoint(gate) for gate in reversed(operators)]
        return found, self._execute(cotangent, adjoint)

    def _of_angles(
        self,
        state: ComplexArray,
        final: ComplexArray,
        cotangent: ComplexArray,
        values: RealArray,
    ) -> RealArray:
        """Re<cotangent| d final / d values>, by the device's adjoint differentiation.

        Adjoint differentiation uses an observable O only as O|final>, so any sparse observable that
        maps the final state to half the cotangent will do. It exists for every loss that does not
        depend on the global phase, such as all losses of probabilities.
        """
        prepare, norm = self._prepare(state)
        observable = qml.SparseHamiltonian(
            _arrow(final / norm, cotangent * (norm / 2)), wires=self._wires
        )
        script = QuantumScript(
            [prepare, *self._circuit.operators(values, first_wire=self._first)],
            [qml.expval(observable)],
        )
        # Parameter 0 is the prepared state.
        varied = self._circuit.varied
        script.trainable_params = [i + 1 for i in varied]
        out = np.zeros(len(values))
        if varied:
            _, (jacobian,) = self._device.execute_and_compute_derivatives([script], self._config)
            np.add.at(out, self._circuit.slots, np.ravel(jacobian))
        return out


def _arrow(state: ComplexArray, image: ComplexArray) -> scipy.sparse.csr_matrix:
    """A Hermitian matrix with 2N - 1 entries that maps `state` to `image`, both (N,).

    One row, one column and one diagonal entry meet in the largest amplitude p:
    H[k, p] = image[k] / state[p], H[p, k] its conjugate, and H[p, p] what is then missing in row p,
    which is real whenever <state|image> is. An imaginary part of it is dropped: it belongs to the
    global phase.
    """
    size = len(state)
    pivot = int(np.argmax(np.abs(state)))
    column = image / state[pivot]
    at_pivot = np.conj(state[pivot]) * image[pivot]
    others = np.vdot(state, image) - at_pivot
    column[pivot] = ((at_pivot - np.conj(others)) / abs(state[pivot]) ** 2).real
    data = np.concatenate((column[:pivot], np.conj(column), column[pivot + 1 :]))
    indices = np.full(2 * size - 1, pivot)
    indices[pivot : pivot + size] = np.arange(size)
    pointers = np.arange(size + 1)
    pointers[pivot + 1 :] += size - 1
    return scipy.sparse.csr_matrix((data, indices, pointers), shape=(size, size))
