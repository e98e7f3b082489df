"""Several models of one kind, side by side: one step of all is a few calls with gradients by hand.

At the sizes of these studies a training step costs Python and autograd far more than arithmetic.

A replicate's numbers must not depend on who is beside it. They do not, bit for bit, because

- every matrix of a replicate begins at a multiple of 64 bytes, so that the library's products take
  the same path for each (and no matrix is a vector: a batch of one would be multiplied otherwise);
- a replicate's part of a tensor has a multiple of 32 numbers, so that no vector instruction spans
  two of them or leaves a rest that is computed otherwise. So batches are filled up with zeros.

Activations are (R, units, samples): the samples come last.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from qkd_study.models.outputs import Model, predict

#: Samples of a batch are filled up to a multiple of this, rows of parameters too.
LANES = 32
#: Bytes that a matrix begins at a multiple of.
ALIGNED = 64


def filled(count: int, lanes: int = LANES) -> int:
    """The least multiple of `lanes` that is not below `count`."""
    return -(-count // lanes) * lanes


def room(count: int, rows: int, columns: int) -> Tensor:
    """Zeros (count, rows, columns) in float32, each matrix at a multiple of 64 bytes."""
    size = rows * columns
    zeros: Tensor = torch.zeros(count, filled(size))[:, :size].unflatten(1, (rows, columns))
    return zeros


class Parameters:
    """The trained numbers of R models, those of one model in one row.

    Attributes:
        values: by name, (R, ...): views of the rows.
        gradients: by name; what a backward pass writes to.
        rows: for the optimiser, one (R, P) for each type of number, with their gradients.
    """

    def __init__(self, models: Sequence[Mapping[str, Tensor]]) -> None:
        self.values: dict[str, Tensor] = {}
        self.gradients: dict[str, Tensor] = {}
        self.rows: list[nn.Parameter] = []
        for dtype in dict.fromkeys(value.dtype for value in models[0].values()):
            names = [name for name, value in models[0].items() if value.dtype == dtype]
            step = ALIGNED // dtype.itemsize
            starts = [0]
            for name in names:
                starts.append(starts[-1] + filled(models[0][name].numel(), step))
            row = nn.Parameter(torch.zeros(len(models), filled(starts[-1]), dtype=dtype))
            row.grad = torch.zeros_like(row)
            if row.numel():
                self.rows.append(row)
            for name, start in zip(names, starts[:-1], strict=True):
                shape = models[0][name].shape
                part = slice(start, start + shape.numel())
                self.values[name] = row.detach()[:, part].unflatten(1, shape)
                self.gradients[name] = row.grad[:, part].unflatten(1, shape)
                for mine, model in zip(self.values[name], models, strict=True):
                    mine.copy_(model[name].detach())


class Table:
    """Numbers of samples of R replicates, from which batches are taken.

    Args:
        parts: of every replicate, (planes, samples, width); missing samples are zeros.

    Attributes:
        data: (R, planes, at least one sample more, width), zeros where nobody has a sample.
    """

    def __init__(self, parts: Sequence[Tensor]) -> None:
        planes, samples, width = parts[0].shape
        self.data = parts[0].new_zeros(len(parts), planes, filled(samples + 1), width)
        for mine, part in zip(self.data, parts, strict=True):
            mine[:, :samples] = part
        count = len(parts) * planes
        self._first = (torch.arange(count) * self.data.shape[2]).view(-1, planes, 1)

    def take(self, index: Tensor) -> Tensor:
        """The samples `index` (R, B) of each replicate: (R, planes, B, width)."""
        width = self.data.shape[3]
        rows = (self._first + index[:, None]).flatten()
        taken = self.data.view(-1, width).index_select(0, rows)
        return taken.view(*self.data.shape[:2], -1, width)


class Stacked(ABC):
    """R models of one kind, all of whose parameters are trained.

    Args:
        models: as they were built, fitted to their training samples; `store` writes to them.

    Attributes:
        parameters: those of all models.
    """

    of: ClassVar[type[Model]]

    def __init__(self, models: Sequence[Model]) -> None:
        self.models = list(models)
        self.parameters = Parameters([self.taken(model) for model in models])

    @property
    def classes(self) -> int:
        """How many there are."""
        return self.parameters.values["head.bias"].shape[1]

    @staticmethod
    def taken(model: Model) -> dict[str, Tensor]:
        """The parameters of one model by name, as they are kept here."""
        return dict(model.named_parameters())

    @torch.no_grad()
    def store(self, rows: Sequence[Tensor]) -> None:
        """Write parameters, of the shape of `parameters.rows`, into the models."""
        for mine, given in zip(self.parameters.rows, rows, strict=True):
            mine.copy_(given)
        for number, model in enumerate(self.models):
            for name, value in self.taken(model).items():
                value.copy_(self.parameters.values[name][number])

    def inputs(self, prepared: Tensor) -> Tensor:
        """What `forward` takes a batch from, (planes, n, width), of prepared samples (n, ...)."""
        return prepared.flatten(1)[None]

    def features(self, features: Tensor) -> Tensor:
        """A teacher's feature maps (n, ...) in the order of `forward`: (planes, n, width)."""
        return features.flatten(1).T[:, :, None]

    @abstractmethod
    def forward(self, inputs: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Logits (R, classes, B) and features (R, planes, B, width), kept for `backward`.

        Args:
            inputs: (R, planes, B, width) of a `Table` of `inputs`.
            count: samples that are real; the others, up to B, are zeros.
        """

    @abstractmethod
    def backward(self, logits: Tensor, features: Tensor | None, factor: float) -> None:
        """Set all gradients.

        Args:
            logits: gradient of the loss with respect to the logits; 0 for samples not real.
            features: `factor` times this is the gradient with respect to the features, or `None`.
        """

    def evaluate(self, inputs: Tensor, count: int) -> Tensor:
        """Logits (R, classes, B) without a backward pass; arguments as for `forward`."""
        return self.forward(inputs, count)[0]

    def test(self, samples: Tensor) -> list[Tensor]:
        """Logits (n, classes) of every model for the same samples (n, ...); after `store`."""
        return [predict(model, samples).logits for model in self.models]


def linear(weight: Tensor, bias: Tensor, x: Tensor) -> Tensor:
    """(R, o, i) times (R, i, B), plus (R, o)."""
    return torch.bmm(weight, x).add_(bias[:, :, None])
