"""The C++ state vector of lightning.qubit (`pennylane_lightning.lightning_qubit_ops`).

Checked with PennyLane-Lightning 0.45.0. The module is what its device is built on, and is not
documented. It is used because one execution through PennyLane's operators and tape takes 0.12 ms at
8 wires and 11 gates, and 0.004 ms through these bindings; and because PennyLane itself, which takes
two seconds to import, is not needed for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ComplexArray = NDArray[np.complexfloating]
RealArray = NDArray[np.float64]
#: Applies a gate: wires, whether its adjoint, angles in radians.
Gate = Callable[[Sequence[int], bool, Sequence[float]], None]


class StateVector:
    """Amplitudes of some wires in C++; its attributes are bound methods, for callers that are fast.

    Uses `StateVectorC64` or `C128`, their `updateData`, `getState` and a method per gate,
    `algorithms.create_ops_listC64` and `algorithms.VectorJacobianProductC64` (or `C128`).

    Args:
        wires: how many.
        precision: complex64 or complex128.

    Attributes:
        load: copies amplitudes (2^wires,) in.
        read: copies the amplitudes out, into an array (2^wires,).
    """

    def __init__(self, wires: int, precision: str) -> None:
        from pennylane_lightning import lightning_qubit_ops as ops

        self._algorithms: Any = ops.algorithms
        self._suffix = "C64" if precision == "complex64" else "C128"
        self._dtype = np.dtype(precision).type
        self._vector: Any = getattr(ops, f"StateVector{self._suffix}")(wires)
        self.load: Callable[[ComplexArray], None] = self._vector.updateData
        self.read: Callable[[ComplexArray], None] = self._vector.getState

    def gate(self, name: str) -> Gate:
        """The method that applies a gate, by PennyLane's name of it, such as `RX`."""
        found: Gate = getattr(self._vector, name)
        return found

    def derivatives(
        self, names: Sequence[str], wires: Sequence[Sequence[int]]
    ) -> Callable[
        [Sequence[Sequence[float]], ComplexArray, ComplexArray, Sequence[int]], ComplexArray
    ]:
        """The adjoint differentiation of a circuit.

        Args:
            names, wires: of its gates, in their order.

        Returns:
            A function of the angles of each gate, the final state and a cotangent (2^wires,), and
            the positions, among all angles, of those that vary: it loads the final state and gives
            the vector-Jacobian product, whose real part is dL/dangle, (varying,).
        """
        create = getattr(self._algorithms, f"create_ops_list{self._suffix}")
        product = getattr(self._algorithms, f"VectorJacobianProduct{self._suffix}")()
        vector, load = self._vector, self.load
        forward = [False] * len(names)
        no_matrices = [np.zeros(0, self._dtype) for _ in names]
        no_controls: list[list[int]] = [[] for _ in names]

        def derive(
            angles: Sequence[Sequence[float]],
            final: ComplexArray,
            cotangent: ComplexArray,
            varied: Sequence[int],
        ) -> ComplexArray:
            gates = create(names, angles, wires, forward, no_matrices, no_controls, no_controls)
            load(final)
            return np.asarray(product(vector, gates, cotangent, varied))

        return derive
