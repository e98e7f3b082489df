"""Activation functions with their derivatives, as `qkd_study.models.activations` has them."""

from __future__ import annotations

import torch
from torch import Tensor

from qkd_study.models.activations import ACTIVATIONS


def activate(name: str, x: Tensor) -> Tensor:
    """The activations of `x`, which may be overwritten, but not for `gelu`."""
    if name == "tanh":
        return x.tanh_()
    return x.relu_() if name == "relu" else ACTIVATIONS[name](x)


def activation_gradient(name: str, given: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The gradient with respect to x of activations y, from that with respect to y.

    Args:
        name: of the function.
        given: the gradient with respect to y, which is overwritten.
        x: what `activate` took; only that of `gelu` is read.
        y: what it returned.
    """
    aten = torch.ops.aten
    match name:
        case "tanh":
            aten.tanh_backward.grad_input(given, y, grad_input=given)
        case "relu":
            aten.threshold_backward.grad_input(given, y, 0, grad_input=given)
        case "gelu":
            aten.gelu_backward.grad_input(given, x, grad_input=given)
    return given
