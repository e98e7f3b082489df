"""A circuit on states, or on a part of their chain, with a linear head."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from qkd_study.models.circuits import HybridModel
from qkd_study.models.measurement import Measurement
from qkd_study.quantum import (
    Circuit,
    Simulator,
    effective_parameters,
    measured,
    on_states,
    z_values,
)

#: Eigenstates of a smaller probability have no direction in single precision.
_SMALLEST = 1e-12


class StateModel(HybridModel):
    """An ansatz on states, <Z> of every qubit, then a linear layer.

    It has P + (n + 1) * classes parameters.

    Args:
        circuit: n qubits.
        simulator: runs it.
        classes: how many.
        part: the sites before those that the circuit acts on, these n, and the sites after them.
        measurement: the shots; default: exact values.
    """

    def __init__(
        self,
        circuit: Circuit,
        simulator: Simulator,
        classes: int,
        *,
        part: tuple[int, int, int],
        measurement: Measurement | None = None,
    ) -> None:
        super().__init__(
            circuit,
            simulator,
            classes,
            reduction=None,
            embedding="amplitude",
            angle_range=1.0,
            measurement=measurement,
        )
        self.part = part

    def prepare(self, samples: Tensor) -> Tensor:
        """Eigenstates of the reduced density matrices, times the square roots of probabilities.

        Args:
            samples: amplitudes (batch, 2^sites), or real and imaginary parts (batch, 2, 2^sites);
                those whose norm is not 1 are normalised.

        Returns:
            (batch, rank, 1 or 2, 2^n): real, or real and imaginary parts.
        """
        states = samples if samples.ndim == 2 else torch.complex(samples[:, 0], samples[:, 1])
        return _parts(reduced_states(states, self.part))

    def run(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Probabilities (batch, 2^n); and the states, if `keeps_state` and they are pure."""
        rank, rows = inputs.shape[1], inputs.flatten(0, 1)
        weights = rows.square().sum((1, 2))
        ground = torch.zeros_like(rows[0])
        ground[0, 0] = 1
        there = (weights > _SMALLEST)[:, None, None]
        unit = torch.where(there, rows / weights.clamp_min(_SMALLEST).sqrt()[:, None, None], ground)
        states = unit[:, 0] if rows.shape[1] == 1 else torch.complex(unit[:, 0], unit[:, 1])
        sampler = self.measurement.sampler
        if sampler is not None:
            circuit, numbers = on_states(
                self.simulator, self.circuit, states, weights=weights.unflatten(0, (-1, rank))
            )
            return measured(circuit, self.theta, numbers, sampler), None
        if self.keeps_state and rank == 1:
            final = self.simulator.evolve(self.circuit, self.theta, states)
            return final.real**2 + final.imag**2, final
        found = self.simulator.probabilities(self.circuit, self.theta, states)
        return (found * weights[:, None]).unflatten(0, (-1, rank)).sum(1), None

    @property
    def effective_parameters(self) -> int | None:
        """The rank of the Jacobian of <Z> in the angles; `None` above 12 qubits."""
        return _effective(self.circuit)


def reduced_states(states: Tensor, part: tuple[int, int, int]) -> Tensor:
    """The eigenstates of the reduced density matrices of neighbouring sites.

    Args:
        states: amplitudes (batch, 2^sites), real or complex.
        part: the sites before, those that are kept, n, and the sites after.

    Returns:
        (batch, rank, 2^n), times the square root of the eigenvalues, which sum to 1, in falling
        order; rank = 2^min(n, sites - n).
    """
    before, kept, after = (1 << sites for sites in part)
    norms = torch.linalg.vector_norm(states, dim=1, keepdim=True)
    states = states / torch.where(norms > 0, norms, torch.ones_like(norms))
    if before == after == 1:
        return states[:, None]
    # psi = sum over the environment; its singular vectors on the kept sites are the eigenstates.
    matrices = states.reshape(-1, before, kept, after).transpose(1, 2).flatten(2)
    wide = matrices.to(torch.promote_types(matrices.dtype, torch.float64))
    vectors, values, _ = torch.linalg.svd(wide, full_matrices=False)
    found: Tensor = (vectors * values[:, None]).transpose(1, 2).to(states.dtype)
    return found


def _parts(states: Tensor) -> Tensor:
    """States (batch, rank, 2^n) as real and imaginary parts (batch, rank, 1 or 2, 2^n)."""
    if not states.is_complex():
        return states[:, :, None].contiguous()
    return torch.stack((states.real, states.imag), dim=2)


@functools.lru_cache(maxsize=64)
def _effective(circuit: Circuit) -> int | None:
    def states(count: int, rng: torch.Generator) -> Tensor:
        drawn = torch.randn(count, 1 << circuit.qubits, generator=rng, dtype=torch.complex128)
        unit: Tensor = drawn / torch.linalg.vector_norm(drawn, dim=1, keepdim=True)
        return unit

    return effective_parameters(circuit, states, z_values(circuit.qubits).to(torch.float64))
