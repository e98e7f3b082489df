"""A convolution with pooling, forward and backward, for the samples of one replicate."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from qkd_study.distill.batched.arrays import aligned_zeros

#: Pixels of a side of the window that a pooled cell depends on: four 3x3 patches.
WINDOW = 4
#: Rows and columns of the four patches of a window, in the order in which pooling reads them.
PATCHES = tuple((row, column) for row in (0, 1) for column in (0, 1))


@dataclass(frozen=True)
class Activations:
    """What a forward pass keeps for the backward pass, which overwrites `patches`.

    Attributes:
        matrix: of `PooledConvolution.matrix`.
        windows: (channels * 16, cells * B).
        patches: results of the convolution for each patch of a window, (4, filters, cells * B).
        largest: of the four.
        output: see `PooledConvolution.forward`.
    """

    matrix: Tensor
    windows: Tensor
    patches: Tensor
    largest: Tensor
    output: Tensor


class PooledConvolution:
    """3x3 convolution with padding 1, 2x2 max pooling, bias and ReLU.

    Arrays of maps are (channels * height * width + 1, B). The samples come last, so that windows
    are rows of memory; the last row is 0, which padding reads. All four patches under a pooled
    cell are multiplied at once: their kernels are one matrix on a 4x4 window.

    Args:
        channels, height, width: of the maps.
        filters: how many.
    """

    def __init__(self, channels: int, height: int, width: int, filters: int) -> None:
        self.channels, self.filters = channels, filters
        self.height, self.width = height // 2, width // 2
        cells, pixels = self.height * self.width, height * width
        across = torch.arange(WINDOW)
        rows = 2 * torch.arange(self.height) + across[:, None] - 1  # (4, height // 2)
        columns = 2 * torch.arange(self.width) + across[:, None] - 1
        inside = ((rows >= 0) & (rows < height))[:, None, :, None] & (
            (columns >= 0) & (columns < width)
        )[None, :, None, :]
        pixel = rows[:, None, :, None] * width + columns[None, :, None, :]
        of_channel = torch.arange(channels).view(-1, 1, 1, 1, 1) * pixels
        self._windows = torch.where(inside, pixel + of_channel, channels * pixels).flatten()
        # A pixel is in up to four windows, once in each.
        places = torch.full((channels * pixels + 1, 4), len(self._windows))
        filled = torch.zeros(channels * pixels + 1, dtype=torch.int64)
        for place, source in enumerate(self._windows.tolist()):
            if source < channels * pixels:
                places[source, filled[source]] = place
                filled[source] += 1
        self._places = places[:-1].T.flatten()
        self._cells = cells

    def matrix(self, kernels: Tensor) -> Tensor:
        """Kernels (filters, channels, 3, 3) at each patch of a window: (4 filters, 16 channels)."""
        matrix = aligned_zeros(1, 4 * self.filters, self.channels * WINDOW**2)[0]
        parts = matrix.view(4, self.filters, self.channels, WINDOW, WINDOW)
        for part, (row, column) in zip(parts, PATCHES, strict=True):
            part[:, :, row : row + 3, column : column + 3] = kernels
        return matrix

    def forward(self, maps: Tensor, matrix: Tensor, bias: Tensor) -> Activations:
        """Pooled maps, (filters * cells + 1, B), and what `backward` needs.

        Args:
            maps: (channels * height * width + 1, B), the last row 0.
            matrix: of the kernels.
            bias: (filters,).
        """
        batch = maps.shape[1]
        windows = maps.index_select(0, self._windows).view(-1, self._cells * batch)
        patches = torch.mm(matrix, windows).view(4, self.filters, -1)
        largest = patches.amax(0)
        output = maps.new_empty(self.filters * self._cells + 1, batch)
        output[-1] = 0
        pooled = output[:-1].view(self.filters, -1)
        torch.add(largest, bias[:, None], out=pooled).relu_()
        return Activations(matrix, windows, patches, largest, output)

    def backward(self, kept: Activations, given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of the matrix, of the bias and of the patches, (4 * filters, cells * B).

        Args:
            kept: of the forward pass; used up.
            given: gradient of the output without its last row, (filters * cells, B).
        """
        pooled = kept.output[:-1].view(self.filters, -1)
        rest = torch.ops.aten.threshold_backward(given.view(self.filters, -1), pooled, 0)
        for_bias = rest.sum(1)
        # Of equal patches the first has the gradient, as in torch.
        *others, last = kept.patches.unbind()
        for patch in others:
            patch.eq_(kept.largest).mul_(rest)
            rest.sub_(patch)
        last.copy_(rest)
        for_patches = kept.patches.flatten(0, 1)
        return torch.mm(for_patches, kept.windows.T), for_bias, for_patches

    def kernels(self, for_matrix: Tensor) -> Tensor:
        """Gradient of the kernels, (filters, channels, 3, 3), from that of the matrix."""
        parts = for_matrix.view(4, self.filters, self.channels, WINDOW, WINDOW)
        found = [
            part[:, :, row : row + 3, column : column + 3]
            for part, (row, column) in zip(parts, PATCHES, strict=True)
        ]
        return torch.stack(found).sum(0)

    def backward_maps(self, kept: Activations, for_patches: Tensor) -> Tensor:
        """Gradient of the maps without their last row, from that of the patches."""
        batch = kept.output.shape[1]
        for_windows = for_patches.new_empty(len(self._windows) + 1, batch)
        for_windows[-1] = 0
        torch.mm(kept.matrix.T, for_patches, out=for_windows[:-1].view(-1, self._cells * batch))
        found: Tensor = for_windows.index_select(0, self._places).view(4, -1, batch).sum(0)
        return found
