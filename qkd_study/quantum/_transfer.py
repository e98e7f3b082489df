"""Gates and channels as Pauli transfer matrices, which are real.

A density matrix is written as its coefficients Tr(P rho) / sqrt(2^n) of Pauli strings P, in the
order I, X, Y, Z on each wire. A channel E maps them by R_ij = Tr(P_i E(P_j)) / 2^k for k wires
(Greenbaum 2015, arXiv:1509.02921, eq. 2.8).
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_study.quantum.circuit import GATES
from qkd_study.quantum.noise import CircuitNoise, QubitNoise

Floats = NDArray[np.float64]

#: I, X, Y, Z.
PAULIS: NDArray[Any] = np.array(
    [[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]]
)
_AXES = {"X": 1, "Y": 2, "Z": 3}
#: Products of 1, cos(a/2) and sin(a/2), of which the transfer matrix of a rotation by a is a sum.
_PRODUCTS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


@functools.cache
def _strings(wires: int) -> NDArray[Any]:
    """All Pauli strings: (4^wires, 2^wires, 2^wires)."""
    out: NDArray[Any] = np.ones((1, 1, 1))
    for _ in range(wires):
        out = np.kron(out, PAULIS)
    return out


def _transfer(left: NDArray[Any], right: NDArray[Any]) -> Floats:
    """Re Tr(P_i left P_j right^dagger) / 2^k; the sum with both exchanged is real anyway."""
    strings = _strings(len(left).bit_length() - 1)
    moved = left @ strings @ right.conj().T
    found: Floats = np.einsum("iab,jba->ij", strings, moved).real / len(left)
    return found


@functools.cache
def of_gate(name: str) -> Floats:
    """The transfer matrix of a gate without an angle, (4^k, 4^k)."""
    controlled = {"CNOT": 1, "CZ": 3}
    if name in controlled:
        unitary = np.kron(np.diag([1, 0]), PAULIS[0]) + np.kron(
            np.diag([0, 1]), PAULIS[controlled[name]]
        )
    else:
        unitary = (PAULIS[1] + PAULIS[3]) / math.sqrt(2)  # Hadamard
    return _transfer(unitary, unitary)


@functools.cache
def of_rotation(name: str) -> Floats:
    """What the `products` of an angle are multiplied with, (6, 4^k, 4^k), and then summed."""
    turn = -1j * PAULIS[_AXES[name[-1]]]
    parts = [0 * PAULIS[0], PAULIS[0], turn]  # of 1, cos(a/2), sin(a/2)
    if GATES[name][0] == 2:
        on = np.diag([0, 1])
        parts = [np.kron(np.diag([1, 0]), PAULIS[0]), *(np.kron(on, part) for part in parts[1:])]
    pairs = ((parts[a], parts[b]) for a, b in _PRODUCTS)
    return np.stack(
        [_transfer(a, b) if a is b else _transfer(a, b) + _transfer(b, a) for a, b in pairs]
    )


def of_angle(name: str, angle: float) -> Floats:
    """The transfer matrix of a rotation by an angle in radians, (4^k, 4^k)."""
    of_part = 1.0, math.cos(angle / 2), math.sin(angle / 2)
    products = [of_part[a] * of_part[b] for a, b in _PRODUCTS]
    return np.tensordot(products, of_rotation(name), 1)


def of_qubit(noise: QubitNoise) -> Floats:
    """The transfer matrix of errors of one qubit, (4, 4)."""
    energy, phase = 1 - noise.amplitude_damping, 1 - noise.phase_damping
    across = math.sqrt(energy * phase)
    damping = np.diag([1.0, across, across, energy])
    damping[3, 0] = noise.amplitude_damping
    kept = 1 - 4 * noise.depolarising / 3
    return damping @ np.diag([1.0, kept, kept, kept])


def of_noise(noise: CircuitNoise, wires: tuple[int, ...]) -> Floats:
    """The transfer matrix of the errors after a gate, (4^k, 4^k), in the order of its wires.

    Raises:
        ValueError: there are no numbers for these wires.
    """
    if max(wires) >= len(noise.qubits):
        raise ValueError(f"the noise has numbers of {len(noise.qubits)} qubits, none of {wires}")
    if len(wires) == 1:
        return of_qubit(noise.qubits[wires[0]])
    a, b = wires
    pair = noise.pairs.get((min(a, b), max(a, b)))
    if pair is None:
        raise ValueError(f"the noise has no numbers of the pair {wires}, which a gate couples")
    first, second = (pair.first, pair.second) if a < b else (pair.second, pair.first)
    kept = np.full(16, 1 - 16 * pair.depolarising / 15)
    kept[0] = 1
    found: Floats = np.kron(of_qubit(first), of_qubit(second)) * kept
    return found


def readout_matrix(noise: CircuitNoise, qubits: int) -> Floats:
    """From coefficients of strings of I and Z to read probabilities: (2^n, 2^n)."""
    out: Floats = np.ones((1, 1))
    for wire in range(qubits):
        zero_as_one, one_as_zero = noise.readout[wire] if noise.readout else (0.0, 0.0)
        confusion = np.array([[1 - zero_as_one, one_as_zero], [zero_as_one, 1 - one_as_zero]])
        out = np.kron(out, confusion @ np.array([[1, 1], [1, -1]]) / math.sqrt(2))
    return out
