"""The gates of a circuit in layers: first those with angles that vary, then fixed ones."""

from __future__ import annotations

from dataclasses import dataclass, field

from qkd_study.quantum.circuit import Circuit, Gate

#: Axes of rotations by the last letter of a gate's name.
AXES = {"X": 0, "Y": 1, "Z": 2}


@dataclass
class Layer:
    """Gates in the order in which they can be applied.

    Attributes:
        turns: gates with angles that vary, by their wires, which are disjoint: the rotations of one
            wire in their order, or one controlled rotation.
        fixed: gates after them.
    """

    turns: dict[tuple[int, ...], list[Gate]] = field(default_factory=dict)
    fixed: list[Gate] = field(default_factory=list)


def layers(circuit: Circuit) -> list[Layer]:
    """The gates of a circuit, every one as early as those before it on its wires allow."""
    out = [Layer()]
    # Of every wire: its layer, and whether a turn or a fixed gate of that layer acts on it.
    level = [0] * circuit.qubits
    turned, closed = [False] * circuit.qubits, [False] * circuit.qubits
    for gate in circuit.gates:
        varies = gate.parameter is not None or gate.feature is not None
        alone = varies and len(gate.wires) > 1
        first = 0
        for wire in gate.wires:
            taken = (varies and closed[wire]) or (alone and turned[wire])
            first = max(first, level[wire] + taken)
        while len(out) <= first:
            out.append(Layer())
        for wire in gate.wires:
            if level[wire] < first:
                level[wire], turned[wire], closed[wire] = first, False, False
            turned[wire] = turned[wire] or varies
            closed[wire] = closed[wire] or not varies or alone
        if varies:
            out[first].turns.setdefault(gate.wires, []).append(gate)
        else:
            out[first].fixed.append(gate)
    return out


def slot(circuit: Circuit, gate: Gate) -> int:
    """The place of a gate's angle in (theta, features)."""
    if gate.parameter is not None:
        return gate.parameter
    assert gate.feature is not None
    return circuit.parameters + gate.feature
