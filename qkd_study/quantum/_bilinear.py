"""Bilinear forms of the features of many patches, computed in pieces that fit the cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from qkd_study.quantum._first_order import first_derivatives_only

#: Bytes of a piece, approximately: its features and their products with the forms.
PIECE = 2**20


class BilinearForms(torch.autograd.Function):
    """left^T M_f right for every form f, as a torch function of features and forms.

    The features are (B, C, N) for B images of N patches: the first p are `left`, the last q are
    `right`, which are the same if C = p = q. The forms M are (F, p, q). The result is (B, F, N).

    Every image is multiplied on its own, and its patches stand next to each other in memory, so
    that all sums run over whole vectors.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, forms: Tensor) -> Tensor:
        ctx.save_for_backward(features, forms)
        count, p, q = forms.shape
        weights = forms.transpose(1, 2).reshape(count * q, p)
        out = features.new_empty(len(features), count, features.shape[2])
        for piece, products in _pieces(features, count * q):
            left, right = features[piece, :p], features[piece, None, -q:]
            torch.bmm(weights.expand(len(left), -1, -1), left, out=products)
            by_form = products.unflatten(1, (count, q)).mul_(right)
            torch.sum(by_form, 2, out=out[piece])
        return out

    @staticmethod
    @first_derivatives_only
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:
        features, forms = ctx.saved_tensors
        wants_features, wants_forms = ctx.needs_input_grad
        count, p, q = forms.shape
        weights = forms.transpose(1, 2).reshape(count * q, p)
        for_weights = torch.zeros_like(weights)
        for_features = torch.zeros_like(features) if wants_features else None
        for piece, products in _pieces(features, count * q):
            left, right = features[piece, :p], features[piece, None, -q:]
            cotangent = grads[0][piece, :, None]
            torch.mul(cotangent, right, out=products.unflatten(1, (count, q)))
            if wants_forms:
                for_weights.addbmm_(products, left.transpose(1, 2))
            if for_features is not None:
                for_features[piece, :p] += weights.T @ products
                by_form = (weights @ left).unflatten(1, (count, q)).mul_(cotangent)
                for_features[piece, -q:] += by_form.sum(1)
        for_forms = for_weights.unflatten(0, (count, q)).transpose(1, 2) if wants_forms else None
        return for_features, for_forms


def _pieces(features: Tensor, rows: int) -> Iterator[tuple[slice, Tensor]]:
    """Slices of images, each with a buffer (images, rows, N) that the next one overwrites."""
    total, channels, patches = features.shape
    size = (channels + rows) * patches * features.element_size()
    pieces = max(round(total * size / PIECE), 1)
    images = max(-(-total // pieces), 1)
    products = features.new_empty(images, rows, patches)
    for first in range(0, total, images):
        last = min(first + images, total)
        yield slice(first, last), products[: last - first]
