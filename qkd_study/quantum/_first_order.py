"""Autograd functions without second derivatives, which raise an error if one is requested."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Gradients = tuple[Tensor | None, ...]


def first_derivatives_only(backward: Callable[..., Gradients]) -> Callable[..., Gradients]:
    """Decorate the `backward` of an autograd function that cannot be differentiated itself.

    A gradient that is taken with `create_graph=True` can be used, but not differentiated. Unlike
    `torch.autograd.function.once_differentiable`, this also holds if no incoming gradient requires
    a gradient, such as that of a plain sum: second derivatives would silently be zero.

    Raises:
        RuntimeError: a gradient is differentiated.
    """

    @functools.wraps(backward)
    def wrapped(ctx: Any, *grads: Tensor) -> Gradients:
        if not torch.is_grad_enabled():
            return backward(ctx, *grads)
        with torch.no_grad():
            gradients = backward(ctx, *grads)
        inputs = [t for t in ctx.saved_tensors if t is not None and t.requires_grad]
        return tuple(None if g is None else _Last.apply(g, *inputs) for g in gradients)  # type: ignore[no-untyped-call]

    return wrapped


class _Last(torch.autograd.Function):
    """A gradient as a function of the inputs that it depends on, without a derivative."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, *inputs: Tensor) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Gradients:
        raise RuntimeError(
            "the gradients of a circuit cannot be differentiated again: only first derivatives are "
            "computed. Use a loss without a gradient penalty or another second derivative of the "
            "circuit, or a PennyLane QNode on default.qubit with diff_method='backprop', which has "
            "them."
        )
