"""`Circuit`: the trainable part of a quantum model, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pennylane as qml
from numpy.typing import NDArray

#: Gates by name: how many wires, and whether they take an angle.
GATES: dict[str, tuple[int, bool]] = {
    "Hadamard": (1, False),
    "RX": (1, True),
    "RY": (1, True),
    "RZ": (1, True),
    "CNOT": (2, False),
    "CZ": (2, False),
    "CRX": (2, True),
    "CRY": (2, True),
    "CRZ": (2, True),
}


@dataclass(frozen=True)
class Gate:
    """One gate.

    Attributes:
        name: as PennyLane calls it, one of `GATES`.
        wires: the data wires it acts on; control first.
        parameter: index of the trainable angle, or `None`.
        angle: the angle in radians of a gate that takes one but does not train it.
    """

    name: str
    wires: tuple[int, ...]
    parameter: int | None = None
    angle: float | None = None


@dataclass(frozen=True)
class Circuit:
    """Gates on `qubits` wires. Data enters before them; the same gates act on every sample.

    Attributes:
        qubits: n; wire 0 is the most significant bit of a basis state's index.
        gates: in order of application.

    Raises:
        ValueError: a gate is unknown, has wrong wires, or the parameters are not 0 .. P - 1.
    """

    qubits: int
    gates: tuple[Gate, ...]

    def __post_init__(self) -> None:
        for gate in self.gates:
            wires, angle = GATES.get(gate.name, (0, False))
            if len(gate.wires) != wires or len(set(gate.wires)) != wires:
                raise ValueError(f"{gate} is not a gate: known are {', '.join(GATES)}")
            if not all(0 <= wire < self.qubits for wire in gate.wires):
                raise ValueError(f"{gate} acts outside of {self.qubits} qubits")
            if angle != ((gate.parameter is None) != (gate.angle is None)):
                raise ValueError(f"{gate} needs exactly one of parameter and angle if it rotates")
        indices = sorted(g.parameter for g in self.gates if g.parameter is not None)
        if indices != list(range(len(indices))):
            raise ValueError(f"parameters must be numbered 0, 1, ... once each, but got {indices}")

    @property
    def parameters(self) -> int:
        """How many trainable angles there are: P."""
        return sum(gate.parameter is not None for gate in self.gates)

    @property
    def two_qubit_gates(self) -> int:
        """How many gates act on two wires."""
        return sum(len(gate.wires) == 2 for gate in self.gates)

    def angle(self, gate: Gate, theta: Sequence[float] | NDArray[np.float64]) -> tuple[float, ...]:
        """The angle of a gate under parameters `theta` (P,), as a tuple that may be empty."""
        if gate.parameter is not None:
            return (float(theta[gate.parameter]),)
        return () if gate.angle is None else (gate.angle,)

    def operators(
        self, theta: Sequence[float] | NDArray[np.float64], *, first_wire: int = 0
    ) -> list[qml.operation.Operation]:
        """The gates as PennyLane operators.

        Args:
            theta: angles in radians, (P,).
            first_wire: the label of data wire 0.
        """
        return [
            getattr(qml, gate.name)(
                *self.angle(gate, theta), wires=[first_wire + wire for wire in gate.wires]
            )
            for gate in self.gates
        ]
