"""Arrays of several replicates whose results do not depend on each other.

They are equal bit for bit, because

- every matrix of a replicate begins at a multiple of 64 bytes, so that the library's products take
  the same path for each (and no matrix is a vector, which would be multiplied in another way);
- a replicate's part of a tensor has a multiple of 32 numbers, so that no vector instruction spans
  two of them or leaves a remainder, which would be computed in another way. Batches are padded
  with zeros.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

#: Samples of a batch are padded to a multiple of this, rows of parameters too.
LANES = 32
#: Every matrix begins at a multiple of so many bytes.
ALIGNED = 64


def round_up(count: int, lanes: int = LANES) -> int:
    """The smallest multiple of `lanes` that is at least `count`."""
    return -(-count // lanes) * lanes


def aligned_zeros(count: int, rows: int, columns: int) -> Tensor:
    """Zeros (count, rows, columns) in float32, each matrix at a multiple of 64 bytes."""
    size = rows * columns
    zeros: Tensor = torch.zeros(count, round_up(size))[:, :size].unflatten(1, (rows, columns))
    return zeros


class ParameterRows:
    """The parameters of R models, those of one model in one row.

    Args:
        models: the parameters of each by name.
        frozen: names of parameters that are not trained.

    Attributes:
        values: by name, (R, ...): views of the rows.
        gradients: by name; written by a backward pass.
        rows: for the optimiser, one (R, P) for each type of number, with their gradients; without
            frozen parameters.
        frozen: see above.
    """

    def __init__(
        self, models: Sequence[Mapping[str, Tensor]], frozen: Collection[str] = ()
    ) -> None:
        self.values: dict[str, Tensor] = {}
        self.gradients: dict[str, Tensor] = {}
        self.rows: list[nn.Parameter] = []
        self.frozen = frozenset(frozen)
        kinds = {name: (value.dtype, name in frozen) for name, value in models[0].items()}
        for kind in dict.fromkeys(kinds.values()):
            names = [name for name in kinds if kinds[name] == kind]
            dtype, fixed = kind
            step = ALIGNED // dtype.itemsize
            starts = [0]
            for name in names:
                starts.append(starts[-1] + round_up(models[0][name].numel(), step))
            row = nn.Parameter(torch.zeros(len(models), round_up(starts[-1]), dtype=dtype))
            row.grad = torch.zeros_like(row)
            if row.numel() and not fixed:
                self.rows.append(row)
            for name, start in zip(names, starts[:-1], strict=True):
                shape = models[0][name].shape
                part = slice(start, start + shape.numel())
                self.values[name] = row.detach()[:, part].unflatten(1, shape)
                self.gradients[name] = row.grad[:, part].unflatten(1, shape)
                for mine, model in zip(self.values[name], models, strict=True):
                    mine.copy_(model[name].detach())


class PaddedSamples:
    """The samples of R replicates, from which batches are taken.

    Args:
        replicates: R.
        parts: of every replicate, (planes, samples, width); an iterator, so that only one at a time
            is in memory beside the whole.

    Attributes:
        data: (R, planes, at least one sample more, width), zeros beyond the samples.
    """

    def __init__(self, replicates: int, parts: Iterable[Tensor]) -> None:
        for number, part in enumerate(parts):
            planes, samples, width = part.shape
            if number == 0:
                self.data = part.new_zeros(replicates, planes, round_up(samples + 1), width)
            self.data[number, :, :samples] = part
        count = replicates * planes
        self._first = (torch.arange(count) * self.data.shape[2]).view(-1, planes, 1)

    def take(self, index: Tensor) -> Tensor:
        """The samples `index` (R, B) of each replicate: (R, planes, B, width)."""
        width = self.data.shape[3]
        rows = (self._first + index[:, None]).flatten()
        taken = self.data.view(-1, width).index_select(0, rows)
        return taken.view(*self.data.shape[:2], -1, width)
