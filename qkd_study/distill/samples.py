"""The samples of a replicate: drawn, and split into those of student, teacher and validation."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from qkd_study.data import Dataset, Draw, draw, noisy_labels
from qkd_study.study.config import Config


class Samples(NamedTuple):
    """Samples with labels.

    Attributes:
        inputs: float32 (n, ...).
        labels: int64 (n,).
    """

    inputs: Tensor
    labels: Tensor


def drawn(config: Config, dataset: Dataset, replicate: int) -> Draw:
    """The positions in the pool of a replicate's samples."""
    return draw(
        dataset,
        config.samples,
        config.teacher_samples,
        config.validation_samples,
        config.transfer_samples or 0,
        seed=config.seed,
        replicate=replicate,
    )


def transfer_inputs(config: Config, dataset: Dataset, replicate: int) -> Tensor | None:
    """The transfer samples of a replicate, float32 (T, ...); `None` if there are none."""
    if not config.transfer_samples:
        return None
    index = drawn(config, dataset, replicate).transfer
    return torch.from_numpy(dataset.pool_inputs(index))


def sample_splits(
    config: Config, dataset: Dataset, replicate: int
) -> tuple[Samples, Samples, Samples]:
    """The student's K training samples, the teacher's M, and the validation samples.

    Wrong labels, if any, are the same for teacher and student; validation labels are not changed.
    """
    index = drawn(config, dataset, replicate)
    labels = dataset.pool_labels[index.teacher]
    if config.label_noise:
        labels = noisy_labels(
            labels, config.label_noise, dataset.classes, seed=config.seed, replicate=replicate
        )
    teacher = Samples(
        torch.from_numpy(dataset.pool_inputs(index.teacher)), torch.from_numpy(labels)
    )
    student = Samples(teacher.inputs[: config.samples], teacher.labels[: config.samples])
    validation = Samples(
        torch.from_numpy(dataset.pool_inputs(index.validation)),
        torch.from_numpy(dataset.pool_labels[index.validation]),
    )
    return student, teacher, validation
