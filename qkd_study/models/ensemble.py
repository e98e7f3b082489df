"""Ensembles: the mean prediction of several models."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from qkd_study.models.outputs import Model, Outputs


class EnsembleModel(Model):
    """The mean of its members' logits, or the logarithm of the mean of their probabilities.

    The members are trained one by one; this model only predicts.

    Args:
        members: models of one kind.
        of_probabilities: whether probabilities are averaged instead of logits.
    """

    def __init__(self, members: Sequence[Model], *, of_probabilities: bool) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.of_probabilities = of_probabilities

    @property
    def models(self) -> list[Model]:
        """The members."""
        return [member for member in self.members if isinstance(member, Model)]

    def prepare(self, samples: Tensor) -> Tensor:
        """The samples: members prepare their own."""
        return samples

    def forward(self, inputs: Tensor) -> Outputs:
        """Logits (batch, classes) and the members' mean features (batch, ...)."""
        outputs = [model(model.prepare(inputs)) for model in self.models]
        logits = torch.stack([o.logits for o in outputs])
        features = torch.stack([o.features for o in outputs]).mean(0)
        if not self.of_probabilities:
            return Outputs(logits.mean(0), features)
        return Outputs(logits.log_softmax(-1).logsumexp(0) - math.log(len(logits)), features)

    def head_parameters(self) -> list[nn.Parameter]:
        """The last layers of all members."""
        return [p for model in self.models for p in model.head_parameters()]

    @property
    def backend(self) -> str | None:
        """As of its members."""
        return self.models[0].backend

    @property
    def plan(self) -> str | None:
        """As of its members."""
        return self.models[0].plan

    @property
    def circuit_executions(self) -> int | None:
        """Circuit executions of all members so far."""
        return _sum([model.circuit_executions for model in self.models])

    @property
    def circuit_gates(self) -> int | None:
        """Gates of one circuit."""
        return self.models[0].circuit_gates

    @property
    def quantum_parameters(self) -> int | None:
        """Trainable angles of all members."""
        return _sum([model.quantum_parameters for model in self.models])

    @property
    def effective_parameters(self) -> int | None:
        """The effective ones of all members."""
        return _sum([model.effective_parameters for model in self.models])


def _sum(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
