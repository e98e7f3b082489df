"""The training loop, the same for teachers and students."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from qkd_study.distill.objective import Objective, Terms, detached, is_finite
from qkd_study.distill.scores import accuracy
from qkd_study.models import Model, Outputs


class Diverged(Exception):
    """The loss is no longer a number."""


class Samples(NamedTuple):
    """Images with labels.

    Attributes:
        images: float32 (n, height, width).
        labels: int64 (n,).
    """

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Epoch:
    """What one epoch left behind: means over its samples, each loss term before its weight."""

    epoch: int
    cross_entropy: float
    soft: float | None
    features: float | None
    total: float
    train_accuracy: float
    val_accuracy: float
    seconds: float


@dataclass
class Training:
    """The result of `train`; the model holds the weights of the best epoch.

    Attributes:
        curve: one entry per epoch.
        best_epoch: the first epoch, counted from 1, with the highest validation accuracy.
        val_logits: float32 (V, classes), of the best epoch.
    """

    curve: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    val_logits: Tensor = field(default_factory=lambda: torch.zeros(0))


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
}


def train(
    model: Model,
    training: Samples,
    validation: Samples,
    objective: Objective,
    *,
    teacher: Outputs | None = None,
    optimizer: str,
    learning_rate: float,
    epochs: int,
    batch_size: int,
    seed: int,
) -> Training:
    """Train `model` in place and leave it with the weights of its best epoch on validation.

    Args:
        model: teacher or student.
        training: the samples to learn from.
        validation: the samples that choose the epoch.
        objective: the loss.
        teacher: outputs of the teacher for the training samples, computed once.
        optimizer: one of `OPTIMIZERS`.
        learning_rate: its step size.
        epochs: passes over the training samples.
        batch_size: samples per step; the last batch of an epoch may be smaller.
        seed: of the order of the samples.

    Raises:
        Diverged: a loss is NaN or infinite.
    """
    order = torch.Generator().manual_seed(seed)
    # At these sizes a fused Adam step took 29 us instead of 75; torch's default is not fused.
    steps = OPTIMIZERS[optimizer](model.parameters(), lr=learning_rate, fused=True)
    with torch.no_grad():
        inputs, val_inputs = model.prepare(training.images), model.prepare(validation.images)
    targets = None if teacher is None else detached(teacher)
    result, best, weights = Training(), -1.0, {}
    for epoch in range(1, epochs + 1):
        start = time.perf_counter()
        model.train()
        sums = _Sums()
        for index in torch.randperm(len(inputs), generator=order).split(batch_size):
            labels = training.labels[index]
            outputs = model(inputs[index])
            batch_targets = None if targets is None else detached(targets, index)
            terms = objective(outputs, labels, batch_targets)
            steps.zero_grad()
            terms.total.backward()
            steps.step()
            sums.add(terms, outputs.logits, labels)
        if not is_finite(sums.total):
            raise Diverged(f"the loss was {sums.total.item()} in epoch {epoch}")
        model.eval()
        with torch.no_grad():
            val_logits = model(val_inputs).logits
        score = accuracy(val_logits, validation.labels)
        result.curve.append(sums.epoch(epoch, score, time.perf_counter() - start))
        if score > best:
            best, result.best_epoch, result.val_logits = score, epoch, val_logits
            weights = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(weights)
    return result


class _Sums:
    """Sums over the samples of an epoch, kept as tensors: `.item()` in every step costs time."""

    def __init__(self) -> None:
        self.samples = 0
        self.total = torch.zeros(())
        self.hits = torch.zeros((), dtype=torch.int64)
        self.terms: dict[str, Tensor | None] = {}

    def add(self, terms: Terms, logits: Tensor, labels: Tensor) -> None:
        count = len(labels)
        self.samples += count
        self.total = self.total + count * terms.total.detach()
        self.hits = self.hits + (logits.detach().argmax(-1) == labels).sum()
        for name in ("cross_entropy", "soft", "features"):
            value: Tensor | None = getattr(terms, name)
            if value is not None:
                self.terms[name] = (self.terms.get(name) or 0) + count * value.detach()

    def _mean(self, name: str) -> float | None:
        value = self.terms.get(name)
        return None if value is None else value.item() / self.samples

    def epoch(self, number: int, val_accuracy: float, seconds: float) -> Epoch:
        return Epoch(
            epoch=number,
            cross_entropy=self._mean("cross_entropy") or 0.0,
            soft=self._mean("soft"),
            features=self._mean("features"),
            total=self.total.item() / self.samples,
            train_accuracy=self.hits.item() / self.samples,
            val_accuracy=val_accuracy,
            seconds=seconds,
        )
