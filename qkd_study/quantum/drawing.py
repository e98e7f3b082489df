"""Draws a circuit as text: a line per wire, time from left to right."""

from __future__ import annotations

from itertools import groupby

from qkd_study.quantum.circuit import Circuit, Gate

_CONTROLLED = {"CNOT": "X", "CZ": "Z", "CRX": "RX", "CRY": "RY", "CRZ": "RZ"}
_NAMES = {"Hadamard": "H"}


def drawn(circuit: Circuit, width: int = 100) -> list[str]:
    """The lines of a drawing.

    A trained angle is `w` and its number, a feature of the sample `x` and its number; other angles
    are in radians. A control is a dot on its wire. Gates stand as far left as they can.

    Args:
        circuit: n qubits.
        width: characters per line; a longer circuit is drawn in several parts of n lines each,
            with an empty line between them.
    """
    columns = [_column(gates, circuit.qubits) for gates in _moments(circuit)]
    names = [f"{wire}: " for wire in range(circuit.qubits)]
    margin = max(map(len, names))
    parts: list[list[list[str]]] = [[]]
    used = margin
    for column in columns:
        needed = len(column[0])
        if parts[-1] and used + needed > width:
            parts.append([])
            used = margin
        parts[-1].append(column)
        used += needed
    lines: list[str] = []
    for number, part in enumerate(parts):
        lines += [""] if number else []
        lines += [
            name.rjust(margin) + "".join(column[wire] for column in part)
            for wire, name in enumerate(names)
        ]
    return lines


def _span(gate: Gate) -> range:
    """The wires that a gate's drawing covers, those between its own included."""
    return range(min(gate.wires), max(gate.wires) + 1)


def _moments(circuit: Circuit) -> list[list[Gate]]:
    """Gates by column, each in the first one that is free on all wires it covers."""
    free = [0] * circuit.qubits
    placed = []
    for gate in circuit.gates:
        at = max(free[wire] for wire in _span(gate))
        placed.append((at, gate))
        for wire in _span(gate):
            free[wire] = at + 1
    placed.sort(key=lambda entry: entry[0])
    return [[gate for _, gate in found] for _, found in groupby(placed, key=lambda e: e[0])]


def _column(gates: list[Gate], qubits: int) -> list[str]:
    """The texts of a column by wire, all of one length."""
    texts, crossed = [""] * qubits, set()
    for gate in gates:
        *control, target = gate.wires
        texts[target] = _label(gate)
        for wire in control:
            texts[wire] = "●"
        crossed |= set(_span(gate)) - set(gate.wires)
    for wire in crossed:
        texts[wire] = "│"
    length = max(map(len, texts), default=0)
    return [f"─{text.ljust(length, '─')}─" for text in texts]


def _label(gate: Gate) -> str:
    name = _CONTROLLED.get(gate.name, _NAMES.get(gate.name, gate.name))
    if gate.parameter is not None:
        factor = "" if gate.factor == 1 else f"{gate.factor:.4g}*"
        return f"{name}({factor}w{gate.parameter})"
    if gate.feature is not None:
        return f"{name}(x{gate.feature})"
    return name if gate.angle is None else f"{name}({gate.angle:.4g})"
