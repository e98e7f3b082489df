"""Circuits with linear heads in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from qkd_study.distill.batched.circuit import BatchedCircuit
from qkd_study.distill.batched.model import linear
from qkd_study.models import Model
from qkd_study.study.circuits import HybridCircuit
from qkd_study.study.models import ModelSpec


class BatchedHybrid(BatchedCircuit):
    """R circuits with linear heads."""

    spec: ClassVar[type[ModelSpec]] = HybridCircuit

    def __init__(self, models: Sequence[Model]) -> None:
        super().__init__(models)
        self._z = models[0].get_buffer("z").to(torch.float32)

    def forward(self, inputs: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """See `BatchedModel.forward`."""
        found = self._probabilities(inputs, count)
        z = self._z.T.expand(len(found), -1, -1)
        self._expectations = torch.bmm(z, found.transpose(1, 2))
        values = self.parameters.values
        logits = linear(values["head.weight"], values["head.bias"], self._expectations)
        return logits, self._expectations[..., None]

    def backward(self, logits: Tensor, features: Tensor | None, factor: float) -> None:
        """See `BatchedModel.backward`."""
        values, gradients = self.parameters.values, self.parameters.gradients
        torch.bmm(logits, self._expectations.transpose(1, 2), out=gradients["head.weight"])
        gradients["head.bias"].copy_(logits.sum(2))
        given = torch.bmm(values["head.weight"].transpose(1, 2), logits)
        if features is not None:
            given.add_(features[..., 0], alpha=factor)
        z = self._z.T.expand(len(given), -1, -1)
        self._backward_probabilities(torch.bmm(given.transpose(1, 2), z))
