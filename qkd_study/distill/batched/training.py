"""The training loop of several models in one batch; `training.train` is that of a single one."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from qkd_study.distill.batched.arrays import PaddedSamples, round_up
from qkd_study.distill.batched.model import BatchedModel
from qkd_study.distill.batched.objective import BatchedTerms, losses, targets
from qkd_study.distill.objective import Objective
from qkd_study.distill.optimizers import Optimizer
from qkd_study.distill.samples import Samples
from qkd_study.distill.training import (
    NO_WEIGHTS,
    Diverged,
    Epoch,
    TrainingConfig,
    TrainingResult,
    transfer_seed,
)
from qkd_study.models import Outputs


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread: how torch splits work among threads depends on the size of the group."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def train_batched(
    models: BatchedModel,
    training: Sequence[Samples],
    validation: Sequence[Samples],
    objective: Objective,
    config: TrainingConfig,
    *,
    teachers: Sequence[Outputs] | None = None,
    transfers: Sequence[Tensor] | None = None,
    seeds: Sequence[int],
) -> list[TrainingResult | Diverged]:
    """Train every model as `train` would, and set it to the weights of its chosen epoch.

    A model's numbers do not depend on the others, bit for bit. They differ from those of `train` by
    rounding, because sums have another order. The seconds of an epoch are divided equally.

    Args:
        models: R of one kind.
        training, validation: samples of each, equally many.
        objective: the loss, with terms in `BATCHED_TERMS`.
        config: of the training.
        teachers: outputs of the teacher of each for its training samples, then its transfer
            samples.
        transfers: samples without labels of each, equally many; see `train`.
        seeds: of the order of samples of each.

    Returns:
        For each model its result, or `Diverged` if its loss is not finite.
    """
    with one_thread(), torch.no_grad():
        group = _Group(models, training, validation, objective, teachers, transfers, seeds)
        optimizer = config.make(models.parameters.rows)
        for epoch in range(1, config.epochs + 1):
            if not group.epoch(epoch, config, optimizer):
                break
        models.store(group.weights)
        group.check_weights()
    return [
        training if failure is None else failure
        for training, failure in zip(group.results, group.failures, strict=True)
    ]


class _Group:
    """The state of a training of several models."""

    def __init__(
        self,
        models: BatchedModel,
        training: Sequence[Samples],
        validation: Sequence[Samples],
        objective: Objective,
        teachers: Sequence[Outputs] | None,
        transfers: Sequence[Tensor] | None,
        seeds: Sequence[int],
    ) -> None:
        self.models, self.objective, self.size = models, objective, len(seeds)
        self.orders = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.transfer_orders = [torch.Generator().manual_seed(transfer_seed(s)) for s in seeds]
        for dropout in models.dropouts:
            dropout.seed(seeds)
        for model, mine in zip(models.models, training, strict=True):
            model.fit(mine.inputs)
        self.samples, self.validated = len(training[0].labels), len(validation[0].labels)
        inputs = [samples.inputs for samples in training]
        held_out = [mine.inputs for mine in (validation if self.validated else training)]
        if transfers is not None:
            inputs = [torch.cat(both) for both in zip(inputs, transfers, strict=True)]
        self.inputs, validated = (
            PaddedSamples(
                self.size,
                (
                    models.inputs(model.prepare(mine))
                    for model, mine in zip(models.models, given, strict=True)
                ),
            )
            for given in (inputs, held_out)
        )
        self.validation = validated.data
        self.unlabelled = 0 if transfers is None else len(transfers[0])
        self.labels = torch.stack([mine.labels for mine in training])
        self.val_labels = torch.stack([mine.labels for mine in validation])
        taught: Sequence[Outputs | None] = teachers or [None] * self.size
        classes = models.classes
        self.targets = PaddedSamples(
            self.size,
            [
                targets(objective, mine.labels, classes, teacher)
                for mine, teacher in zip(training, taught, strict=True)
            ],
        )
        self.teacher_features = None
        if teachers is not None and "features" in objective.weights:
            self.teacher_features = PaddedSamples(
                self.size, [models.features(teacher.features) for teacher in teachers]
            )
        self.results = [TrainingResult() for _ in seeds]
        self.failures: list[Diverged | None] = [None for _ in seeds]
        self.best = [-1.0 for _ in seeds]
        self.weights = [rows.detach().clone() for rows in models.parameters.rows]

    def epoch(self, number: int, config: TrainingConfig, optimizer: Optimizer) -> bool:
        """Train and, if configured, score an epoch; returns whether any loss is still finite."""
        start = time.perf_counter()
        sums, rate = _Sums(), config.rate(number)
        order = torch.stack([torch.randperm(self.samples, generator=g) for g in self.orders])
        batches = order.split(config.batch_size, dim=1)
        others = [torch.randperm(self.unlabelled, generator=g) for g in self.transfer_orders]
        shares = torch.stack(others).tensor_split(len(batches), dim=1)
        for index, share in zip(batches, shares, strict=True):
            terms, hits = self._step(index, share)
            optimizer.step(rate)
            sums.add(terms, hits, index.shape[1])
        logits, right, trained_at = None, [], time.perf_counter()
        if self.validated and config.validates(number):
            logits = self.models.evaluate(self.validation, self.validated)[..., : self.validated]
            right = (logits.max(1).indices == self.val_labels).sum(1).tolist()
        validated = (time.perf_counter() - trained_at) / self.size
        means = sums.means(self.samples)
        seconds = (time.perf_counter() - start) / self.size
        for model, result in enumerate(self.results):
            result.seconds_validation += validated
            mean = {name: values[model] for name, values in means.items()}
            if self.failures[model] is None and not math.isfinite(mean["total"]):
                self.failures[model] = Diverged(f"the loss was {mean['total']} in epoch {number}")
            if self.failures[model] is not None:
                continue
            score = None if logits is None else right[model] / self.validated
            result.curve.append(Epoch.of(number, mean, score, seconds))
            if logits is not None and score is not None and score > self.best[model]:
                self.best[model] = score
                result.val_logits = logits[model].T.contiguous()
            elif self.validated or number < config.epochs:
                continue
            result.best_epoch = number
            for best_rows, rows in zip(self.weights, self.models.parameters.rows, strict=True):
                best_rows[model] = rows[model]
        return None in self.failures

    def check_weights(self) -> None:
        """Fail the models whose chosen weights are not finite, such as after the last step."""
        for model, result in enumerate(self.results):
            finite = all(bool(rows[model].isfinite().all()) for rows in self.weights)
            if self.failures[model] is None and not finite:
                self.failures[model] = Diverged(NO_WEIGHTS.format(result.best_epoch))

    def _step(self, index: Tensor, share: Tensor) -> tuple[BatchedTerms, Tensor]:
        """Compute the gradients of a batch, its loss, and the hits of each model.

        Args:
            index: of labelled samples, (R, B).
            share: of transfer samples, (R, S).
        """
        labelled, count = index.shape[1], index.shape[1] + share.shape[1]
        # The index of a zero sample.
        padded = torch.full((self.size, round_up(count)), self.samples + self.unlabelled)
        padded[:, :labelled] = index
        padded[:, labelled:count] = self.samples + share
        logits, features = self.models.forward(self.inputs.take(padded), count)
        teacher_features = (
            None if self.teacher_features is None else self.teacher_features.take(padded)
        )
        given = logits, features, self.targets.take(padded), teacher_features
        terms = losses(self.objective, *given, count, labelled)
        self.models.backward(terms.for_logits, terms.for_features, terms.factor)
        labels = self.labels.gather(1, index)
        return terms, (logits[..., :labelled].max(1).indices == labels).sum(1)


class _Sums:
    """Values of the steps of an epoch."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.found: dict[str, list[Tensor]] = {}

    def add(self, terms: BatchedTerms, hits: Tensor, count: int) -> None:
        self.counts.append(count)
        for name, values in {**terms.by_name(), "accuracy": hits.double() / count}.items():
            self.found.setdefault(name, []).append(values)

    def means(self, samples: int) -> dict[str, list[float]]:
        """Means over the samples by name, for every model."""
        counts = torch.tensor(self.counts, dtype=torch.float64)
        return {
            name: ((torch.stack(steps, 1) * counts).sum(1) / samples).tolist()
            for name, steps in self.found.items()
        }
