"""Mitigation of errors: noisy circuits measured several times, and what is computed from them.

Zero-noise extrapolation measures circuits whose noise is amplified by folding, and extrapolates to
none (Temme, Bravyi and Gambetta 2017, arXiv:1612.02058; gate folding: Giurgica-Tiron et al. 2020,
arXiv:2005.10921). Errors of readout are inverted by the confusion matrix of every qubit (Bravyi et
al. 2021, arXiv:2006.14044).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qkd_study.quantum.circuit import Circuit, Gate
from qkd_study.quantum.density import NoisyCircuit
from qkd_study.quantum.noise import CircuitNoise

#: How often a gate acts in the circuits of an extrapolation: once, and after folding.
FOLDS = (1, 3, 5)


def inverse(gate: Gate) -> Gate:
    """The gate that undoes a gate. Gates without an angle are their own inverses."""
    if gate.parameter is not None:
        return replace(gate, factor=-gate.factor)
    if gate.angle is not None:
        return replace(gate, angle=-gate.angle)
    if gate.feature is not None:
        raise ValueError(f"{gate} has a sample's angle: it cannot be folded")
    return gate


def folded(circuit: Circuit, times: int) -> Circuit:
    """A circuit in which every gate G acts as G (G^-1 G)^k, `times` = 2 k + 1 gates.

    Raises:
        ValueError: `times` is not odd and positive, or data enters between the gates.
    """
    if times < 1 or times % 2 == 0:
        raise ValueError(f"times must be odd and positive, but got {times}")
    gates: list[Gate] = []
    for gate in circuit.gates:
        gates.append(gate)
        for _ in range(times // 2):
            gates += (inverse(gate), gate)
    return Circuit(circuit.qubits, tuple(gates))


def extrapolation_weights(scales: Sequence[float]) -> NDArray[np.float64]:
    """Weights with which values at these strengths of noise add up to that without noise.

    Richardson's extrapolation: exact where the value is a polynomial of the strength, of a degree
    below their number.
    """
    out = [
        math.prod(other / (other - scale) for other in scales if other != scale) for scale in scales
    ]
    return np.array(out)


def unread_matrix(noise: CircuitNoise, qubits: int) -> NDArray[np.float64]:
    """From probabilities with which basis states are read to those that were there, (2^n, 2^n).

    Raises:
        ValueError: a qubit is read alike in both states, so that nothing can be inverted.
    """
    out: NDArray[np.float64] = np.ones((1, 1))
    for wire in range(qubits):
        zero_as_one, one_as_zero = noise.readout[wire] if noise.readout else (0.0, 0.0)
        contrast = 1 - zero_as_one - one_as_zero
        if abs(contrast) < 1e-6:
            raise ValueError(
                f"qubit {wire} is read as 1 with probability {zero_as_one:g} if it is 0, and with "
                f"{1 - one_as_zero:g} if it is 1: such a readout cannot be inverted"
            )
        own = np.array([[1 - one_as_zero, -one_as_zero], [-zero_as_one, 1 - zero_as_one]])
        out = np.kron(out, own / contrast).astype(np.float64)
    return out


@dataclass(frozen=True)
class Mitigation:
    """Noisy circuits, and a linear combination of what is measured of them.

    Attributes:
        circuits: to measure.
        weights: of their probabilities.
        unread: from read probabilities to those before the readout, (2^n, 2^n); `None`: as read.
    """

    circuits: tuple[NoisyCircuit, ...]
    weights: tuple[float, ...]
    unread: Tensor | None

    @classmethod
    def of(
        cls, circuit: Circuit, noise: CircuitNoise, precision: str, *, readout: bool, zne: bool
    ) -> Mitigation:
        """The mitigation of a circuit with noise.

        Args:
            circuit: n qubits.
            noise: of the device.
            precision: as for `NoisyCircuit`.
            readout: whether errors of readout are inverted.
            zne: whether noise is extrapolated to zero.

        Raises:
            ValueError: as for `NoisyCircuit` and `unread_matrix`.
        """
        scales = FOLDS if zne else (1,)
        unread = torch.from_numpy(unread_matrix(noise, circuit.qubits)) if readout else None
        return cls(
            tuple(NoisyCircuit(folded(circuit, times), noise, precision) for times in scales),
            tuple(map(float, extrapolation_weights(scales))),
            unread,
        )

    def estimate(self, measure: Callable[[NoisyCircuit], Tensor]) -> Tensor:
        """Estimates (B, 2^n) of the probabilities without the errors, which sum to 1.

        They are unbounded, as estimates that are linear in what is measured are: some may be
        negative. See `nearest_probabilities`.

        Args:
            measure: from a circuit to probabilities or frequencies (B, 2^n).
        """
        found = [w * measure(of) for w, of in zip(self.weights, self.circuits, strict=True)]
        total = torch.stack(found).sum(0)
        return total if self.unread is None else total @ self.unread.T.to(total.dtype)


def nearest_probabilities(estimates: Tensor) -> Tensor:
    """Estimates (B, K) that sum to 1, without the negative ones, scaled to sum to 1 again."""
    positive = estimates.clamp_min(0)
    return positive / positive.sum(-1, keepdim=True)
