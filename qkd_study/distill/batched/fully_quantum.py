"""Fully quantum models in one batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from qkd_study.distill.batched.circuit import BatchedCircuit
from qkd_study.models import SMALLEST, Model
from qkd_study.study.circuits import FullyQuantum


class BatchedFullyQuantum(BatchedCircuit):
    """R circuits without classical layers, optionally with a trained factor of the logits.

    Factors are computed as Python numbers: in an array of R, rounding depends on the position.
    """

    spec = FullyQuantum

    def __init__(self, models: Sequence[Model]) -> None:
        super().__init__(models)
        self._groups = models[0].get_buffer("groups").to(torch.float32)

    @property
    def classes(self) -> int:
        """How many there are."""
        return self._groups.shape[1]

    @staticmethod
    def parameters_of(model: Model) -> dict[str, Tensor]:
        """As the model names them; the factor of the logits is (1,)."""
        return {name: value.view(value.shape or (1,)) for name, value in model.named_parameters()}

    def features(self, features: Tensor) -> Tensor:
        """Probabilities (1, n, 2^n)."""
        return features[None]

    def forward(self, inputs: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """See `BatchedModel.forward`. Logits are the logarithms of the classes' probabilities."""
        found = self._probabilities(inputs, count)
        groups = self._groups.T.expand(len(found), -1, -1)
        self._grouped = torch.bmm(groups, found.transpose(1, 2))
        self._logarithms = self._grouped.clamp_min(SMALLEST).log_()
        return self._scaled(self._logarithms), found[:, None]

    def backward(self, logits: Tensor, features: Tensor | None, factor: float) -> None:
        """See `BatchedModel.backward`."""
        if "scale" in self.parameters.values:
            steps = (logits * self._logarithms).flatten(1).sum(1).tolist()
            scales = self.parameters.values["scale"].flatten().tolist()
            slopes = [step * _sigmoid(scale) for step, scale in zip(steps, scales, strict=True)]
            self.parameters.gradients["scale"].copy_(torch.tensor(slopes)[:, None])
        given = self._scaled(logits).div_(self._grouped.clamp_min(SMALLEST))
        given.mul_(self._grouped >= SMALLEST)
        groups = self._groups.T.expand(len(given), -1, -1)
        found = torch.bmm(given.transpose(1, 2), groups)
        if features is not None:
            found.add_(features[:, 0], alpha=factor)
        self._backward_probabilities(found)

    def _scaled(self, values: Tensor) -> Tensor:
        """Values (R, classes, B) times the factor of each model."""
        if "scale" not in self.parameters.values:
            return values.clone()
        factors = [_softplus(scale) for scale in self.parameters.values["scale"].flatten().tolist()]
        return values * torch.tensor(factors)[:, None, None]


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
