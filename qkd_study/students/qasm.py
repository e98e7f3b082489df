"""OpenQASM 3 (Cross et al. 2022, arXiv:2104.14722) of a student's circuit.

PennyLane writes OpenQASM 2 only. The gates are those of `stdgates.inc`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from qkd_study.quantum import Circuit

#: The gates of `quantum.circuit.GATES` by their names in `stdgates.inc`.
NAMES = {
    "Hadamard": "h",
    "RX": "rx",
    "RY": "ry",
    "RZ": "rz",
    "CNOT": "cx",
    "CZ": "cz",
    "CRX": "crx",
    "CRY": "cry",
    "CRZ": "crz",
}


class Line(NamedTuple):
    """One gate of a program: its name, its qubits, and the text of its angle, if it has one."""

    name: str
    wires: tuple[int, ...]
    angle: str | None = None

    def __str__(self) -> str:
        given = "" if self.angle is None else f"({self.angle})"
        return f"{self.name}{given} {', '.join(f'q[{wire}]' for wire in self.wires)};"


def prepared(state: Iterable[float], qubits: int) -> list[Line]:
    """The gates that prepare a state of real amplitudes (2^n,) from |0...0>, exactly.

    Wire by wire, a rotation about Y that the wires before it control: it splits the norm of each
    of their basis states in two; at the last wire with the amplitudes' signs. A controlled rotation
    is a sequence of rotations and CNOTs along a Gray code (Mottonen et al. 2004,
    arXiv:quant-ph/0407010).
    """
    amplitudes = np.asarray(list(state), dtype=np.float64)
    lines: list[Line] = []
    for wire in range(qubits):
        halves = amplitudes.reshape(2**wire, 2, -1)
        last = wire == qubits - 1
        parts = halves[..., 0] if last else np.linalg.norm(halves, axis=-1)
        angles = 2 * np.arctan2(parts[:, 1], parts[:, 0])
        lines += _controlled(angles, wire)
    return lines


def _controlled(angles: np.ndarray, wire: int) -> list[Line]:
    """RY of `wire` by one angle for each basis state of the wires 0 .. wire - 1, (2^wire,)."""
    count = len(angles)
    codes = [step ^ (step >> 1) for step in range(count)]
    signs = np.array(
        [[(-1.0) ** (code & index).bit_count() for index in range(count)] for code in codes]
    )
    turns = signs @ angles / count
    lines: list[Line] = []
    for step, turn in enumerate(turns):
        lines.append(Line("ry", (wire,), repr(float(turn))))
        if count > 1:
            changed = codes[step] ^ codes[(step + 1) % count]
            control = wire - changed.bit_length()  # wire 0 is the most significant bit
            lines.append(Line("cx", (control, wire)))
    return lines


def program(
    circuit: Circuit, theta: Sequence[float], embedding: Sequence[Line], inputs: Sequence[str] = ()
) -> str:
    """The whole program, which measures all qubits.

    Args:
        circuit: n qubits, P parameters.
        theta: its angles in radians, (P,).
        embedding: the gates before it.
        inputs: names of variables that the program gets, one for each feature.
    """
    trained = [
        Line(NAMES[gate.name], gate.wires, *(repr(float(value)) for value in angle))
        for gate, angle in zip(circuit.gates, circuit.angles(theta), strict=True)
    ]
    lines = [
        "OPENQASM 3.0;",
        'include "stdgates.inc";',
        *(f"input float[64] {name};" for name in inputs),
        f"qubit[{circuit.qubits}] q;",
        f"bit[{circuit.qubits}] c;",
        "// embedding",
        *map(str, embedding),
        "// trained circuit",
        *map(str, trained),
        "c = measure q;",
    ]
    return "\n".join(lines) + "\n"
