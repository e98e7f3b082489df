"""Activation functions and dropout of classical models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from qkd_study.common.seeds import derive


def _identity(x: Tensor) -> Tensor:
    return x


#: GELU is x times the normal distribution function (Hendrycks and Gimpel, arXiv:1606.08415).
ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {"tanh": torch.tanh, "relu": torch.relu, "gelu": functional.gelu, "identity": _identity}
)


class Activation(nn.Module):
    """An activation function by name, as a layer."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        """The activations."""
        return ACTIVATIONS[self.name](x)


class Dropout(nn.Module):
    """Dropout (Srivastava et al. 2014) with random numbers of its own.

    In training it sets a random share of the units of every sample to 0, and divides the others by
    the rest of 1; otherwise it changes nothing.

    Args:
        share: of the units, from 0 to below 1.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.generator = torch.Generator()

    def forward(self, x: Tensor) -> Tensor:
        """The units (batch, ...) that are left."""
        if not self.training or not self.share:
            return x
        return x * dropout_mask(x.shape, self.share, self.generator).to(x.dtype)


def dropout_mask(shape: Sequence[int], share: float, generator: torch.Generator) -> Tensor:
    """Factors of units, 0 or 1 / (1 - share), drawn by a generator in the order of `shape`."""
    return (torch.rand(tuple(shape), generator=generator) >= share).float() / (1 - share)


def dropout_seed(seed: int, layer: int) -> int:
    """The seed of the dropout that is a model's number `layer`, from the training's seed."""
    return derive(seed, layer, "dropout")


def seed_dropout(model: nn.Module, seed: int) -> None:
    """Seed the dropout of a model for a training."""
    layers = [module for module in model.modules() if isinstance(module, Dropout)]
    for number, layer in enumerate(layers):
        layer.generator.manual_seed(dropout_seed(seed, number))
