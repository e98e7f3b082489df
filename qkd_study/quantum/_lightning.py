"""The state vector of lightning.qubit, driven without building PennyLane operators.

At the size of a quanvolution filter's matrix (8 wires, 11 gates), one execution through PennyLane's
operators and tape took 0.12 ms, through the bindings of `compat/lightning.py` 0.004 ms. So the gate
list of a circuit is prepared once, and each run calls the methods of lightning's state vector
and its adjoint differentiation with new angles. PennyLane is not imported, which
takes two seconds: its device would use the same state vector.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qkd_study.compat.lightning import ComplexArray, RealArray, StateVector
from qkd_study.quantum.circuit import Circuit


class LightningState:
    """Runs one circuit on the last `circuit.qubits` wires of a lightning.qubit device.

    Args:
        circuit: the gates.
        extra_wires: wires in front of them that no gate touches (the batch register).
        precision: complex64 or complex128.
    """

    def __init__(self, circuit: Circuit, extra_wires: int, precision: str) -> None:
        self._circuit = circuit
        vector = StateVector(extra_wires + circuit.qubits, precision)
        self._load, self._read = vector.load, vector.read
        names = [gate.name for gate in circuit.gates]
        self._wires = [[extra_wires + wire for wire in gate.wires] for gate in circuit.gates]
        self._methods = [vector.gate(name) for name in names]
        self._derive = vector.derivatives(names, self._wires)
        self._varied, self._slots = circuit.varied, circuit.slots

    def _apply(self, state: ComplexArray, values: RealArray, inverse: bool) -> ComplexArray:
        self._load(state)
        angles = self._circuit.angles(values.tolist())
        steps = list(zip(self._methods, self._wires, angles, strict=True))
        for method, wires, angle in reversed(steps) if inverse else steps:
            method(wires, inverse, angle)
        out = np.empty_like(state)
        self._read(out)
        return out

    def run(self, state: ComplexArray, values: RealArray) -> ComplexArray:
        """Apply the circuit.

        Args:
            state: amplitudes of all wires, (2^(extra + n),); of any norm.
            values: the parameters, then a sample's features, (P + F,), in radians.
        """
        return self._apply(state, values, inverse=False)

    def run_inverse(self, state: ComplexArray, values: RealArray) -> ComplexArray:
        """Apply the adjoint of the circuit; arguments as for `run`."""
        return self._apply(state, values, inverse=True)

    def gradient(
        self,
        state: Callable[[], ComplexArray],
        final: ComplexArray,
        cotangent: ComplexArray,
        values: RealArray,
    ) -> RealArray:
        """Re<cotangent| d final / d values>, by one adjoint sweep from the final state.

        Args:
            state: returns the initial state; not needed here.
            final: what `run` returned for it, (2^(extra + n),).
            cotangent: dL/dRe(final) + i dL/dIm(final), of the same shape.
            values: as for `run`.

        Returns:
            dL/dvalues, (P + F,).
        """
        if not self._varied:
            return np.zeros(len(values))
        angles = self._circuit.angles(values.tolist())
        products = self._derive(angles, final, cotangent, self._varied)
        out: RealArray = np.bincount(self._slots, products.real, len(values))  # type: ignore[assignment]
        return out
