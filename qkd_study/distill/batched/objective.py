"""The loss of several students in one batch, with its gradient written by hand."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from qkd_study.distill.objective import Objective, Terms
from qkd_study.models import Outputs

#: The terms that have gradients here.
BATCHED_TERMS = frozenset({"soft", "features"})


@dataclass(frozen=True)
class BatchedTerms(Terms):
    """The loss of one batch of every student.

    Attributes:
        cross_entropy, total, parts: (R,) each; see `Terms`.
        for_logits: gradient of the total with respect to the logits, (R, classes, B).
        for_features: `factor` times this is that with respect to the features; `None` for none.
    """

    for_logits: Tensor
    for_features: Tensor | None
    factor: float


def targets(objective: Objective, labels: Tensor, classes: int, teacher: Outputs | None) -> Tensor:
    """The targets of a student's samples, as a part of a `PaddedSamples`.

    Args:
        objective: the loss.
        labels: int64, of the first samples.
        classes: how many.
        teacher: outputs for all n samples.

    Returns:
        The label's distribution over the classes, 0 without a label, and, with soft targets, the
        teacher's at the temperature and its logarithm: (planes, n, 1), `classes` planes each.
    """
    of_labels = functional.one_hot(labels, classes).to(torch.float32)
    if objective.label_smoothing:
        share = objective.label_smoothing
        of_labels = (1 - share) * of_labels + share / classes
    if teacher is not None:  # transfer samples have no label
        of_labels = functional.pad(of_labels, (0, 0, 0, len(teacher.logits) - len(labels)))
    planes = [of_labels]
    if teacher is not None and "soft" in objective.weights:
        temperature = objective.values["temperature"]
        logarithm = functional.log_softmax(teacher.logits / temperature, dim=-1)
        planes += [logarithm.exp(), logarithm]
    return torch.cat(planes, dim=1).T[:, :, None]


def losses(
    objective: Objective,
    logits: Tensor,
    features: Tensor,
    targets: Tensor,
    teacher_features: Tensor | None,
    count: int,
    labelled: int,
) -> BatchedTerms:
    """The loss of a batch of every student.

    Args:
        objective: with terms in `BATCHED_TERMS`.
        logits: (R, classes, B).
        features: (R, planes, B, width).
        targets: of the same samples, (R, planes, B, 1); see `targets`.
        teacher_features: the teacher's features; `None` without that term.
        count: samples that are real.
        labelled: those of them that have labels; they come first.
    """
    classes, targets = logits.shape[1], targets[..., 0]
    label, scale = targets[:, :classes], objective.scale_cross_entropy
    logarithm = functional.log_softmax(logits, dim=1)
    cross_entropy = _sum(label * logarithm).neg_().div_(labelled)
    total = scale * cross_entropy
    gradient = logarithm.exp_().sub_(label).mul_(scale / labelled)
    gradient[:, :, labelled:] = 0
    parts: dict[str, Tensor] = {}
    difference, factor = None, 0.0
    for name, weight in objective.weights.items():
        if name == "soft" and targets.shape[1] > classes:
            temperature = objective.values["temperature"]
            target, its_logarithm = targets[:, classes : 2 * classes], targets[:, 2 * classes :]
            logarithm = functional.log_softmax(logits / temperature, dim=1)
            parts[name] = _sum((its_logarithm - logarithm).mul_(target)).mul_(
                temperature**2 / count
            )
            gradient.add_(logarithm.exp_().sub_(target), alpha=weight * temperature / count)
        elif name == "features" and teacher_features is not None:
            difference = features - teacher_features
            difference[:, :, count:] = 0
            size = count * difference[0, :, 0].numel()
            parts[name] = _sum(difference * difference).div_(size)
            factor = 2 * weight / size
        else:
            continue
        total = total + weight * parts[name]
    gradient[:, :, count:] = 0
    return BatchedTerms(cross_entropy, parts, total, gradient, difference, factor)


def _sum(values: Tensor) -> Tensor:
    """(R, ...) to (R,)."""
    return values.flatten(1).sum(1)
