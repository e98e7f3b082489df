"""The state vector of a lightning.qubit device, driven without building PennyLane operators.

At the size of a quanvolution filter's matrix (8 wires, 11 gates), one execution through PennyLane's
operators and tape took 0.12 ms, through these bindings 0.004 ms. So the gate list of a circuit is
prepared once, and each run calls the methods of the device's own state vector and the library's own
adjoint differentiation with new angles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pennylane as qml
from numpy.typing import NDArray

from qkd_study.quantum.circuit import Circuit

Complex = NDArray[np.complex128]
Real = NDArray[np.float64]


class LightningState:
    """Runs one circuit on the last `circuit.qubits` wires of a lightning.qubit device.

    Args:
        circuit: the gates.
        extra_wires: wires in front of them that no gate touches (the batch register).
    """

    def __init__(self, circuit: Circuit, extra_wires: int) -> None:
        from pennylane_lightning.lightning_qubit_ops import algorithms

        self._circuit = circuit
        self._device = qml.device("lightning.qubit", wires=extra_wires + circuit.qubits)
        self._state = self._device.LightningStateVector(num_wires=len(self._device.wires))
        self._vector: Any = self._state.state_vector
        gates = circuit.gates
        self._names = [gate.name for gate in gates]
        self._wires = [[extra_wires + wire for wire in gate.wires] for gate in gates]
        self._methods = [getattr(self._vector, name) for name in self._names]
        self._vjp: Any = algorithms.VectorJacobianProductC128()
        self._list_gates: Any = algorithms.create_ops_listC128
        self._no_matrices = [np.zeros(0, np.complex128) for _ in gates]
        # The library counts every angle, trained or not; ours are numbered on their own.
        angled = [gate for gate in gates if gate.parameter is not None or gate.angle is not None]
        positions = {g.parameter: i for i, g in enumerate(angled) if g.parameter is not None}
        self._trained = sorted(positions.values())
        order = {position: index for index, position in positions.items()}
        self._order = [order[position] for position in self._trained]

    def _angles(self, theta: Real) -> list[tuple[float, ...]]:
        values = theta.tolist()
        return [self._circuit.angle(gate, values) for gate in self._circuit.gates]

    def _apply(self, state: Complex, theta: Real, inverse: bool) -> Complex:
        self._vector.updateData(state)
        steps = list(zip(self._methods, self._wires, self._angles(theta), strict=True))
        for method, wires, angles in reversed(steps) if inverse else steps:
            method(wires, inverse, angles)
        out = np.empty_like(state)
        self._vector.getState(out)
        return out

    def run(self, state: Complex, theta: Real) -> Complex:
        """Apply the circuit.

        Args:
            state: amplitudes of all wires, (2^(extra + n),); of any norm.
            theta: angles in radians, (P,).
        """
        return self._apply(state, theta, inverse=False)

    def run_inverse(self, state: Complex, theta: Real) -> Complex:
        """Apply the adjoint of the circuit; arguments as for `run`."""
        return self._apply(state, theta, inverse=True)

    def gradient(self, state: Complex, final: Complex, cotangent: Complex, theta: Real) -> Real:
        """Re<cotangent| d final / d theta>, by one adjoint sweep from the final state.

        Args:
            state: what went in; not needed here.
            final: what `run` returned for it, (2^(extra + n),).
            cotangent: dL/dRe(final) + i dL/dIm(final), of the same shape.
            theta: angles in radians, (P,).

        Returns:
            dL/dtheta, (P,).
        """
        empty: list[list[int]] = [[] for _ in self._names]
        gates = self._list_gates(
            self._names,
            self._angles(theta),
            self._wires,
            [False] * len(self._names),
            self._no_matrices,
            empty,
            empty,
        )
        self._vector.updateData(final)
        products = self._vjp(self._vector, gates, cotangent, self._trained)
        out = np.empty(len(self._order))
        out[self._order] = np.asarray(products).real
        return out
