"""`Circuit`: the gates of a quantum model, as data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pennylane as qml

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
        parameter: index of the trained number that its angle is, or is a multiple of, or `None`.
        angle: the angle in radians of a gate that takes one but does not train it.
        feature: index of the sample's feature that is the angle, if data enters again.
        factor: what the trained number is multiplied with.
    """

    name: str
    wires: tuple[int, ...]
    parameter: int | None = None
    angle: float | None = None
    feature: int | None = None
    factor: float = 1.0


@dataclass(frozen=True)
class Circuit:
    """Gates on `qubits` wires, which act on a state that encodes the data.

    Without features, the same gates act on every sample. With features, data enters again between
    the gates (Perez-Salinas et al. 2020, arXiv:1907.02085), and every sample has gates of its own.
    Several gates may have the same parameter.

    Attributes:
        qubits: n; wire 0 is the most significant bit of a basis state's index.
        gates: in order of application.

    Raises:
        ValueError: a gate is unknown, has wrong wires, angles or factors, the parameters are not
            0 .. P - 1, or the features not 0 .. F - 1.
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
            given = (gate.parameter, gate.angle, gate.feature)
            if sum(value is not None for value in given) != angle:
                raise ValueError(
                    f"{gate} needs exactly one of parameter, angle and feature if it rotates, "
                    f"and none if it does not"
                )
            if gate.factor != 1 and (gate.parameter is None or not math.isfinite(gate.factor)):
                raise ValueError(f"{gate} has a factor, which must be finite and of a parameter")
        indices = sorted({g.parameter for g in self.gates if g.parameter is not None})
        if indices != list(range(len(indices))):
            raise ValueError(f"parameters must be numbered 0, 1, ..., but got {indices}")
        entered = sorted({g.feature for g in self.gates if g.feature is not None})
        if entered != list(range(len(entered))):
            raise ValueError(f"features must be numbered 0, 1, ..., but got {entered}")

    def __hash__(self) -> int:
        return self._hash

    def __getstate__(self) -> dict[str, object]:
        # Without cached properties: hashes of strings differ between processes.
        return {"qubits": self.qubits, "gates": self.gates}

    @cached_property
    def _hash(self) -> int:
        return hash((self.qubits, self.gates))

    @cached_property
    def parameters(self) -> int:
        """How many trained numbers there are: P."""
        return 1 + max((g.parameter for g in self.gates if g.parameter is not None), default=-1)

    @cached_property
    def by_angle(self) -> Circuit:
        """The circuit that devices run: without factors, a parameter for every distinct angle."""
        if self.multiples is None:
            return self
        places = {pair: place for place, pair in enumerate(zip(*self.multiples, strict=True))}
        gates = (
            gate
            if gate.parameter is None
            else replace(gate, parameter=places[gate.parameter, gate.factor], factor=1.0)
            for gate in self.gates
        )
        return Circuit(self.qubits, tuple(gates))

    @cached_property
    def multiples(self) -> tuple[list[int], list[float]] | None:
        """Parameter and factor for every parameter of `by_angle`; `None` without factors."""
        pairs = [(g.parameter, g.factor) for g in self.gates if g.parameter is not None]
        if all(factor == 1 for _, factor in pairs):
            return None
        distinct = sorted(set(pairs))
        return [parameter for parameter, _ in distinct], [factor for _, factor in distinct]

    @cached_property
    def features(self) -> int:
        """How many features of a sample enter between the gates: F; 0 if data only enters first."""
        return 1 + max((g.feature for g in self.gates if g.feature is not None), default=-1)

    @cached_property
    def slots(self) -> list[int]:
        """For every gate whose angle varies, in order: its place in (theta, features), (P + F,).

        Factors are left out: see `by_angle`.
        """
        places = (
            gate.parameter if gate.feature is None else self.parameters + gate.feature
            for gate in self.gates
        )
        return [place for place in places if place is not None]

    @cached_property
    def varied(self) -> list[int]:
        """Which of the gates that take an angle, counted from 0, have one of `slots`."""
        angled = [gate for gate in self.gates if GATES[gate.name][1]]
        return [i for i, gate in enumerate(angled) if gate.angle is None]

    def angles(self, values: Sequence[float]) -> list[tuple[float, ...]]:
        """The angle of every gate, as a tuple that is empty if it takes none.

        Args:
            values: the parameters, then a sample's features, (P + F,), in radians.
        """
        first = self.parameters
        return [
            (gate.factor * values[gate.parameter],)
            if gate.parameter is not None
            else (values[first + gate.feature],)
            if gate.feature is not None
            else ()
            if gate.angle is None
            else (gate.angle,)
            for gate in self.gates
        ]

    def operators(
        self, values: Sequence[float] | NDArray[np.float64], *, first_wire: int = 0
    ) -> list[qml.operation.Operation]:
        """The gates as PennyLane operators.

        Args:
            values: the parameters, then a sample's features, (P + F,), in radians.
            first_wire: the label of data wire 0.
        """
        import pennylane as qml  # takes seconds, and lightning.qubit does not need it

        return [
            getattr(qml, gate.name)(*angle, wires=[first_wire + wire for wire in gate.wires])
            for gate, angle in zip(self.gates, self.angles(list(values)), strict=True)
        ]
