"""`Model`, the base class of all models, and its `Outputs`: logits and feature maps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from qkd_study.common.randomness import seeded_where_drawn
from qkd_study.models.measurement import seed_shots


class Outputs(NamedTuple):
    """The outputs of a model for a batch.

    Attributes:
        logits: (batch, classes).
        features: (batch, ...), which feature losses compare.
        state: the circuit's final states (batch, 2^n), complex, if the model has them.
    """

    logits: Tensor
    features: Tensor
    state: Tensor | None = None


class Model(nn.Module, ABC):
    """A teacher or a student.

    `prepare` turns samples into the model's inputs and does all that training does not change, so
    that it is done once per dataset; `forward` maps inputs to `Outputs`.

    Attributes:
        keeps_state: whether to return `Outputs.state`, if the model has one.
        uncounted: whether the model may run circuits that the properties below do not count: then
            they are `None`, unless a subclass overrides them.
    """

    keeps_state: bool = False
    uncounted: bool = False

    def fit(self, samples: Tensor) -> None:
        """Fit what is not trained by gradients, such as principal components.

        Called once, before training, with the raw training samples (K, ...) alone.
        """

    @abstractmethod
    def prepare(self, samples: Tensor) -> Tensor:
        """Inputs (batch, ...) from samples, float32 (batch, features), (batch, height, width) or
        (batch, channels, height, width); pixels lie in [0, 1]."""

    @abstractmethod
    def forward(self, inputs: Tensor) -> Outputs:
        """Logits and feature maps of a batch of inputs."""

    @abstractmethod
    def head_parameters(self) -> list[nn.Parameter]:
        """The parameters of the last layer, which a teacher with frozen random features trains."""

    @property
    def backend(self) -> str | None:
        """The device that runs the model's circuits; `torch` for a classical model."""
        return None if self.uncounted else "torch"

    @property
    def plan(self) -> str | None:
        """The execution plans so far: `register`, `matrix`, `plain`; `None` without circuits."""
        return None

    @property
    def circuit_executions(self) -> int | None:
        """Circuit executions so far."""
        return None if self.uncounted else 0

    @property
    def circuit_gates(self) -> int | None:
        """Gates of one circuit; 0 for a classical model."""
        return None if self.uncounted else 0

    @property
    def quantum_parameters(self) -> int | None:
        """Trainable angles."""
        return None if self.uncounted else 0

    @property
    def effective_parameters(self) -> int | None:
        """Those of them that count in the rank of the Jacobian of what is read from circuits."""
        return None if self.uncounted else 0


class HeadedModel(Model):
    """A model that ends in a linear layer, `head`."""

    head: nn.Linear

    def head_parameters(self) -> list[nn.Parameter]:
        """Weights and biases of the linear layer."""
        return list(self.head.parameters())


def count_parameters(model: nn.Module) -> int:
    """The number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@torch.no_grad()
def predict(model: Model, samples: Tensor, chunk: int = 250, *, seed: int = 0) -> Outputs:
    """Outputs for many samples, `chunk` at a time, to limit memory and stay in the cache.

    Args:
        model: is set to evaluation mode.
        samples: float32 (n, ...).
        seed: of random numbers that the model draws, such as the outcomes of shots.
    """
    model.eval()
    seed_shots(model, seed, training=False)
    with seeded_where_drawn(seed, [model]):
        parts = [model(model.prepare(part)) for part in samples.split(chunk)]
    states = [p.state for p in parts if p.state is not None]
    return Outputs(
        torch.cat([p.logits for p in parts]),
        torch.cat([p.features for p in parts]),
        torch.cat(states) if states else None,
    )
