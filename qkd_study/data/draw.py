"""Draws the samples of a replicate: K for the student, M for the teacher, a validation set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qkd_study.common.errors import InputError
from qkd_study.common.seeds import generator
from qkd_study.data.dataset import Dataset, Ints


@dataclass(frozen=True, eq=False)
class Draw:
    """Indices into a dataset's pool; `teacher` begins with `student`.

    Attributes:
        student: int64 (K,).
        teacher: int64 (M,), with M >= K.
        validation: int64 (V,), disjoint from both.
        transfer: int64 (T,), disjoint from `student` and `validation`.
    """

    student: Ints
    teacher: Ints
    validation: Ints
    transfer: Ints


def check_draw(
    dataset: Dataset, samples: int, teacher_samples: int, validation: int, transfer: int = 0
) -> None:
    """Check that such a draw exists.

    Raises:
        InputError: there are fewer samples than classes, M < K, or too many for the pool.
    """
    if samples < dataset.classes:
        raise InputError(
            f"samples={samples} is too few: {dataset.name} has {dataset.classes} classes, "
            f"and a stratified draw of fewer would leave some out."
        )
    if teacher_samples < samples:
        raise InputError(
            f"teacher_samples={teacher_samples} must be >= samples={samples}: "
            f"the teacher sees the student's samples, and more if it is given more."
        )
    limit = len(dataset.pool_labels) - validation
    for name, value in (("samples", samples), ("teacher_samples", teacher_samples)):
        if value > limit:
            raise InputError(
                f"{name}={value} is larger than the dataset: {dataset.name} has "
                f"{len(dataset.pool_labels)} samples to draw from, of which validation_samples="
                f"{validation} are held out. Allowed: up to {max(limit, 0)}."
            )
    if samples + transfer > limit:
        raise InputError(
            f"transfer_samples={transfer} is larger than what is left: {dataset.name} has "
            f"{len(dataset.pool_labels)} samples to draw from, of which validation_samples="
            f"{validation} are held out and samples={samples} have labels. Allowed: up to "
            f"{limit - samples}."
        )


def draw(
    dataset: Dataset,
    samples: int,
    teacher_samples: int,
    validation: int,
    transfer: int = 0,
    *,
    seed: int,
    replicate: int,
) -> Draw:
    """Draw a replicate's samples, stratified by class and without repetition.

    The number of samples of a class differs by less than 2 from K times its share of the dataset,
    so a small class may be missing from a small draw.

    The draws of one replicate are nested: a larger draw begins with a smaller one, so that
    differences between values of K are paired too.

    Args:
        samples: K.
        teacher_samples: M >= K.
        validation: V.
        transfer: T, samples whose labels are not used; they follow the K, so a teacher with more
            than K may know some of them.
        seed, replicate: fix the draw.

    Raises:
        InputError: the pool is too small (see `check_draw`).
    """
    check_draw(dataset, samples, teacher_samples, validation, transfer)
    order = _stratified_order(
        dataset.pool_labels, dataset.classes, generator(seed, replicate, "draw")
    )
    rest = order[validation:]
    unlabelled = rest[samples : samples + transfer]
    return Draw(rest[:samples], rest[:teacher_samples], order[:validation], unlabelled)


def noisy_labels(labels: Ints, share: float, classes: int, *, seed: int, replicate: int) -> Ints:
    """Replace a share of the labels by wrong ones, all equally likely (symmetric label noise).

    Every position has a random number in [0, 1) and a wrong class, which depend on seed and
    replicate only; its label is replaced if the number is below `share`. So nested draws (see
    `draw`) have the same wrong labels, and a larger share replaces all labels that a smaller one
    does, by the same classes.

    Args:
        labels: int64 (n,), in 0 .. classes - 1; they are not changed.
        share: in [0, 1]; expected, not exact.
        classes: how many there are, at least 2.
        seed, replicate: fix the noise.

    Returns:
        int64 (n,).

    Raises:
        InputError: the share is not in [0, 1], or there are fewer than 2 classes.
    """
    if not 0 <= share <= 1:
        raise InputError(f"the share of noisy labels must be from 0 to 1, but got {share!r}.")
    if classes < 2:
        raise InputError(f"noisy labels need at least 2 classes, but got {classes}.")
    # Row by row, so that the numbers of a position do not depend on how many follow.
    chance, other = generator(seed, replicate, "label noise").random((len(labels), 2)).T
    changed = np.flatnonzero(chance < share)
    shift = 1 + np.floor(other[changed] * (classes - 1)).astype(np.int64)
    noisy = labels.copy()
    noisy[changed] = (labels[changed] + shift) % classes
    return noisy


def _stratified_order(labels: Ints, classes: int, rng: np.random.Generator) -> Ints:
    """A random order of all indices such that every part of it is balanced by class.

    Each class spreads its shuffled members evenly over (0, 1), shifted by a random offset of its
    own; sorting by that position interleaves them.
    """
    position = np.empty(len(labels))
    offsets = (rng.permutation(classes) + rng.random(classes)) / classes
    for label in range(classes):
        members = rng.permutation(np.flatnonzero(labels == label))
        position[members] = (np.arange(len(members)) + offsets[label]) / max(len(members), 1)
    order = np.argsort(position)  # a third of the time of a stable sort
    if (np.diff(position[order]) == 0).any():
        order = np.argsort(position, kind="stable")
    return order.astype(np.int64)
