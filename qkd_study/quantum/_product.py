"""Probabilities of a batch of real states from a circuit's matrix, in pieces that fit the cache."""

from __future__ import annotations

import torch
from torch import Tensor

#: Bytes of a piece's products.
PIECE = 2**19


class Product:
    """(x Re U)^2 + (x Im U)^2 with its gradient, written by hand.

    The equivalent chain of torch operations reads the batch a dozen times.

    Args:
        x: real states, (B, N).
        both_parts: [Re U, Im U], (N, 2N).
    """

    def __init__(self, x: Tensor, both_parts: Tensor) -> None:
        self._x, self._both = x, both_parts
        self._products = x.new_empty(len(x), 2 * x.shape[1])

    def probabilities(self) -> Tensor:
        """(B, N); before `gradient`. Not kept: as an output, it would refer to its own node."""
        size, out = self._x.shape[1], torch.empty_like(self._x)
        for piece in self._pieces():
            product = torch.mm(self._x[piece], self._both, out=self._products[piece])
            real, imaginary = product[:, :size], product[:, size:]
            torch.mul(real, real, out=out[piece]).addcmul_(imaginary, imaginary)
        return out

    def gradient(self, given: Tensor, *, states: bool) -> tuple[Tensor, Tensor | None]:
        """Gradients with respect to the parts of the matrix and, if `states`, to the states.

        Args:
            given: that with respect to the probabilities, (B, N).
            states: see above.
        """
        for_matrix = torch.zeros_like(self._both)
        for_x = torch.empty_like(self._x) if states else None
        for piece in self._pieces():
            products = self._products[piece].unflatten(1, (2, -1))
            cotangent = (products * given[piece, None]).flatten(1)
            for_matrix.addmm_(self._x[piece].T, cotangent, alpha=2)
            if for_x is not None:
                torch.mm(cotangent, self._both.T, out=for_x[piece]).mul_(2)
        return for_matrix, for_x

    def _pieces(self) -> list[slice]:
        x = self._x
        rows = max(PIECE // (2 * x.shape[1] * x.element_size()), 1)
        return [slice(i, i + rows) for i in range(0, len(x), rows)]
