"""`BatchedModel`: the interface of models that can be trained in one batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

import torch
from torch import Tensor

from qkd_study.distill.batched.arrays import ParameterRows
from qkd_study.distill.batched.dropout import BatchedDropout
from qkd_study.models import Model, predict
from qkd_study.study.config import Config
from qkd_study.study.models import ModelSpec, Shape

#: Numbers in memory for each number of a sample: inputs, patches and maps.
COPIES = 4


class BatchedModel(ABC):
    """R models of one kind, with gradients written by hand.

    Parameters without `requires_grad` are not changed, as in teachers with frozen random features.

    A subclass defines the declarations that it implements (`spec`, `accepts`), `forward` and
    `backward`. It overrides `parameters_of`, `inputs` and `features` if its layout of parameters,
    inputs or features differs from the model's.

    Activations are (R, units, B): the samples of a step come last. Of a step's B samples the first
    `count` are real, the others are zeros (see `arrays`).

    Args:
        models: untrained, but fitted to their training samples; `store` writes to them.

    Attributes:
        spec: the declaration of the models.
        parameters: those of all models.
    """

    spec: ClassVar[type[ModelSpec]]

    def __init__(self, models: Sequence[Model]) -> None:
        self.models = list(models)
        with torch.enable_grad():  # else views of parameters have requires_grad False
            found = [self.parameters_of(model) for model in models]
            frozen = [name for name, value in found[0].items() if not value.requires_grad]
        self.parameters = ParameterRows(found, frozen)

    @classmethod
    @abstractmethod
    def accepts(cls, spec: Any, config: Config, shape: Shape) -> bool:
        """Whether models of a declaration can be batched: none of their matrices may be a vector.

        Args:
            spec: a declaration of the type `cls.spec`.
            config: the parameters that a model reads, as `build_model` takes them.
            shape: of a sample.
        """

    @classmethod
    def numbers(cls, spec: Any, config: Config, shape: Shape) -> int:
        """Numbers in memory for each sample, at most; arguments as for `accepts`."""
        return COPIES * max(prod(shape), 1 << (config.qubits or 0))

    @property
    def classes(self) -> int:
        """The number of classes."""
        return self.parameters.values["head.bias"].shape[1]

    @property
    def dropouts(self) -> list[BatchedDropout]:
        """The dropout of its layers; it draws in `forward`, but not in `evaluate`."""
        return []

    @staticmethod
    def parameters_of(model: Model) -> dict[str, Tensor]:
        """The parameters of one model by name, in the layout of this class."""
        return dict(model.named_parameters())

    @torch.no_grad()
    def store(self, rows: Sequence[Tensor]) -> None:
        """Write parameters, of the shape of `parameters.rows`, into the models."""
        for mine, given in zip(self.parameters.rows, rows, strict=True):
            mine.copy_(given)
        for number, model in enumerate(self.models):
            for name, value in self.parameters_of(model).items():
                value.copy_(self.parameters.values[name][number])

    def inputs(self, prepared: Tensor) -> Tensor:
        """Prepared samples (n, ...) in the layout of `forward`: (planes, n, width)."""
        return prepared.flatten(1)[None]

    def features(self, features: Tensor) -> Tensor:
        """A teacher's feature maps (n, ...) in the layout of `forward`: (planes, n, width)."""
        return features.flatten(1).T[:, :, None]

    @abstractmethod
    def forward(self, inputs: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Logits (R, classes, B) and features (R, planes, B, width), stored for `backward`.

        Args:
            inputs: (R, planes, B, width) of a `PaddedSamples` of `inputs`.
            count: samples that are real; the others, up to B, are zeros.
        """

    @abstractmethod
    def backward(self, logits: Tensor, features: Tensor | None, factor: float) -> None:
        """Set all gradients.

        Args:
            logits: gradient of the loss with respect to the logits; 0 for padding samples.
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
