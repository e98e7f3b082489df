"""Multilayer perceptrons in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar, cast

import torch
from torch import Tensor

from qkd_study.distill.batched.activations import activate, activation_gradient
from qkd_study.distill.batched.dropout import BatchedDropout
from qkd_study.distill.batched.model import COPIES, BatchedModel, linear
from qkd_study.models import MLP, Model
from qkd_study.models.activations import Dropout
from qkd_study.study.config import Config
from qkd_study.study.controls import FourierFeatures, Polynomial
from qkd_study.study.matched import EffectiveMlp, MatchedMlp
from qkd_study.study.models import Mlp, ModelSpec, Shape


class BatchedMLP(BatchedModel):
    """R multilayer perceptrons."""

    spec: ClassVar[type[ModelSpec]] = Mlp

    @classmethod
    def accepts(cls, spec: Any, config: Config, shape: Shape) -> bool:
        """See `BatchedModel.accepts`."""
        return 1 not in (*spec.widths(vars(config)), prod(shape))

    def __init__(self, models: Sequence[Model]) -> None:
        super().__init__(models)
        first = cast(MLP, models[0])
        depth = len(first.hidden)
        self._layers = [*(f"hidden.{number}" for number in range(depth)), "head"]
        self._activation = first.activation
        shares = [cast(Dropout, layer).share for layer in first.dropped]
        self._dropouts = [BatchedDropout(share, number) for number, share in enumerate(shares)]

    @property
    def dropouts(self) -> list[BatchedDropout]:
        """See `BatchedModel.dropouts`."""
        return self._dropouts

    def forward(self, inputs: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """See `BatchedModel.forward`."""
        return self._run(inputs, count, drops=True)

    def evaluate(self, inputs: Tensor, count: int) -> Tensor:
        """See `BatchedModel.evaluate`."""
        return self._run(inputs, count, drops=False)[0]

    def _run(self, inputs: Tensor, count: int, *, drops: bool) -> tuple[Tensor, Tensor]:
        """As `forward`. Stores what each layer takes, and of hidden layers three things more.

        These are the values before the activation, those after it, and the factors of the dropout.
        """
        values = self.parameters.values
        x = features = inputs[:, 0].transpose(1, 2)
        self._inputs, self._hidden = [x], list[tuple[Tensor, Tensor, Tensor | None]]()
        for layer, dropout in zip(self._layers[:-1], self._dropouts, strict=True):
            before = linear(values[f"{layer}.weight"], values[f"{layer}.bias"], x)
            x = features = activate(self._activation, before)
            size = x.shape[2], x.shape[1]
            masks = dropout.masks(count, size[0], size[1], 1) if drops else None
            mask = None if masks is None else masks[..., 0]
            if mask is not None:
                x = x * mask
            self._hidden.append((before, features, mask))
            self._inputs.append(x)
        logits = linear(values["head.weight"], values["head.bias"], x)
        return logits, features[..., None]

    def backward(self, logits: Tensor, features: Tensor | None, factor: float) -> None:
        """See `BatchedModel.backward`."""
        values, gradients = self.parameters.values, self.parameters.gradients
        given = logits
        for number in reversed(range(len(self._layers))):
            layer, x = self._layers[number], self._inputs[number]
            torch.bmm(given, x.transpose(1, 2), out=gradients[f"{layer}.weight"])
            gradients[f"{layer}.bias"].copy_(given.sum(2))
            if number:
                before, after, mask = self._hidden[number - 1]
                given = torch.bmm(values[f"{layer}.weight"].transpose(1, 2), given)
                if mask is not None:
                    given.mul_(mask)
                if features is not None and number == len(self._layers) - 1:
                    given.add_(features[..., 0], alpha=factor)
                given = activation_gradient(self._activation, given, before, after)


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

    spec: ClassVar[type[ModelSpec]] = MatchedMlp

    @classmethod
    def accepts(cls, spec: ModelSpec, config: Config, shape: Shape) -> bool:
        """See `BatchedModel.accepts`. There are at least two components and hidden units."""
        return True


class BatchedEffectiveMLP(BatchedMatchedMLP):
    """R networks of principal components, of as many effective parameters as a circuit."""

    spec = EffectiveMlp
