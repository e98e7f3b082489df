"""Activation functions of classical models, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional


def _identity(x: Tensor) -> Tensor:
    return x


#: GELU is x times the normal distribution function (Hendrycks and Gimpel, arXiv:1606.08415).
ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {"tanh": torch.tanh, "relu": torch.relu, "gelu": functional.gelu, "identity": _identity}
)
