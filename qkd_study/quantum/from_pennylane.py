"""Records a PennyLane function as a `Circuit`: its gates, and the expression of every angle.

PennyLane runs the function with numbers and decomposes it into gates of the engine; every angle is
then written as a constant plus multiples of weights. These are found from the angles at a few
points, and checked at others: at random points a function that is not of this form is noticed with
probability 1. RX(a + b) is RX(a) and RX(b), so that a gate of the circuit has one weight or none.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import pi, prod
from typing import Any

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.operation import Operator, StatePrepBase

from qkd_study.quantum.circuit import GATES, Circuit, Gate

Shape = tuple[int, ...]
Floats = NDArray[np.float64]
#: What a function says is not of the form, and what to do instead.
_INSTEAD = (
    "To run it on a PennyLane device as it is, make a QNode of it: PennyLaneModel(qnode, ...)"
)
#: Largest error of an angle at a point where it is checked, relative to 1 + |angle|.
_SAME = 1e-9
#: Factors and constants (over pi) this near to a multiple of 1/48 are taken for it.
_ROUNDING = 1e-11
#: Points at which angles are checked.
_CHECKS = 3
#: Arrays with more entries are not tried to see a shape.
_MOST = 2**18


@dataclass(frozen=True)
class _Record:
    """The gates of a run: names and wires, and the angles of those that have one."""

    gates: tuple[tuple[str, tuple[int, ...]], ...]
    angles: Floats


def circuit_of(
    function: Callable[..., Any],
    shapes: Mapping[str, Shape] | None,
    qubits: int,
    *,
    weights: str = "weights",
    layers: int = 1,
) -> Circuit:
    """The circuit that a PennyLane function applies.

    Args:
        function: takes arrays of weights and `wires` by name, and applies gates.
        shapes: of the arrays; `None`: there is one, whose shape follows from the entries used.
        qubits: n; `wires` are 0 to n - 1.
        weights: the name of the array if `shapes` is `None`.
        layers: how often the function is applied, each time with weights of its own.

    Returns:
        A circuit whose parameters are the weights, array by array in the order of `shapes`, each
        row by row; layer by layer.

    Raises:
        ValueError: the function fails, does not only apply gates, or an angle is not a sum of
            constants and multiples of weights; or a weight has no gate.
    """

    def record(of: Mapping[str, Shape], values: Floats) -> _Record:
        return _record(function, of, values, qubits)

    if shapes is None:
        shapes = {weights: _seen_shape(record, weights)}
    count = sum(map(prod, shapes.values()))
    given = shapes
    gates, constants, multiples = _expressions(lambda values: record(given, values), count)
    used = {weight for of_gate in multiples for weight, _ in of_gate}
    if len(used) < count:
        raise ValueError(
            f"no gate has the weight {_place(given, min(set(range(count)) - used))}: every weight "
            f"must turn a gate. Declare smaller shapes, or use it."
        )
    found: list[Gate] = []
    for layer in range(layers):
        angles = iter(zip(constants, multiples, strict=True))
        for name, wires in gates:
            if not GATES[name][1]:
                found.append(Gate(name, wires))
                continue
            constant, of_gate = next(angles)
            if constant or not of_gate:
                found.append(Gate(name, wires, angle=constant))
            found += [
                Gate(name, wires, parameter=layer * count + weight, factor=factor)
                for weight, factor in of_gate
            ]
    return Circuit(qubits, tuple(found))


def _place(shapes: Mapping[str, Shape], number: int) -> str:
    """A weight as it is written, such as weights[0, 2]."""
    for name, shape in shapes.items():
        if number < prod(shape):
            index = np.unravel_index(number, shape) if shape else ()
            return f"{name}[{', '.join(map(str, index))}]"
        number -= prod(shape)
    raise IndexError(number)


def _record(
    function: Callable[..., Any], shapes: Mapping[str, Shape], values: Floats, qubits: int
) -> _Record:
    """Run a function with weights of some shapes and values, and decompose its gates."""
    ends = np.cumsum([prod(shape) for shape in shapes.values()])
    parts = np.split(values, ends[:-1])
    arrays = {
        name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }
    tape = qml.tape.make_qscript(function)(**arrays, wires=list(range(qubits)))
    if tape.measurements:
        raise ValueError(
            f"it measures ({tape.measurements[0]}), but an ansatz only applies gates: the model "
            f"measures. {_INSTEAD}."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what has no decomposition is refused below
        (flat,), _ = qml.transforms.decompose(
            tape, gate_set={*GATES, "GlobalPhase", "Identity"}, stopping_condition=_prepares
        )
    gates: list[tuple[str, tuple[int, ...]]] = []
    angles = []
    for operator in flat.operations:
        if operator.name in ("GlobalPhase", "Identity", "Barrier", "WireCut", "Snapshot"):
            continue  # without effect on any measured value
        gates.append(_gate(operator, qubits))
        if GATES[operator.name][1]:
            angles.append(_angle(operator))
    return _Record(tuple(gates), np.array(angles, np.float64))


def _prepares(operator: Any) -> bool:
    return isinstance(operator, StatePrepBase)


def _gate(operator: Operator, qubits: int) -> tuple[str, tuple[int, ...]]:
    """A gate's name and wires."""
    if operator.name not in GATES:
        why = "it prepares a state, but acts on one" if _prepares(operator) else "it is no gate"
        raise ValueError(
            f"{operator.name} on wires {operator.wires.tolist()} cannot be written in gates "
            f"{', '.join(GATES)}: {why}. {_INSTEAD}."
        )
    wires = operator.wires.tolist()
    if not all(isinstance(wire, int) and 0 <= wire < qubits for wire in wires):
        raise ValueError(f"{operator.name} acts on wires {wires}, but wires are 0 to {qubits - 1}.")
    return operator.name, tuple(wires)


def _angle(operator: Operator) -> float:
    (angle,) = operator.data
    if np.ndim(angle) != 0:
        raise ValueError(
            f"the angle of {operator.name} on wires {operator.wires.tolist()} is an array of shape "
            f"{np.shape(angle)}, but a gate has one angle."
        )
    return float(np.real(angle))


#: The expressions of all angles: gates, constants, and (weight, factor) of every angle.
_Expressions = tuple[
    tuple[tuple[str, tuple[int, ...]], ...], list[float], list[list[tuple[int, float]]]
]


def _expressions(record: Callable[[Floats], _Record], count: int) -> _Expressions:
    """Write the angles as constants plus multiples of weights, and check that they are that."""
    rng = np.random.default_rng(count)
    base, *points = rng.uniform(-pi, pi, (1 + 2 + _CHECKS, count))
    records = [record(base), *map(record, points)]
    if any(other.gates != records[0].gates for other in records):
        raise ValueError(f"it applies other gates for other weights. {_INSTEAD}.")
    at_base, first, second, *checked = (found.angles for found in records)
    factors = _single(first - at_base, second - at_base, points[0] - base, points[1] - base)
    if factors is None:  # some angles are sums
        steps = base + np.eye(count)
        factors = np.stack([record(step).angles - at_base for step in steps], axis=1)
    factors = _rounded(factors)
    zero = record(np.zeros(count))  # where decompositions may leave gates out
    same = zero.gates == records[0].gates
    constants = zero.angles if same else pi * _rounded((at_base - factors @ base) / pi)
    for point, seen in zip(points, (first, second, *checked), strict=True):
        wrong = abs(constants + factors @ point - seen) > _SAME * (1 + abs(seen))
        if wrong.any():
            turning = [gate for gate in records[0].gates if GATES[gate[0]][1]]
            name, wires = turning[int(wrong.argmax())]
            raise ValueError(
                f"the angle of {name} on wires {list(wires)} is not a sum of constants and "
                f"multiples of weights. {_INSTEAD}."
            )
    multiples = [[(int(w), float(row[w])) for w in np.flatnonzero(row)] for row in factors]
    return records[0].gates, constants.tolist(), multiples


def _single(first: Floats, second: Floats, step: Floats, other: Floats) -> Floats | None:
    """The factors (angles, weights) if every angle depends on one weight or none.

    An angle c w + b changes by c times the steps of w; the ratio of its changes names w.

    Args:
        first, second: the changes of the angles between points.
        step, other: those of the weights.
    """
    out = np.zeros((len(first), len(step)))
    (turned,) = np.nonzero((abs(first) > _ROUNDING) | (abs(second) > _ROUNDING))
    if not len(turned):
        return out
    if not len(step):
        return None
    found = _nearest(first[turned], second[turned], step, other)
    if found is None:
        return None
    out[turned, found] = first[turned] / step[found]
    return out


def _nearest(first: Floats, second: Floats, step: Floats, other: Floats) -> NDArray[Any] | None:
    """The weight of every changed angle; `None` if one has none whose steps explain it."""
    directions, wanted = np.arctan(other / step), np.arctan2(second, first)
    wanted = (wanted + pi / 2) % pi - pi / 2
    order = np.argsort(directions)
    place = np.searchsorted(directions[order], wanted)
    near = np.stack([order[(place - 1) % len(order)], order[place % len(order)]])
    distance = abs(np.sin(directions[near] - wanted))
    index = near[distance.argmin(0), np.arange(len(wanted))]
    return index if (distance.min(0) < _SAME).all() else None


def _rounded(values: Floats) -> Floats:
    """Values without rounding errors where they are multiples of 1/48."""
    near = np.round(values * 48) / 48
    found: Floats = np.where(abs(values - near) < _ROUNDING * 10, near, values)
    return found


def _seen_shape(record: Callable[[Mapping[str, Shape], Floats], _Record], weights: str) -> Shape:
    """The shape of an array of weights, from the entries that a function uses.

    The function runs with arrays of one axis, two, ... that are larger than it needs.
    """
    for axes in (1, 2, 3):
        for size in (16, 64, 256, 1024, 4096, 16384):
            if size**axes > _MOST:
                break
            try:
                used = [_used(record, weights, (length,) * axes) for length in (size, size + 1)]
            except IndexError as error:
                if "out of bounds" in str(error):
                    continue
                break
            shape = tuple(int(axis.max(initial=-1)) + 1 for axis in used[0])
            same = all(map(np.array_equal, *used))
            if not same or len(used[0][0]) != prod(shape):
                raise ValueError(_unseen(weights))
            return shape
    raise ValueError(_unseen(weights))


def _unseen(weights: str) -> str:
    return (
        f"the shape of {weights} cannot be seen from the entries that it uses: declare it, as in "
        f"PennyLaneAnsatz(function, {{{weights!r}: ('depth', 'qubits', 2)}})."
    )


def _used(
    record: Callable[[Mapping[str, Shape], Floats], _Record], weights: str, shape: Shape
) -> list[NDArray[Any]]:
    """The indices of the entries that angles depend on, per axis, in order."""
    rng = np.random.default_rng(len(shape))
    base, first, second = rng.uniform(-pi, pi, (3, prod(shape)))

    def changes(point: Floats) -> Floats:
        angles = record({weights: shape}, point).angles
        if len(angles) != len(at_base):
            raise ValueError(f"it applies other gates for other weights. {_INSTEAD}.")
        return angles - at_base

    def within(entries: NDArray[Any]) -> list[NDArray[Any]]:
        """Those of some entries that angles depend on: both halves are tried."""
        point = base.copy()
        point[entries] = first[entries]
        if not (abs(changes(point)) > _ROUNDING).any():
            return []
        if len(entries) == 1:
            return [entries]
        middle = len(entries) // 2
        return [*within(entries[:middle]), *within(entries[middle:])]

    at_base = record({weights: shape}, base).angles
    to_first, to_second = changes(first), changes(second)
    turned = abs(to_first) + abs(to_second) > _ROUNDING
    steps = first - base, second - base
    index = _nearest(to_first[turned], to_second[turned], *steps)
    if index is None:  # some angles are not of one entry
        index = np.concatenate(within(np.arange(len(base))))
    return [*np.unravel_index(np.unique(index), shape)]
