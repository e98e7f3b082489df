"""The loss of a student: cross-entropy and weighted terms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from qkd_study.distill.losses import LOSSES, smoothed_cross_entropy
from qkd_study.models import Outputs
from qkd_study.study.arms import Arm
from qkd_study.study.config import OWN, TERMS, Config
from qkd_study.study.parameters import Part, Term


@dataclass(frozen=True)
class Terms:
    """The loss of one batch.

    Attributes:
        cross_entropy: with smoothed labels if the arm smooths them; before its factor.
        parts: the other terms that are on, by name, each before its weight.
        total: the weighted sum.
    """

    cross_entropy: Tensor
    parts: dict[str, Tensor]
    total: Tensor

    def by_name(self) -> dict[str, Tensor]:
        """All values by name."""
        return {"cross_entropy": self.cross_entropy, "total": self.total, **self.parts}


@dataclass(frozen=True)
class Objective:
    """scale * cross-entropy + the sum of weight * term.

    Attributes:
        scale_cross_entropy: factor on the cross-entropy.
        label_smoothing: share of the label spread over all classes.
        weights: of the terms that are on, by name in `TERMS`. A term with weight 0 is recorded, but
            has no gradient. A term whose function takes its weights has 1 here.
        values: of the parameters that these terms read, by name.
        own: the functions of the study's own terms, by name.
    """

    scale_cross_entropy: float = 1.0
    label_smoothing: float = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    own: Mapping[str, Callable[..., Tensor]] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Config, arm: Arm) -> Objective:
        """The objective of an arm under a configuration."""
        return cls(
            config.scale_cross_entropy,
            config.label_smoothing,
            weights={
                term.name: 1.0 if term.weight is None else getattr(config, term.weight)
                for term in arm.comparisons
            },
            values=values_of(config, arm.comparisons),
            own={term.name: term.under(config) for term in arm.own_terms},
        )

    def __call__(self, student: Outputs, labels: Tensor, teacher: Outputs | None) -> Terms:
        """The loss of a batch.

        Args:
            student: logits (batch, classes), features, and states if a term needs them.
            labels: int64 of the first samples (labelled,). The others have none: cross-entropy and
                terms that take labels act on the first alone.
            teacher: those of the teacher, without gradient; `None` if no term needs them.
        """
        logits = student.logits[: len(labels)]
        if self.label_smoothing:
            cross_entropy = smoothed_cross_entropy(logits, labels, self.label_smoothing)
        else:
            cross_entropy = functional.cross_entropy(logits, labels)
        total = self.scale_cross_entropy * cross_entropy
        parts: dict[str, Tensor] = {}
        if teacher is not None:
            for name, weight in self.weights.items():
                parts[name] = self._term(name, student, teacher, labels)
                total = total + weight * parts[name]
        return Terms(cross_entropy, parts, total)

    def _term(self, name: str, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        term = TERMS[OWN] if name in self.own else TERMS[name]
        both = student, teacher
        if term.labels and len(labels) < len(student.logits):
            both = _first(student, len(labels)), _first(teacher, len(labels))
        if name in self.own:
            return self.own[name](*both, labels)
        function = LOSSES.get(name)
        compared = [_part(outputs, term.compares) for outputs in both]
        if function is None or any(part is None for part in compared):
            raise ValueError(f"term {name!r} cannot be computed from these models")
        values = (self.values[parameter] for parameter in term.reads)
        value: Tensor = function(*compared, *([labels] if term.labels else []), *values)
        return value


def values_of(config: Config, terms: Iterable[Term]) -> dict[str, float]:
    """The parameters that terms read, by name."""
    return {name: getattr(config, name) for term in terms for name in term.reads}


def _first(outputs: Outputs, count: int) -> Outputs:
    """The outputs of the first samples."""
    state = None if outputs.state is None else outputs.state[:count]
    return Outputs(outputs.logits[:count], outputs.features[:count], state)


def _part(outputs: Outputs, part: Part | None) -> Any:
    return outputs if part == "outputs" else getattr(outputs, str(part))


def detached(outputs: Outputs, index: Tensor | None = None) -> Outputs:
    """The outputs of some samples (all if `index` is None), detached from the graph."""

    def part(tensor: Tensor) -> Tensor:
        return tensor.detach() if index is None else tensor.detach()[index]

    state = None if outputs.state is None else part(outputs.state)
    return Outputs(part(outputs.logits), part(outputs.features), state)


def spoiled(outputs: Outputs, how: str, *, seed: int) -> Outputs:
    """Spoil a teacher's outputs for the training samples, as a control does.

    Args:
        outputs: logits (K, classes), features (K, ...).
        how: `nothing`; `shuffled labels` and `shuffled features` give each sample the logits or
            features of another, by one permutation without fixed points; `constant features` give
            all samples the mean.
        seed: of the permutation.
    """
    if how == "nothing":
        return outputs
    if how == "constant features":
        mean = outputs.features.mean(0, keepdim=True)
        return outputs._replace(features=mean.expand_as(outputs.features))
    count = len(outputs.logits)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    # A random cycle through all samples has no fixed point.
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    if how == "shuffled features":
        return outputs._replace(features=outputs.features[other])
    return outputs._replace(logits=outputs.logits[other])
