"""`EvolvedStates`: states of random circuits, whose class is the interaction in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qkd_study.data.dataset import Floats, Ints
from qkd_study.data.state_sets import StateSet, checked_range
from qkd_study.data.states import as_samples

Amplitudes = NDArray[np.complex128]
_PHASES = np.array([1.0, -1.0, -1.0, 1.0])  # of ZZ


@dataclass(frozen=True)
class EvolvedStates(StateSet):
    """States of random circuits on an open chain; the class is the generator of their gates.

    All sites begin in |0>. A layer is RX by an angle in [0, pi / 2] on every site, drawn anew for
    every layer, site and state, and exp(-i a G) on all pairs of neighbours, even pairs first, with
    G = ZZ (class 0) or (XX + YY) / 2 (class 1) and one angle a per state. States are complex: (2,
    2^qubits) real and imaginary parts.

    Attributes:
        qubits: sites, from 2 to 12.
        states: how many, half of each class; a quarter is the test set.
        layers: of the circuit.
        angles: the range of a, in radians, from 0 to pi.
        seed: of the angles.
        name: for rows and reports; the default is like `evolved-8`.

    Raises:
        InputError: an argument is not as above.
    """

    qubits: int = 8
    states: int = 1000
    layers: int = 3
    angles: tuple[float, float] = (0.2, 0.8)
    seed: int = 0
    name: str = ""

    def __post_init__(self) -> None:
        limits = checked_range("EvolvedStates", "angles", self.angles, 0, np.pi)
        object.__setattr__(self, "angles", limits)
        if not self.name:
            object.__setattr__(self, "name", f"evolved-{self.qubits}")
        self._check(2, layers=(1, 100))

    def _class_names(self) -> tuple[str, ...]:
        return "ising", "exchange"

    def _drawn(self, rng: np.random.RandomState) -> tuple[NDArray[np.float64], Ints]:
        labels = rng.permutation(np.arange(self.states) % 2).astype(np.int64)
        low, high = self.angles
        angle = low + (high - low) * rng.random_sample((self.states, 1))
        turns = np.pi / 2 * rng.random_sample((self.states, self.layers * self.qubits))
        return np.concatenate((angle, turns), axis=1), labels

    def _computed(self, drawn: NDArray[np.float64], labels: Ints) -> Floats:
        states = np.zeros((len(drawn), 2**self.qubits), np.complex128)
        states[:, 0] = 1
        pairs = [*range(0, self.qubits - 1, 2), *range(1, self.qubits - 1, 2)]
        gates = _pair_gates(drawn[:, 0], labels)
        for layer in drawn[:, 1:].reshape(len(drawn), self.layers, self.qubits).swapaxes(0, 1):
            for site in range(self.qubits):
                states = _applied(states, _rx(layer[:, site]), site)
            for site in pairs:
                states = _applied(states, gates, site)
        return as_samples(states)


def _rx(angles: NDArray[np.float64]) -> Amplitudes:
    """exp(-i X angle / 2), (n, 2, 2)."""
    cosine, sine = np.cos(angles / 2), -1j * np.sin(angles / 2)
    return np.stack((cosine, sine, sine, cosine), axis=1).reshape(-1, 2, 2)


def _pair_gates(angles: NDArray[np.float64], labels: Ints) -> Amplitudes:
    """exp(-i angle G) of the class's generator, (n, 4, 4)."""
    gates = np.zeros((len(angles), 4, 4), np.complex128)
    gates[:, range(4), range(4)] = np.exp(-1j * angles[:, None] * _PHASES)
    exchange = np.tile(np.eye(4, dtype=np.complex128), (len(angles), 1, 1))
    exchange[:, [1, 2], [1, 2]] = np.cos(angles)[:, None]
    exchange[:, [1, 2], [2, 1]] = -1j * np.sin(angles)[:, None]
    chosen: Amplitudes = np.where((labels == 1)[:, None, None], exchange, gates)
    return chosen


def _applied(states: Amplitudes, gates: Amplitudes, site: int) -> Amplitudes:
    """Gates (n, 2^k, 2^k) on k neighbouring sites, one per state (n, N)."""
    shape = len(states), 2**site, gates.shape[1], -1
    applied: Amplitudes = np.einsum("nij,najb->naib", gates, states.reshape(shape), optimize=True)
    return applied.reshape(len(states), -1)
