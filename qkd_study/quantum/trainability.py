"""How well a circuit's angles can be trained, and which states they reach: at random angles."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qkd_study.quantum.circuit import Circuit
from qkd_study.quantum.effective import MOST_QUBITS
from qkd_study.quantum.simulator import Simulator

#: Draws of all angles, for each of the functions below.
DRAWS = 100
#: Bins of the histogram of fidelities, as in Sim, Johnson and Aspuru-Guzik 2019.
BINS = 75

Draw = Callable[[int, torch.Generator], Tensor]


@dataclass(frozen=True)
class Trainability:
    """What is known of a circuit before any training.

    Attributes:
        gradient_variance: see `gradient_variance`; `None` where there is no trained angle.
        entangling_capability: see `entangling_capability`.
        expressibility: see `expressibility`.
    """

    gradient_variance: float | None
    entangling_capability: float
    expressibility: float


def gradient_variance(
    circuit: Circuit,
    states: Draw,
    readout: Tensor,
    *,
    features: Draw | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> float | None:
    """The variance over initialisations of the derivative of a readout in an angle.

    The mean over angles k of Var[d f_j(x; theta) / d theta_k], with all angles theta uniform in
    [-pi, pi), as models draw them, the input x and the readout f_j drawn at random. Where it falls
    exponentially in the number of qubits there is a barren plateau (McClean et al. 2018,
    doi:10.1038/s41467-018-07090-4).

    Args:
        circuit: n qubits, P angles, F features.
        states: draws embedded samples: from their number B and a generator, states (B, 2^n).
        readout: what probabilities of basis states are multiplied with, (2^n, outputs).
        features: draws the samples' angles between the gates, (B, F), if F > 0.
        draws: of angles, input and readout together; at least 2.
        seed: of all draws.

    Returns:
        At least 0; `None` without angles, or for more than 12 qubits.
    """
    if circuit.parameters == 0 or circuit.qubits > MOST_QUBITS:
        return None
    rng = torch.Generator().manual_seed(seed)
    inputs = states(draws, rng)
    if not inputs.is_complex():
        inputs = inputs.to(torch.float64)
    between = None if features is None else features(draws, rng).to(torch.float64)
    read = readout.to(torch.float64)
    outputs = torch.randint(read.shape[1], (draws,), generator=rng).tolist()
    simulator = Simulator()
    gradients: list[Tensor] = []
    for place, output in enumerate(outputs):
        theta = _angles(circuit, rng).requires_grad_()
        given = None if between is None else between[place : place + 1]
        probabilities = simulator.probabilities(
            circuit, theta, inputs[place : place + 1], features=given, plan="plain"
        )
        gradients += torch.autograd.grad((probabilities @ read[:, output]).sum(), theta)
    return float(torch.stack(gradients).var(0).mean())


def random_states(
    circuit: Circuit, *, features: Draw | None = None, draws: int = DRAWS, seed: int = 0
) -> NDArray[np.complex128]:
    """States of a circuit from |0...0>, with all angles uniform in [-pi, pi).

    Args:
        circuit: n qubits, P angles, F features.
        features: draws a sample's angles between the gates, (1, F), if F > 0: one for all states.
        draws: S, how many states.
        seed: of all draws.

    Returns:
        (S, 2^n).
    """
    rng = torch.Generator().manual_seed(seed)
    ground = torch.zeros(1, 1 << circuit.qubits, dtype=torch.float64)
    ground[0, 0] = 1
    given = None if features is None else features(1, rng).to(torch.float64)
    simulator = Simulator()
    return np.concatenate(
        [
            simulator.evolve(
                circuit, _angles(circuit, rng), ground, features=given, plan="plain"
            ).numpy()
            for _ in range(draws)
        ]
    )


def entangling_capability(states: NDArray[np.complex128]) -> float:
    """The mean Meyer-Wallach measure of states: 0 for product states, 1 for GHZ states.

    Q = 2 (1 - mean over qubits of Tr rho_k^2), with the reduced state rho_k of qubit k (Meyer and
    Wallach 2002, doi:10.1063/1.1497700, as Brennen 2003, arXiv:quant-ph/0305094, writes it). Its
    mean over an ansatz's angles is the entangling capability of Sim, Johnson and Aspuru-Guzik 2019
    (doi:10.1002/qute.201900070).

    Args:
        states: normalised, (S, 2^n).
    """
    qubits = states.shape[1].bit_length() - 1
    purities: float = 0.0
    for wire in range(qubits):
        parts = states.reshape(len(states), 1 << wire, 2, -1)
        reduced = np.einsum("saib,sajb->sij", parts, parts.conj(), optimize=True)
        purities += float((np.abs(reduced) ** 2).sum()) / len(states)
    capability: float = 2 * (1 - purities / qubits)
    return max(capability, 0.0)


def expressibility(states: NDArray[np.complex128], bins: int = BINS) -> float:
    """How far fidelities of pairs of states are from those of Haar-random states: 0 for the same.

    The Kullback-Leibler divergence, in nats, of the histogram of F = |<psi|phi>|^2 from the
    distribution of Haar-random states, (N - 1) (1 - F)^(N - 2) for N = 2^n, in equal bins (Sim,
    Johnson and Aspuru-Guzik 2019, doi:10.1002/qute.201900070). Small is expressive. All pairs of
    the S states count. Of Haar-random states it is about (occupied bins - 1) / (S (S - 1)) instead
    of 0.

    Args:
        states: of an ansatz at random angles, normalised, (S, 2^n); S at least 2.
        bins: of the histogram.
    """
    fidelities = np.abs(states.conj() @ states.T) ** 2
    pairs = np.minimum(fidelities[np.triu_indices(len(states), 1)], 1)
    counts, edges = np.histogram(pairs, bins, (0, 1))
    power = states.shape[1] - 1
    # The share of a bin from a to b is (1 - a)^(N - 1) - (1 - b)^(N - 1), which may underflow.
    left = 1 - edges[:-1]
    shares = power * np.log(left) + np.log1p(-(((1 - edges[1:]) / left) ** power))
    found = counts[counts > 0] / len(pairs)
    return max(float((found * (np.log(found) - shares[counts > 0])).sum()), 0.0)


def _angles(circuit: Circuit, rng: torch.Generator) -> Tensor:
    """Uniform in [-pi, pi), (P,)."""
    drawn = torch.rand(circuit.parameters, generator=rng, dtype=torch.float64)
    return (2 * drawn - 1) * math.pi
