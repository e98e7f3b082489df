"""The gradient of a circuit from its states between layers, by one product per layer.

For a gate exp(-i a P / 2), the derivative of a loss is Im<l|P|s> / 2: s is the state before or
after the gate, and l the cotangent of the final state, taken back to the same place. All P of a
layer act on different wires, so that one pair (l, s) per layer has all of them: the entries of
sum_b |s_b><l_b|. A wire's next rotation in the same layer needs these numbers after the rotations
before it, which turn (Im<l|X|s>, Im<l|Y|s>, Im<l|Z|s>) as they turn a vector on the Bloch sphere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_study.compat.lightning import ComplexArray, RealArray
from qkd_study.quantum._layers import AXES, Layer, slot
from qkd_study.quantum.circuit import Circuit, Gate

#: Above so many wires a product of states has few entries that are needed, and is made in halves.
WHOLE = 4
#: Above so many wires lightning's own derivative is faster.
LARGEST = 8

Matrix = NDArray[Any]

_PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


def can_differentiate(circuit: Circuit, found: Sequence[Layer]) -> bool:
    """Whether `LayerGradient` has the derivative of every gate of a circuit."""
    pairs = any(len(wires) > 1 for layer in found for wires in layer.turns)
    return circuit.qubits <= (WHOLE if pairs else LARGEST)


class LayerGradient:
    """The gradient with respect to the varying angles of a circuit that `can_differentiate`.

    Args:
        circuit: n qubits.
        found: its layers that have turns, L.
        extra_wires: wires of states in front of those of the circuit.
        precision: complex64 or complex128.

    Attributes:
        cotangents: before each layer, (2^(extra + n),) each; set them before a call.
    """

    def __init__(
        self, circuit: Circuit, found: Sequence[Layer], extra_wires: int, precision: str
    ) -> None:
        self._count = circuit.parameters + circuit.features
        leading = 0 if circuit.qubits <= WHOLE else circuit.qubits // 2
        trailing = circuit.qubits - leading
        self._leading, self._trailing = 1 << leading, 1 << trailing
        pairs = list(
            dict.fromkeys(
                (wires, gates[0].name[-1])
                for layer in found
                for wires, gates in layer.turns.items()
                if len(wires) > 1
            )
        )
        real = np.dtype(precision).type(0).real.dtype
        of_trailing = [*_on_each_wire(trailing), *(_controlled(trailing, *pair) for pair in pairs)]
        self._all = np.empty((len(found), 1 << extra_wires + circuit.qubits), precision)
        self.cotangents = list(self._all)
        self._real = real
        self._shape = (len(found), -1, 2 * self._trailing)
        self._transposed = self._all.view(real).reshape(self._shape).transpose(0, 2, 1)
        self._for_leading = _functionals(_on_each_wire(leading), 1 << leading).astype(real)
        self._for_trailing = _functionals(of_trailing, 1 << trailing).astype(real)
        wide, base = len(of_trailing), 3 * leading * len(found)
        self._base = base

        def position(layer: int, wires: tuple[int, ...], axis: str) -> int:
            """Where the values of `__call__` have Im<l|P|s>."""
            if len(wires) > 1:
                return base + wide * layer + 3 * trailing + pairs.index((wires, axis))
            (wire,) = wires
            if wire < leading:
                return 3 * leading * layer + 3 * wire + AXES[axis]
            return base + wide * layer + 3 * (wire - leading) + AXES[axis]

        self._compile(circuit, found, position, base + wide * len(found))

    def _compile(
        self,
        circuit: Circuit,
        found: Sequence[Layer],
        position: Callable[[int, tuple[int, ...], str], int],
        size: int,
    ) -> None:
        """Prepare the turns of vectors, round by round; each appends numbers to those before."""
        active: list[tuple[list[int], list[Gate]]] = []
        places: list[tuple[int, int]] = []  # slots and where their gradients are
        for number, layer in enumerate(found):
            for wires, gates in layer.turns.items():
                if len(wires) > 1:
                    where = position(number, wires, gates[0].name[-1])
                    places.append((slot(circuit, gates[0]), where))
                else:
                    active.append(([position(number, wires, axis) for axis in AXES], gates))
        # Of every appended number: the two it is made of, the slot of the angle, and the sign of
        # its sine.
        turns: list[tuple[int, int, int, int]] = []
        self._rounds: list[tuple[slice, slice, NDArray[Any]]] = []
        self._first = size
        while active:
            rest = []
            begin = len(turns)
            for vector, gates in active:
                axis, mine = AXES[gates[0].name[-1]], slot(circuit, gates[0])
                places.append((mine, vector[axis]))
                if len(gates) == 1:
                    continue
                b, c = (axis + 1) % 3, (axis + 2) % 3
                turned = list(vector)
                for to, other, sign in ((b, c, -1), (c, b, 1)):
                    if len(gates) > 2 or to == AXES[gates[1].name[-1]]:
                        turned[to] = size + len(turns)
                        turns.append((vector[to], vector[other], mine, sign))
                rest.append((turned, gates[1:]))
            if len(turns) > begin:
                part = slice(begin, len(turns))
                pairs = np.array([turn[:2] for turn in turns[part]]).T
                self._rounds.append((part, slice(size + begin, size + len(turns)), pairs))
            active = rest
        # Factors are cosines and sines, as sines of shifted angles.
        self._slots = np.array([turn[2] for turn in turns], int)
        signs = np.array([turn[3] for turn in turns], float)
        self._shifts = np.stack((np.full(len(turns), np.pi / 2), (1 - signs) * np.pi / 2))
        self._total = size + len(turns)
        places.sort()
        self._places = np.array([where for _, where in places], int)
        slots = [mine for mine, _ in places]
        self._given = None if slots == list(range(self._count)) else np.array(slots, int)

    def __call__(self, states: ComplexArray, values: RealArray) -> RealArray:
        """The gradient of the loss, (P + F,).

        Args:
            states: before each layer, (L, 2^(extra + n)).
            values: the parameters, then a sample's features, (P + F,), in radians.
        """
        numbers = np.empty(self._total)
        products = np.matmul(self._transposed, states.view(self._real).reshape(self._shape))
        products = np.dot(products.reshape(len(states), -1), self._for_trailing)
        numbers[self._base : self._first] = products.reshape(-1)
        if self._leading > 1:
            s, c = self._swapped(states), self._swapped(self._all)
            products = np.matmul(c.transpose(0, 2, 1), s).reshape(len(states), -1)
            numbers[: self._base] = np.dot(products, self._for_leading).reshape(-1)
        if self._rounds:
            factors = np.sin(values.take(self._slots) + self._shifts)
            for part, written, pairs in self._rounds:
                both = factors[:, part] * numbers.take(pairs)
                np.add(both[0], both[1], out=numbers[written])
        found: RealArray = numbers.take(self._places)
        found *= 0.5
        if self._given is None:
            return found
        summed: RealArray = np.bincount(self._given, found, self._count)  # type: ignore[assignment]
        return summed

    def _swapped(self, states: ComplexArray) -> NDArray[Any]:
        """States with their leading wires last, as real numbers: (L, ..., 2 * 2^leading)."""
        split = states.reshape(len(states), -1, self._leading, self._trailing)
        swapped = np.ascontiguousarray(split.swapaxes(2, 3)).view(self._real)
        found: NDArray[Any] = swapped.reshape(len(states), -1, 2 * self._leading)
        return found


def _on_each_wire(wires: int) -> list[Matrix]:
    """X, Y and Z on the first wire, on the second, ...: (2^wires, 2^wires) each."""
    return [
        np.kron(np.kron(np.eye(1 << wire), pauli), np.eye(1 << wires - wire - 1))
        for wire in range(wires)
        for pauli in _PAULI
    ]


def _controlled(wires: int, on: tuple[int, ...], axis: str) -> Matrix:
    """X, Y or Z on the second of two wires where the first is 1, else 0."""
    control, target = on
    pauli = _on_each_wire(wires)[3 * target + AXES[axis]]
    ones: NDArray[Any] = np.arange(1 << wires) >> (wires - 1 - control) & 1
    found: Matrix = pauli * ones
    return found


def _functionals(operators: Sequence[Matrix], size: int) -> RealArray:
    """Im<l|P|s> of every operator P, of products of l and s: (4 size^2, operators).

    The products are those of real and imaginary parts of l with those of s.
    """
    out = np.zeros((size, 2, size, 2, len(operators)))
    for number, operator in enumerate(operators):
        out[:, 0, :, 0, number] = out[:, 1, :, 1, number] = operator.imag
        out[:, 0, :, 1, number] = operator.real
        out[:, 1, :, 0, number] = -operator.real
    return out.reshape(4 * size**2, -1)
