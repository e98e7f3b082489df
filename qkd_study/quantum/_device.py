"""Any PennyLane device with state preparation, adjoint derivatives and sparse observables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pennylane as qml
import scipy.sparse
from numpy.typing import NDArray
from pennylane.devices import ExecutionConfig
from pennylane.tape import QuantumScript

from qkd_study.quantum.circuit import Circuit

Complex = NDArray[np.complex128]
Real = NDArray[np.float64]


class DeviceState:
    """Runs one circuit through a device's public interface; the slower twin of `LightningState`.

    Args:
        device: a PennyLane device's name.
        circuit: the gates.
        extra_wires: wires in front of them that no gate touches (the batch register).
    """

    def __init__(self, device: str, circuit: Circuit, extra_wires: int) -> None:
        self._circuit = circuit
        self._first = extra_wires
        self._wires = range(extra_wires + circuit.qubits)
        self._device = qml.device(device, wires=len(self._wires))
        adjoint = ExecutionConfig(gradient_method="adjoint", use_device_gradient=True)
        # Without this, lightning devices keep a state per tape under a hash of its printed form.
        self._config = replace(
            self._device.setup_execution_config(adjoint), use_device_jacobian_product=False
        )

    def _prepare(self, state: Complex) -> tuple[qml.StatePrep, float]:
        norm = float(np.linalg.norm(state)) or 1.0
        return qml.StatePrep(state / norm, wires=self._wires, validate_norm=False), norm

    def _execute(self, state: Complex, operators: list[qml.operation.Operation]) -> Complex:
        prepare, norm = self._prepare(state)
        script = QuantumScript([prepare, *operators], [qml.state()])
        (out,) = self._device.execute([script], self._config)
        return np.asarray(out, np.complex128) * norm

    def run(self, state: Complex, theta: Real) -> Complex:
        """Apply the circuit; see `LightningState.run`."""
        return self._execute(state, self._circuit.operators(theta, first_wire=self._first))

    def run_inverse(self, state: Complex, theta: Real) -> Complex:
        """Apply the adjoint of the circuit; see `LightningState.run_inverse`."""
        operators = self._circuit.operators(theta, first_wire=self._first)
        return self._execute(state, [qml.adjoint(gate) for gate in reversed(operators)])

    def gradient(self, state: Complex, final: Complex, cotangent: Complex, theta: Real) -> Real:
        """Re<cotangent| d final / d theta>; see `LightningState.gradient`.

        Adjoint differentiation reads an observable O only as O|final>, so a sparse observable that
        maps the final state to half the cotangent does. It exists for every loss that a global
        phase leaves alone, which all losses of probabilities are.
        """
        prepare, norm = self._prepare(state)
        observable = qml.SparseHamiltonian(
            _arrow(final / norm, cotangent * (norm / 2)), wires=self._wires
        )
        script = QuantumScript(
            [prepare, *self._circuit.operators(theta, first_wire=self._first)],
            [qml.expval(observable)],
        )
        angled = [g for g in self._circuit.gates if g.parameter is not None or g.angle is not None]
        # Parameter 0 is the prepared state.
        script.trainable_params = [i + 1 for i, g in enumerate(angled) if g.parameter is not None]
        _, (jacobian,) = self._device.execute_and_compute_derivatives([script], self._config)
        out = np.empty(self._circuit.parameters)
        out[[g.parameter for g in angled if g.parameter is not None]] = np.ravel(jacobian)
        return out


def _arrow(state: Complex, image: Complex) -> scipy.sparse.csr_matrix:
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
