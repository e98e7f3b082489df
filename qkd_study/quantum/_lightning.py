"""The state vector of lightning.qubit, driven without building PennyLane operators.

At the size of a quanvolution filter's matrix (8 wires, 11 gates), one execution through PennyLane's
operators and tape took 0.12 ms, through the bindings of `compat/lightning.py` 0.004 ms. So the
gates of a circuit are prepared once, and each run calls the methods of lightning's state vector
with new angles. PennyLane is not imported, which takes two seconds: its device would use the same
state vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from qkd_study.compat.lightning import ComplexArray, RealArray, StateVector
from qkd_study.compat.lightning import Gate as Method
from qkd_study.quantum._layer_gradient import LayerGradient, can_differentiate
from qkd_study.quantum._layers import Layer, layers, slot
from qkd_study.quantum.circuit import Circuit

#: If the states between layers take more bytes, they are not kept: lightning's derivative is taken.
TRACE_BYTES = 2**23
#: The slot of an angle of 0.
_ZERO = -1


@dataclass(frozen=True)
class Trace:
    """What a run keeps for its gradient.

    Attributes:
        angles: of each gate.
        states: before each layer with angles that vary, (L, 2^(extra + n)).
    """

    angles: list[Sequence[float]]
    states: ComplexArray


class LightningState:
    """Runs one circuit on the last `circuit.qubits` wires of a lightning.qubit device.

    Args:
        circuit: the gates.
        extra_wires: wires in front of them that no gate touches (the batch register).
        precision: complex64 or complex128.
    """

    def __init__(self, circuit: Circuit, extra_wires: int, precision: str) -> None:
        self._circuit = circuit
        self._vector = StateVector(extra_wires + circuit.qubits, precision)
        self._load, self._read = self._vector.load, self._vector.read
        found = layers(circuit)
        turning = [layer for layer in found if layer.turns]
        # Steps are lightning's method, the wires, and which of `_angles` it takes.
        self._fixed: list[Sequence[float]] = []
        self._varying: list[tuple[int, Callable[[list[float]], Any]]] = []
        self._layers = [(bool(layer.turns), [*self._steps(layer, extra_wires)]) for layer in found]
        shape = (len(turning), 1 << extra_wires + circuit.qubits)
        self._by_layers: LayerGradient | None = None
        self._shape = shape
        small = np.dtype(precision).itemsize * shape[0] * shape[1] <= TRACE_BYTES
        if turning and small and can_differentiate(circuit, turning):
            self._by_layers = LayerGradient(circuit, turning, extra_wires, precision)
        self._derive = self._vector.derivatives(
            [gate.name for gate in circuit.gates],
            [[extra_wires + wire for wire in gate.wires] for gate in circuit.gates],
        )

    def _steps(self, layer: Layer, extra: int) -> Iterator[tuple[Method, list[int], int]]:
        """The gates of a layer; rotations of a wire about Z, Y and Z are one."""
        for wires, turn in layer.turns.items():
            for name, slots in _joined([(gate.name, slot(self._circuit, gate)) for gate in turn]):
                first = slots[0]
                several = len(slots) > 1
                getter = itemgetter(*slots) if several else itemgetter(slice(first, first + 1))
                self._varying.append((len(self._fixed), getter))
                yield self._step(name, wires, (), extra)
        for gate in layer.fixed:
            yield self._step(
                gate.name, gate.wires, () if gate.angle is None else (gate.angle,), extra
            )

    def _step(
        self, name: str, wires: Sequence[int], angles: Sequence[float], extra: int
    ) -> tuple[Method, list[int], int]:
        self._fixed.append(angles)
        return self._vector.gate(name), [extra + wire for wire in wires], len(self._fixed) - 1

    def _angles(self, values: RealArray) -> list[Sequence[float]]:
        """The angles of each step."""
        out, given = self._fixed.copy(), values.tolist()
        given.append(0.0)
        for place, getter in self._varying:
            out[place] = getter(given)
        return out

    def run(
        self, state: ComplexArray, values: RealArray, *, record: bool = False
    ) -> tuple[ComplexArray, Trace | None]:
        """Apply the circuit.

        Args:
            state: amplitudes of all wires, (2^(extra + n),); of any norm.
            values: the parameters, then a sample's features, (P + F,), in radians.
            record: whether `gradient` follows.

        Returns:
            The final state, and what `gradient` needs.
        """
        angles, trace, rows = self._angles(values), None, None
        if record and self._by_layers is not None:
            trace = Trace(angles, np.empty(self._shape, state.dtype))
            rows = iter(trace.states)
        self._load(state)
        for turns, steps in self._layers:
            if turns and rows is not None:
                self._read(next(rows))
            for method, wires, place in steps:
                method(wires, False, angles[place])
        out = np.empty_like(state)
        self._read(out)
        return out, trace

    def gradient(
        self,
        trace: Trace | None,
        state: Callable[[], ComplexArray],
        final: Callable[[], ComplexArray],
        cotangent: ComplexArray,
        values: RealArray,
        *,
        angles: bool = True,
        inverse: bool = False,
    ) -> tuple[RealArray | None, ComplexArray | None]:
        """Re<cotangent| d final / d values>, and the cotangent of the initial state.

        Args:
            trace: what `run` returned.
            state: returns the initial state, (2^(extra + n),); not needed here.
            final: returns the final state; not needed with a trace.
            cotangent: dL/dRe(final) + i dL/dIm(final), (2^(extra + n),).
            values: as for `run`.
            angles, inverse: whether to compute the first and the second result.

        Returns:
            dL/dvalues, (P + F,); and that with respect to the initial state, like `cotangent`.
        """
        by_layers = self._by_layers if angles and trace is not None else None
        found = None
        if angles and by_layers is None:
            found = self._by_lightning(final(), cotangent, values)
        if by_layers is None and not inverse:
            return found, None
        self._load(cotangent)
        given = self._angles(values) if trace is None else trace.angles
        number = self._shape[0]
        for turns, steps in reversed(self._layers):
            for method, wires, place in reversed(steps):
                method(wires, True, given[place])
            if turns and by_layers is not None:
                number -= 1
                self._read(by_layers.cotangents[number])
                if not (number or inverse):
                    break
        if by_layers is not None and trace is not None:
            found = by_layers(trace.states, values)
        if not inverse:
            return found, None
        back = np.empty_like(cotangent)
        self._read(back)
        return found, back

    def _by_lightning(
        self, final: ComplexArray, cotangent: ComplexArray, values: RealArray
    ) -> RealArray:
        """As `gradient`, by lightning's adjoint sweep from the final state."""
        circuit = self._circuit
        if not circuit.varied:
            return np.zeros(len(values))
        angles = circuit.angles(values.tolist())
        products = self._derive(angles, final, cotangent, circuit.varied)
        out: RealArray = np.bincount(circuit.slots, products.real, len(values))  # type: ignore[assignment]
        return out


def _joined(turn: list[tuple[str, int]]) -> Iterator[tuple[str, list[int]]]:
    """Rotations of one wire, (name, slot), with those about Z, Y and Z joined to a `Rot`."""
    while turn:
        names = "".join(name[-1] for name, _ in turn[:3]) if turn[0][0][0] == "R" else ""
        slots = [place for _, place in turn]
        if names == "ZYZ":
            yield "Rot", slots[:3]
            turn = turn[3:]
        elif names.startswith("ZY"):
            yield "Rot", [*slots[:2], _ZERO]
            turn = turn[2:]
        elif names.startswith("YZ"):
            yield "Rot", [_ZERO, *slots[:2]]
            turn = turn[2:]
        else:
            yield turn[0][0], slots[:1]
            turn = turn[1:]
