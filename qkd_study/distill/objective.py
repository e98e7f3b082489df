"""The loss that a student is trained on: cross-entropy and weighted terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from qkd_study.distill.losses import (
    angle_loss,
    decoupled_loss,
    distance_loss,
    feature_loss,
    fidelity_loss,
    smoothed_cross_entropy,
    soft_target_loss,
)
from qkd_study.models import Outputs
from qkd_study.study.arms import Arm
from qkd_study.study.config import Config

#: Terms that compare the student with a teacher, in the order of the tables' columns.
TERMS = ("soft", "features", "decoupled", "distances", "angles", "fidelity", "own")

OwnTerm = Callable[[Outputs, Outputs, Tensor], Tensor]


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


@dataclass(frozen=True)
class Objective:
    """scale * cross-entropy + the sum of weight * term.

    Attributes:
        scale_cross_entropy: factor on the cross-entropy.
        label_smoothing: share of the label spread over all classes.
        temperature: T of `soft` and `decoupled`.
        weights: of the terms that are on, by name out of `TERMS`. A weight of 0 keeps a term in the
            record and out of the gradient. `decoupled` has its weights inside: 1 here.
        weight_target, weight_nontarget: alpha and beta of `decoupled`.
        own: the study's own term.
    """

    scale_cross_entropy: float = 1.0
    label_smoothing: float = 0.0
    temperature: float = 1.0
    weights: Mapping[str, float] = field(default_factory=dict)
    weight_target: float = 1.0
    weight_nontarget: float = 1.0
    own: OwnTerm | None = None

    @classmethod
    def of(cls, config: Config, arm: Arm) -> Objective:
        """The objective of an arm under a configuration."""
        weights: dict[str, float] = {}
        for name in arm.term_names:
            if name in TERMS:
                weights[name] = 1.0 if name == "decoupled" else getattr(config, f"weight_{name}")
        return cls(
            scale_cross_entropy=config.scale_cross_entropy,
            label_smoothing=config.label_smoothing,
            temperature=config.temperature or 1.0,
            weights=weights,
            weight_target=config.weight_target,
            weight_nontarget=config.weight_nontarget,
            own=arm.own_terms[0] if arm.own_terms else None,
        )

    def __call__(self, student: Outputs, labels: Tensor, teacher: Outputs | None) -> Terms:
        """The loss of a batch.

        Args:
            student: logits (batch, classes), features, and states where a term needs them.
            labels: int64 (batch,).
            teacher: the same of the teacher, without gradient; `None` if no term needs it.
        """
        if self.label_smoothing:
            cross_entropy = smoothed_cross_entropy(student.logits, labels, self.label_smoothing)
        else:
            cross_entropy = functional.cross_entropy(student.logits, labels)
        total = self.scale_cross_entropy * cross_entropy
        parts: dict[str, Tensor] = {}
        if teacher is not None:
            for name, weight in self.weights.items():
                parts[name] = self._term(name, student, teacher, labels)
                total = total + weight * parts[name]
        return Terms(cross_entropy, parts, total)

    def _term(self, name: str, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        match name:
            case "soft":
                return soft_target_loss(student.logits, teacher.logits, self.temperature)
            case "features":
                return feature_loss(student.features, teacher.features)
            case "decoupled":
                return decoupled_loss(
                    student.logits,
                    teacher.logits,
                    labels,
                    self.temperature,
                    self.weight_target,
                    self.weight_nontarget,
                )
            case "distances":
                return distance_loss(student.features, teacher.features)
            case "angles":
                return angle_loss(student.features, teacher.features)
            case "fidelity" if student.state is not None and teacher.state is not None:
                return fidelity_loss(student.state, teacher.state)
            case "own" if self.own is not None:
                return self.own(student, teacher, labels)
        raise ValueError(f"term {name!r} cannot be computed from these models")


def detached(outputs: Outputs, index: Tensor | None = None) -> Outputs:
    """The outputs of some samples (all if `index` is None), cut off from the graph."""

    def part(tensor: Tensor) -> Tensor:
        return tensor.detach() if index is None else tensor.detach()[index]

    state = None if outputs.state is None else part(outputs.state)
    return Outputs(part(outputs.logits), part(outputs.features), state)


def spoiled(outputs: Outputs, how: str, *, seed: int) -> Outputs:
    """What a control makes of a teacher's outputs for the training samples.

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
    # Along one random cycle through all samples, nobody keeps their own.
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    if how == "shuffled features":
        return outputs._replace(features=outputs.features[other])
    return outputs._replace(logits=outputs.logits[other])


def is_finite(total: Tensor) -> bool:
    """Whether a loss is still a number."""
    return bool(torch.isfinite(total).all())
