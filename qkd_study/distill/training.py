"""The training loop of teachers and students."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from qkd_study.common.seeds import derive
from qkd_study.distill.objective import Objective, Terms, detached
from qkd_study.distill.optimizers import Optimizer
from qkd_study.distill.own_optimizer import OwnMaker
from qkd_study.distill.samples import Samples
from qkd_study.distill.scores import accuracy
from qkd_study.models import Model, Outputs, seed_dropout, seed_shots, seeded_where_drawn

NO_WEIGHTS = "the weights after epoch {} are no longer numbers"


class Diverged(Exception):
    """The loss, or a weight of the chosen epoch, is not finite."""


@dataclass(frozen=True)
class Epoch:
    """Means over the samples of an epoch; loss terms without their weights.

    `val_accuracy` is `None` if the epoch was not validated.
    """

    epoch: int
    cross_entropy: float
    parts: dict[str, float]
    total: float
    train_accuracy: float
    val_accuracy: float | None
    seconds: float

    @classmethod
    def of(
        cls, epoch: int, means: Mapping[str, float], val_accuracy: float | None, seconds: float
    ) -> Epoch:
        """Make one of means by name: cross_entropy, total, accuracy, and the other terms."""
        parts = dict(means)
        first, total, accuracy = map(parts.pop, ("cross_entropy", "total", "accuracy"))
        return cls(epoch, first, parts, total, accuracy, val_accuracy, seconds)


@dataclass
class TrainingResult:
    """The result of `train`; the model has the weights of the chosen epoch.

    Attributes:
        curve: one entry per epoch.
        best_epoch: the chosen epoch, counted from 1: of those that were validated the first with
            the highest accuracy, or the last without validation samples.
        val_logits: (V, classes), of that epoch; empty without validation samples.
        seconds_validation: wall time of all validations; of models trained together, a share.
    """

    curve: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    val_logits: Tensor = field(default_factory=lambda: torch.zeros(0))
    seconds_validation: float = 0.0


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained.

    Attributes:
        optimizer: `adam`, `adamw` or `sgd`.
        learning_rate: its step size, in the first epoch.
        epochs: passes over the training samples.
        batch_size: samples per step; the last batch of an epoch may be smaller.
        momentum: of sgd.
        weight_decay: of adamw.
        schedule: `constant`, or `cosine`: the step size falls to 0 along half a cosine, by epochs.
        epoch_choice: `best` chooses the best epoch on validation, `last` the last, and no other is
            validated.
        validate_every: epochs between validations; the last epoch is always validated.
        own: makes an optimiser of the study's own, in place of `optimizer`.
    """

    optimizer: str
    learning_rate: float
    epochs: int
    batch_size: int
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: str = "constant"
    epoch_choice: str = "best"
    validate_every: int = 1
    own: OwnMaker | None = None

    def make(self, parameters: Sequence[nn.Parameter]) -> Optimizer:
        """Make the optimiser."""
        decay = self.weight_decay
        return Optimizer(self.optimizer, parameters, momentum=self.momentum, weight_decay=decay)

    def validates(self, epoch: int) -> bool:
        """Whether an epoch, counted from 1, is validated."""
        if epoch == self.epochs:
            return True
        return self.epoch_choice == "best" and epoch % self.validate_every == 0

    def rate(self, epoch: int) -> float:
        """The step size in an epoch, counted from 1."""
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * (1 + math.cos(math.pi * (epoch - 1) / self.epochs)) / 2


def train(
    model: Model,
    training: Samples,
    validation: Samples,
    objective: Objective,
    config: TrainingConfig,
    *,
    teacher: Outputs | None = None,
    transfer: Tensor | None = None,
    seed: int,
) -> TrainingResult:
    """Train `model` in place, and set it to the weights of the chosen epoch.

    Args:
        model: teacher or student; parameters without `requires_grad` are not changed.
        training: the training samples.
        validation: the samples on which epochs are scored; without any, the last is chosen.
        objective: the loss.
        config: of the training.
        teacher: outputs of the teacher for the training samples, then the transfer samples,
            computed once.
        transfer: samples without labels (T, ...). Each step takes an even share of them beside its
            labelled samples, so that there are as many steps as without.
        seed: of the order of the samples, and of random numbers of the model or the loss.

    Raises:
        Diverged: a loss is NaN or infinite, or a weight of the chosen epoch.
    """
    order = torch.Generator().manual_seed(seed)
    seed_dropout(model, seed)
    seed_shots(model, seed, training=True)
    trained = [p for p in model.parameters() if p.requires_grad and p.numel()]
    own = config.own.make(trained) if trained and config.own is not None else None
    optimizer = config.make(trained) if trained and own is None else None
    build = None if config.own is None else config.own.build
    seeded_draws = _SeededDraws(seed, [model, *objective.own.values(), build])
    with seeded_draws("preparation"), torch.no_grad():
        model.fit(training.inputs)
        given = training.inputs if transfer is None else torch.cat([training.inputs, transfer])
        inputs, held_out = model.prepare(given), len(validation.labels)
        val_inputs = model.prepare(validation.inputs) if held_out else inputs[:0]
    labelled, unlabelled = len(training.labels), 0 if transfer is None else len(transfer)
    transfer_order = torch.Generator().manual_seed(transfer_seed(seed))
    targets = None if teacher is None else detached(teacher)
    result, best, weights = TrainingResult(), -1.0, {}
    with seeded_draws("training"):
        for epoch in range(1, config.epochs + 1):
            start = time.perf_counter()
            model.train()
            sums, rate = _Sums(), config.rate(epoch)
            batches = torch.randperm(labelled, generator=order).split(config.batch_size)
            shares = torch.randperm(unlabelled, generator=transfer_order).tensor_split(len(batches))
            for index, share in zip(batches, shares, strict=True):
                labels = training.labels[index]
                index = torch.cat([index, labelled + share]) if unlabelled else index
                batch_targets = None if targets is None else detached(targets, index)
                if own is not None:
                    batch = _Batch(model, objective, inputs[index], labels, batch_targets)
                    own.step(batch.loss, config.rate(epoch) / (config.learning_rate or 1.0))
                    sums.add(*batch.first, labels)
                    continue
                outputs = model(inputs[index])
                terms = objective(outputs, labels, batch_targets)
                if optimizer is not None:
                    optimizer.clear()
                    terms.total.backward()
                    optimizer.step(rate)
                sums.add(terms, outputs.logits[: len(labels)], labels)
            means = sums.means()
            if not math.isfinite(means["total"]):
                raise Diverged(f"the loss was {means['total']} in epoch {epoch}")
            score, trained_at = None, time.perf_counter()
            if held_out and config.validates(epoch):
                model.eval()
                seed_shots(model, derive(seed, 0, "validation"), training=False)
                with seeded_draws("validation"), torch.no_grad():
                    val_logits = model(val_inputs).logits
                score = accuracy(val_logits, validation.labels)
                result.seconds_validation += time.perf_counter() - trained_at
            result.curve.append(Epoch.of(epoch, means, score, time.perf_counter() - start))
            if score is not None and score > best:
                best, result.val_logits = score, val_logits
            elif held_out or epoch < config.epochs:
                continue
            result.best_epoch = epoch
            weights = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(weights)
    if not all(bool(parameter.isfinite().all()) for parameter in trained):
        raise Diverged(NO_WEIGHTS.format(result.best_epoch))
    return result


def transfer_seed(seed: int) -> int:
    """The seed of the order of transfer samples, apart from that of the labelled ones."""
    return derive(seed, 0, "transfer order")


class _Batch:
    """A batch whose loss is computed as often as an optimiser asks; the first time is recorded."""

    def __init__(
        self,
        model: Model,
        objective: Objective,
        inputs: Tensor,
        labels: Tensor,
        targets: Outputs | None,
    ) -> None:
        self._model, self._objective = model, objective
        self._inputs, self._labels, self._targets = inputs, labels, targets
        self._first: tuple[Terms, Tensor] | None = None

    def loss(self) -> Tensor:
        """The total loss at the present parameters, with its graph."""
        outputs = self._model(self._inputs)
        terms = self._objective(outputs, self._labels, self._targets)
        if self._first is None:
            self._first = terms, outputs.logits[: len(self._labels)]
        return terms.total

    @property
    def first(self) -> tuple[Terms, Tensor]:
        """Terms and logits before the step."""
        assert self._first is not None  # or the step has raised
        return self._first


class _SeededDraws(NamedTuple):
    """Seeds for the random numbers of a study's own model or loss, one for each purpose.

    Every validation draws the same numbers, and does not affect those of the training.
    """

    seed: int
    owners: list[object | None]

    def __call__(self, purpose: str) -> AbstractContextManager[None]:
        return seeded_where_drawn(derive(self.seed, 0, purpose), self.owners)


class _Sums:
    """Sums over an epoch's labelled samples, as tensors: `.item()` in every step costs time."""

    def __init__(self) -> None:
        self.samples = 0
        self.found: dict[str, Tensor] = {}

    def add(self, terms: Terms, logits: Tensor, labels: Tensor) -> None:
        count = len(labels)
        self.samples += count
        found = {name: count * value.detach() for name, value in terms.by_name().items()}
        found["accuracy"] = (logits.detach().argmax(-1) == labels).sum()
        for name, value in found.items():
            self.found[name] = self.found[name] + value if name in self.found else value

    def means(self) -> dict[str, float]:
        return {name: value.item() / self.samples for name, value in self.found.items()}
