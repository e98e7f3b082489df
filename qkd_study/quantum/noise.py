"""`CircuitNoise`: what goes wrong after each gate of a circuit, and in its measurement, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class QubitNoise:
    """Errors of one qubit after a gate on it, in this order.

    Attributes:
        depolarising: probability of an error X, Y or Z, each with a third of it; 0 after gates on
            two qubits, where `PairNoise.depolarising` acts.
        amplitude_damping: probability that |1> decays to |0>.
        phase_damping: probability of losing the phase without losing energy.

    Raises:
        ValueError: one lies outside [0, 1].
    """

    depolarising: float = 0.0
    amplitude_damping: float = 0.0
    phase_damping: float = 0.0

    def __post_init__(self) -> None:
        _check_probabilities(self)


@dataclass(frozen=True)
class PairNoise:
    """Errors after a gate on two qubits.

    Attributes:
        depolarising: probability of one of the 15 Pauli errors of two qubits, all equally likely.
        first, second: damping of either qubit, after it; the first is that with the lower number.

    Raises:
        ValueError: a probability lies outside [0, 1].
    """

    depolarising: float = 0.0
    first: QubitNoise = field(default_factory=QubitNoise)
    second: QubitNoise = field(default_factory=QubitNoise)

    def __post_init__(self) -> None:
        _check_probabilities(self)


@dataclass(frozen=True)
class CircuitNoise:
    """Errors of the gates and measurements of a circuit; the states it starts from are exact.

    Attributes:
        qubits: errors after gates on one qubit, for each qubit.
        pairs: errors after gates on two qubits, by pair (lower, higher).
        over_rotation: every rotation turns by (1 + over_rotation) times its angle.
        readout: for each qubit, the probabilities that 0 is read as 1, and 1 as 0.

    Raises:
        ValueError: a probability lies outside [0, 1], or there are not as many entries of `readout`
            as of `qubits`.
    """

    qubits: tuple[QubitNoise, ...]
    pairs: Mapping[tuple[int, int], PairNoise]
    over_rotation: float = 0.0
    readout: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if len(self.readout) not in (0, len(self.qubits)):
            raise ValueError(
                f"readout needs an entry for each of {len(self.qubits)} qubits, but has "
                f"{len(self.readout)}"
            )
        for pair in self.readout:
            for name, value in zip(("0 read as 1", "1 read as 0"), pair, strict=True):
                check_probability(name, value)


def check_probability(name: str, value: float) -> None:
    """Check that a number is a probability.

    Raises:
        ValueError: it is not.
    """
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be a probability from 0 to 1, but is {value}")


def _check_probabilities(of: QubitNoise | PairNoise) -> None:
    for one in fields(of):
        value = getattr(of, one.name)
        if not isinstance(value, QubitNoise):
            check_probability(one.name, value)
