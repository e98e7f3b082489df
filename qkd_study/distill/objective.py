"""The loss that a student is trained on: cross-entropy and weighted terms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from qkd_study.distill.losses import feature_loss, soft_target_loss
from qkd_study.models import Outputs
from qkd_study.study.config import Config


@dataclass(frozen=True)
class Terms:
    """The loss of one batch, its terms before weighting; a term that is off is `None`."""

    cross_entropy: Tensor
    soft: Tensor | None
    features: Tensor | None
    total: Tensor


@dataclass(frozen=True)
class Objective:
    """scale * CE + weight_soft * T^2 KL + weight_features * MSE.

    Terms whose weight is `None` are off: they are neither computed nor recorded. A weight of 0
    keeps the term in the record and out of the gradient.
    """

    scale_cross_entropy: float = 1.0
    weight_soft: float | None = None
    temperature: float = 1.0
    weight_features: float | None = None

    @classmethod
    def of(cls, config: Config, terms: tuple[str, ...]) -> Objective:
        """The objective of an arm with `terms` under a configuration."""
        return cls(
            scale_cross_entropy=config.scale_cross_entropy,
            weight_soft=config.weight_soft if "soft" in terms else None,
            temperature=config.temperature or 1.0,
            weight_features=config.weight_features if "features" in terms else None,
        )

    def __call__(self, student: Outputs, labels: Tensor, teacher: Outputs | None) -> Terms:
        """The loss of a batch.

        Args:
            student: logits (batch, classes) and feature maps.
            labels: int64 (batch,).
            teacher: the same of the teacher, without gradient; `None` if no term needs it.
        """
        cross_entropy = functional.cross_entropy(student.logits, labels)
        total = self.scale_cross_entropy * cross_entropy
        soft = features = None
        if teacher is not None and self.weight_soft is not None:
            soft = soft_target_loss(student.logits, teacher.logits, self.temperature)
            total = total + self.weight_soft * soft
        if teacher is not None and self.weight_features is not None:
            features = feature_loss(student.features, teacher.features)
            total = total + self.weight_features * features
        return Terms(cross_entropy, soft, features, total)


def detached(outputs: Outputs, index: Tensor | None = None) -> Outputs:
    """The outputs of some samples (all if `index` is None), cut off from the graph."""
    logits, features = outputs.logits.detach(), outputs.features.detach()
    return Outputs(logits, features) if index is None else Outputs(logits[index], features[index])


def is_finite(total: Tensor) -> bool:
    """Whether a loss is still a number."""
    return bool(torch.isfinite(total).all())
