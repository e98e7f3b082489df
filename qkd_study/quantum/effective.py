"""How many angles of a circuit change what is read out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from qkd_study.quantum.circuit import Circuit
from qkd_study.quantum.simulator import Simulator

#: Circuits of more qubits are not examined: it would take longer than some trainings.
MOST_QUBITS = 12
#: Directions that are looked at beyond the number of parameters.
SPARE = 8
#: Singular values below this share of the largest are zero: they are near 1e-15 or above 1e-5.
_RELATIVE_ZERO = 1e-9


def effective_parameters(
    circuit: Circuit,
    states: Callable[[int, torch.Generator], Tensor],
    readout: Tensor,
    *,
    features: Callable[[int, torch.Generator], Tensor] | None = None,
    seed: int = 0,
) -> int | None:
    """The rank of the Jacobian of a circuit's outputs, over all inputs, in its angles.

    It is the number of independent directions in which the angles change the function that the
    circuit computes, at angles drawn at random: the dimension of the functions it can reach. An
    angle that changes no output, or only as others do, does not count. After Haug, Bharti and
    Kim 2021 (arXiv:2102.01659), who call it the parameter dimension, with the circuit's outputs in
    place of its state.

    Each row of the matrix examined is the gradient of a random combination of one random input's
    outputs. P + 8 of them span the rows of the full Jacobian with probability 1.

    Args:
        circuit: n qubits, P angles, F features.
        states: draws embedded samples: from their number B and a generator, states (B, 2^n).
        readout: what probabilities of basis states are multiplied with, (2^n, outputs).
        features: draws the samples' angles between the gates, (B, F), if F > 0.
        seed: of angles, inputs and combinations.

    Returns:
        0 to P; `None` for a circuit of more than 12 qubits.
    """
    count = circuit.parameters
    if count == 0:
        return 0
    if circuit.qubits > MOST_QUBITS:
        return None
    rng = torch.Generator().manual_seed(seed)
    theta = (2 * torch.rand(count, generator=rng, dtype=torch.float64) - 1) * math.pi
    theta.requires_grad_()
    inputs = states(count + SPARE, rng)
    if not inputs.is_complex():
        inputs = inputs.to(torch.float64)
    between = None if features is None else features(count + SPARE, rng).to(torch.float64)
    simulator = Simulator()
    rows = []
    for i in range(len(inputs)):
        given = None if between is None else between[i : i + 1]
        probabilities = simulator.probabilities(
            circuit, theta, inputs[i : i + 1], features=given, plan="plain"
        )
        outputs = probabilities @ readout
        combination = torch.randn(outputs.shape, generator=rng, dtype=torch.float64)
        (row,) = torch.autograd.grad((outputs * combination).sum(), theta)
        rows.append(row)
    return jacobian_rank(rows)


def jacobian_rank(rows: Sequence[Tensor]) -> int:
    """The rank of a Jacobian from random combinations of its rows, float64 (P,) each."""
    values = torch.linalg.svdvals(torch.stack(list(rows)))
    return int((values > _RELATIVE_ZERO * values[0]).sum()) if values[0] > 1e-12 else 0
