"""The state vector of lightning.qubit, driven without building PennyLane operators.

At the size of a quanvolution filter's matrix (8 wires, 11 gates), one execution through PennyLane's
operators and tape took 0.12 ms, through these bindings 0.004 ms. So the gate list of a circuit is
prepared once, and each run calls the methods of the device's own state vector and the library's own
adjoint differentiation with new angles. Nor is PennyLane imported, which takes two seconds: its
device would make the same state vector.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_study.quantum.circuit import Circuit

Complex = NDArray[np.complexfloating]
Real = NDArray[np.float64]


class LightningState:
    """Runs one circuit on the last `circuit.qubits` wires of a lightning.qubit device.

    Args:
        circuit: the gates.
        extra_wires: wires in front of them that no gate touches (the batch register).
        precision: complex64 or complex128.
    """

    def __init__(self, circuit: Circuit, extra_wires: int, precision: str) -> None:
        from pennylane_lightning import lightning_qubit_ops as ops

        self._circuit = circuit
        kind, suffix = np.dtype(precision).type, "C64" if precision == "complex64" else "C128"
        self._vector: Any = getattr(ops, f"StateVector{suffix}")(extra_wires + circuit.qubits)
        gates = circuit.gates
        self._names = [gate.name for gate in gates]
        self._wires = [[extra_wires + wire for wire in gate.wires] for gate in gates]
        self._methods = [getattr(self._vector, name) for name in self._names]
        self._vjp: Any = getattr(ops.algorithms, f"VectorJacobianProduct{suffix}")()
        self._list_gates: Any = getattr(ops.algorithms, f"create_ops_list{suffix}")
        self._no_matrices = [np.zeros(0, kind) for _ in gates]
        self._varied, self._slots = circuit.varied, circuit.slots

    def _apply(self, state: Complex, values: Real, inverse: bool) -> Complex:
        self._vector.updateData(state)
        angles = self._circuit.angles(values.tolist())
        steps = list(zip(self._methods, self._wires, angles, strict=True))
        for method, wires, angle in reversed(steps) if inverse else steps:
            method(wires, inverse, angle)
        out = np.empty_like(state)
        self._vector.getState(out)
        return out

    def run(self, state: Complex, values: Real) -> Complex:
        """Apply the circuit.

        Args:
            state: amplitudes of all wires, (2^(extra + n),); of any norm.
            values: the parameters, then a sample's features, (P + F,), in radians.
        """
        return self._apply(state, values, inverse=False)

    def run_inverse(self, state: Complex, values: Real) -> Complex:
        """Apply the adjoint of the circuit; arguments as for `run`."""
        return self._apply(state, values, inverse=True)

    def gradient(
        self, state: Callable[[], Complex], final: Complex, cotangent: Complex, values: Real
    ) -> Real:
        """Re<cotangent| d final / d values>, by one adjoint sweep from the final state.

        Args:
            state: gives what went in; not needed here.
            final: what `run` returned for it, (2^(extra + n),).
            cotangent: dL/dRe(final) + i dL/dIm(final), of the same shape.
            values: as for `run`.

        Returns:
            dL/dvalues, (P + F,).
        """
        out = np.zeros(len(values))
        if not self._varied:
            return out
        empty: list[list[int]] = [[] for _ in self._names]
        gates = self._list_gates(
            self._names,
            self._circuit.angles(values.tolist()),
            self._wires,
            [False] * len(self._names),
            self._no_matrices,
            empty,
            empty,
        )
        self._vector.updateData(final)
        products = self._vjp(self._vector, gates, cotangent, self._varied)
        np.add.at(out, self._slots, np.asarray(products).real)
        return out
