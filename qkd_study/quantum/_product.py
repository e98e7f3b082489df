"""Probabilities of a batch of real states from a circuit's matrix, in pieces that fit the cache."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qkd_study.quantum._first_order import first_derivatives_only

#: Bytes of a piece's products.
PIECE = 2**19


class Product(torch.autograd.Function):
    """(x Re U)^2 + (x Im U)^2 as a torch function of x (B, N) and [Re U, Im U] (N, 2N).

    Written by hand, because the equivalent chain of torch operations reads the batch a dozen times.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, both_parts: Tensor) -> Tensor:
        size = x.shape[1]
        products = x.new_empty(len(x), 2 * size)
        out = torch.empty_like(x)
        for piece in _pieces(x):
            product = torch.mm(x[piece], both_parts, out=products[piece])
            real, imaginary = product[:, :size], product[:, size:]
            torch.mul(real, real, out=out[piece]).addcmul_(imaginary, imaginary)
        ctx.products = products
        ctx.save_for_backward(x, both_parts)
        return out

    @staticmethod
    @first_derivatives_only
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor]:
        x, both_parts = ctx.saved_tensors
        for_matrix = torch.zeros_like(both_parts)
        for_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        for piece in _pieces(x):
            products = ctx.products[piece].unflatten(1, (2, -1))
            cotangent = (products * grads[0][piece, None]).flatten(1)
            for_matrix.addmm_(x[piece].T, cotangent, alpha=2)
            if for_x is not None:
                torch.mm(cotangent, both_parts.T, out=for_x[piece]).mul_(2)
        return for_x, for_matrix


def _pieces(x: Tensor) -> list[slice]:
    rows = max(PIECE // (2 * x.shape[1] * x.element_size()), 1)
    return [slice(i, i + rows) for i in range(0, len(x), rows)]
