"""Data re-uploading with a linear head."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from qkd_study.models.circuits import HybridModel
from qkd_study.models.measurement import Measurement
from qkd_study.models.reductions import Reduction
from qkd_study.quantum import (
    Circuit,
    Reuploaded,
    Simulator,
    effective_parameters,
    measured,
    on_reuploaded,
    z_values,
)


class ReuploadingModel(HybridModel):
    """RX(features) and a trainable layer, several times; <Z> of every qubit, then a linear layer.

    It has P + (n + 1) * classes parameters, and inputs * f + f more with a linear reduction to f
    features.

    Args:
        layers: circuits of n qubits.
        simulator: runs them.
        classes: how many.
        reduction: from samples to at most n features.
        angle_range: the rotation of a feature of value 1, in radians.
        measurement: the shots; default: exact values.
    """

    def __init__(
        self,
        layers: Sequence[Circuit],
        simulator: Simulator,
        classes: int,
        *,
        reduction: Reduction,
        angle_range: float,
        measurement: Measurement | None = None,
    ) -> None:
        reuploaded = Reuploaded(layers, reduction.features or math.prod(reduction.shape))
        super().__init__(
            reuploaded.circuit,
            simulator,
            classes,
            reduction=reduction,
            embedding="angle",
            angle_range=angle_range,
            measurement=measurement,
        )
        self.reuploaded = reuploaded

    def embed(self, features: Tensor) -> Tensor:
        """The angles (batch, f) of features (batch, f)."""
        return features * self.angle_range

    def run(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """See `CircuitModel.run`."""
        assert self.reduction is not None
        angles = self.embed(self.reduction(inputs)) if self.reduction.trainable else inputs
        sampler = self.measurement.sampler
        if sampler is not None:
            circuit, numbers = on_reuploaded(self.simulator, self.reuploaded, angles)
            return measured(circuit, self.theta, numbers, sampler), None
        final = self.reuploaded.evolve(self.simulator, self.theta, angles)
        probabilities = (final.real**2 + final.imag**2).to(angles.dtype)
        return probabilities, final if self.keeps_state else None

    @property
    def effective_parameters(self) -> int | None:
        """The rank of the Jacobian of <Z> in the angles; `None` above 12 qubits."""
        return _effective(self.circuit, self.angle_range)


@functools.lru_cache(maxsize=64)
def _effective(circuit: Circuit, angle_range: float) -> int | None:
    def states(count: int, rng: torch.Generator) -> Tensor:
        ground = torch.zeros(count, 1 << circuit.qubits, dtype=torch.float64)
        ground[:, 0] = 1
        return ground

    def features(count: int, rng: torch.Generator) -> Tensor:
        drawn = torch.rand(count, circuit.features, generator=rng, dtype=torch.float64)
        return drawn * angle_range

    readout = z_values(circuit.qubits).to(torch.float64)
    return effective_parameters(circuit, states, readout, features=features)
