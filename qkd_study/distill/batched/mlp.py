"""Multilayer perceptrons in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar, cast

import torch
from torch import Tensor

from qkd_study.distill.batched.model import COPIES, BatchedModel, linear
from qkd_study.models import MLP, Model
from qkd_study.study.config import Config
from qkd_study.study.controls import FourierFeatures, MatchedMlp, Polynomial
from qkd_study.study.models import Mlp, ModelSpec, Shape


class BatchedMLP(BatchedModel):
    """R multilayer perceptrons."""

    spec: ClassVar[type[ModelSpec]] = Mlp

    @classmethod
    def accepts(cls, spec: Any, config: Config, shape: Shape) -> bool:
        """See `BatchedModel.accepts`."""
        return 1 not in (*spec.hidden, prod(shape))

    def __init__(self, models: Sequence[Model]) -> None:
        super().__init__(models)
        depth = len(cast(MLP, models[0]).hidden)
        self._layers = [*(f"hidden.{number}" for number in range(depth)), "head"]

    def forward(self, inputs: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """See `BatchedModel.forward`."""
        values = self.parameters.values
        self._activations = [inputs[:, 0].transpose(1, 2)]
        for layer in self._layers[:-1]:
            x = linear(values[f"{layer}.weight"], values[f"{layer}.bias"], self._activations[-1])
            self._activations.append(x.relu_())
        last = self._activations[-1]
        logits = linear(values["head.weight"], values["head.bias"], last)
        return logits, last[..., None]

    def backward(self, logits: Tensor, features: Tensor | None, factor: float) -> None:
        """See `BatchedModel.backward`."""
        values, gradients = self.parameters.values, self.parameters.gradients
        given = logits
        for number in reversed(range(len(self._layers))):
            layer, x = self._layers[number], self._activations[number]
            torch.bmm(given, x.transpose(1, 2), out=gradients[f"{layer}.weight"])
            gradients[f"{layer}.bias"].copy_(given.sum(2))
            if number:
                given = torch.bmm(values[f"{layer}.weight"].transpose(1, 2), given)
                if features is not None and number == len(self._layers) - 1:
                    given.add_(features[..., 0], alpha=factor)
                given = torch.ops.aten.threshold_backward(given, x, 0)


class BatchedPolynomial(BatchedMLP):
    """R linear models of products of features."""

    spec = Polynomial

    @classmethod
    def accepts(cls, spec: Polynomial, config: Config, shape: Shape) -> bool:
        """See `BatchedModel.accepts`."""
        return spec.features(vars(config), shape) > 1

    @classmethod
    def numbers(cls, spec: Polynomial, config: Config, shape: Shape) -> int:
        """See `BatchedModel.numbers`."""
        return COPIES * spec.features(vars(config), shape)


class BatchedFourier(BatchedMLP):
    """R linear models of random Fourier features."""

    spec = FourierFeatures

    @classmethod
    def accepts(cls, spec: FourierFeatures, config: Config, shape: Shape) -> bool:
        """See `BatchedModel.accepts`."""
        return spec.features > 1

    @classmethod
    def numbers(cls, spec: FourierFeatures, config: Config, shape: Shape) -> int:
        """See `BatchedModel.numbers`."""
        return COPIES * spec.features


class BatchedMatchedMLP(BatchedMLP):
    """R networks of principal components."""

    spec = MatchedMlp

    @classmethod
    def accepts(cls, spec: MatchedMlp, config: Config, shape: Shape) -> bool:
        """See `BatchedModel.accepts`. There are at least two components and hidden units."""
        return True
