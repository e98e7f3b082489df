"""Checks of teachers that were trained elsewhere, before anything trains."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable
from math import exp, lgamma, log
from typing import TYPE_CHECKING

import numpy as np

from qkd_study.common.errors import InputError, StudyWarning, format_error, safe_repr
from qkd_study.data import Dataset
from qkd_study.data.dataset import Floats, Ints
from qkd_study.study.arms import Arm
from qkd_study.study.external import CachedTeacher, ExternalTeacher, FrozenTeacher
from qkd_study.study.models import Shape
from qkd_study.study.study import Study

if TYPE_CHECKING:  # a driver imports torch for modules alone
    from qkd_study.models import Model

#: Samples on which a module is tried, and on which its accuracy is measured, at most.
TRIED, MEASURED = 4, 2000
#: A warning has this chance, at most, for a teacher that has seen neither pool nor test set.
LEVEL = 0.001
#: Test samples without any error that are suspicious.
FLAWLESS = 100


def check_external(study: Study, dataset: Dataset) -> None:
    """Check the teachers of a study that were trained elsewhere against its dataset.

    It warns if one is better on test samples than it should be; see `suspicion`.

    Raises:
        InputError: one does not fit the samples or classes, lacks samples, or has no features
            although an arm compares them.
    """
    arms = [arm for arm in study.all_arms if arm.needs_teacher]
    for teacher in dict.fromkeys(study.setting.teacher_of(arm) for arm in arms):
        if not isinstance(teacher, ExternalTeacher):
            continue
        teacher.check({}, dataset.shape, dataset.classes)
        if isinstance(teacher, CachedTeacher):
            teacher.outputs.check(str(teacher.path), dataset)
        shape = external_features(teacher, dataset)
        taught = [arm for arm in arms if study.setting.teacher_of(arm) == teacher]
        _check_features(teacher, taught, shape)
        _warn_of_accuracy(teacher, dataset)


def _check_features(teacher: ExternalTeacher, arms: Iterable[Arm], shape: Shape) -> None:
    for arm in arms:
        if arm.compares("features") and 0 in shape:
            how = (
                "an array `features` (samples, ...) in its file"
                if isinstance(teacher, CachedTeacher)
                else "a module that returns a pair of logits and features"
            )
            raise InputError(
                f"arm {arm.name!r} compares feature maps, but {safe_repr(teacher)} has none. Give "
                f"it {how}, or take arms on logits alone, such as 'soft'."
            )


@functools.lru_cache(maxsize=16)
def external_features(teacher: ExternalTeacher, dataset: Dataset) -> Shape:
    """The shape of a sample's features; (0,) if there are none.

    Raises:
        InputError: the module fails on samples of the dataset.
    """
    if isinstance(teacher, CachedTeacher):
        return teacher.feature_shape({}, dataset.shape) or (0,)
    if not isinstance(teacher, FrozenTeacher):
        raise TypeError(f"{type(teacher).__name__} is no kind of teacher that is known")
    return _tried(teacher, dataset)


def _tried(teacher: FrozenTeacher, dataset: Dataset) -> Shape:
    """Try a module on a few samples; the shape of a sample's features."""
    shape = (TRIED, *dataset.shape)
    try:
        logits, features = _answers(_built(teacher), dataset.pool_inputs(np.arange(TRIED)))
    except Exception as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{safe_repr(teacher)} failed on {TRIED} samples, float32 of shape {shape}: "
            f"{format_error(error)}. If its module takes others, put it into a module that turns "
            f"samples into them."
        ) from None
    if logits.shape != (TRIED, dataset.classes):
        raise InputError(
            f"{safe_repr(teacher)} must return logits of shape {(TRIED, dataset.classes)} for "
            f"samples of shape {shape}, one number for each class of {dataset.name}, but returned "
            f"{logits.shape}. Put it into a module that takes the columns of these classes, in "
            f"their order."
        )
    if features.ndim < 2 or len(features) != TRIED:
        raise InputError(
            f"{safe_repr(teacher)} must return features of shape ({TRIED}, ...), a row for each "
            f"sample, but returned {features.shape}."
        )
    if not np.isfinite(logits).all() or not np.isfinite(features).all():
        raise InputError(
            f"{safe_repr(teacher)} returned numbers that are not finite for samples of "
            f"{dataset.name}. Check how its module scales samples."
        )
    return tuple(int(side) for side in features.shape[1:])


@functools.lru_cache(maxsize=4)
def _built(teacher: FrozenTeacher) -> Model:
    from qkd_study.models import seeded
    from qkd_study.models.external import build_frozen

    with seeded(0):
        return build_frozen(teacher)


def _answers(model: Model, samples: Floats) -> tuple[Floats, Floats]:
    """Logits and features of a module."""
    import torch

    from qkd_study.models import predict

    outputs = predict(model, torch.from_numpy(samples))
    return outputs.logits.numpy(), outputs.features.numpy()


def _warn_of_accuracy(teacher: ExternalTeacher, dataset: Dataset) -> None:
    """Warn if a teacher's accuracy says that it knows test samples, or has them in no order."""
    pool = _right(teacher, dataset, dataset.pool_labels, test=False)
    if pool is None:
        return
    hits, count = pool
    majority = int(np.bincount(dataset.pool_labels).max()) / len(dataset.pool_labels)
    if hits / count <= majority:
        warnings.warn(
            f"{safe_repr(teacher)} classifies {hits / count:.1%} of {count:,} pool samples of "
            f"{dataset.name} correctly, no more than the most frequent class has. Check the order "
            f"of its classes and samples.",
            StudyWarning,
            stacklevel=2,
        )
    test = _right(teacher, dataset, dataset.test_labels, test=True)
    if test is None:
        warnings.warn(
            f"{safe_repr(teacher)} has no logits for the test set, so metric.teacher_test_accuracy "
            f"and metric.teacher_agreement stay null, and nobody can see whether it knows test "
            f"samples. Add test_logits to its file.",
            StudyWarning,
            stacklevel=2,
        )
        return
    if why := suspicion(pool, test, teacher.reported_accuracy):
        warnings.warn(
            f"{safe_repr(teacher)} may have been trained on test samples of {dataset.name}: {why}. "
            f"What its students reach on the test set then says nothing of new samples. Find out "
            f"what it was trained on.",
            StudyWarning,
            stacklevel=2,
        )


def _right(
    teacher: ExternalTeacher, dataset: Dataset, labels: Ints, *, test: bool
) -> tuple[int, int] | None:
    """How many samples of pool or test set a teacher classifies correctly, and of how many.

    Of a module at most `MEASURED`, evenly spaced.
    """
    if isinstance(teacher, CachedTeacher):
        logits = teacher.outputs.by_test_sample() if test else teacher.outputs.by_sample()[0]
        if logits is None:
            return None
        return int((logits.argmax(1) == labels).sum()), len(labels)
    if not isinstance(teacher, FrozenTeacher):
        return None
    index = np.unique(np.linspace(0, len(labels) - 1, MEASURED).astype(np.int64))
    samples = dataset.test_inputs()[index] if test else dataset.pool_inputs(index)
    logits, _ = _answers(_built(teacher), samples)
    return int((logits.argmax(1) == labels[index]).sum()), len(index)


def suspicion(pool: tuple[int, int], test: tuple[int, int], reported: float | None) -> str | None:
    """Why a teacher may know the test samples; `None` if nothing says so.

    A teacher that has not seen the test set cannot be better there than on the pool, which it may
    have seen, or than its source says, but by chance. It is suspicious if it is, at a level of
    `LEVEL` by the one-sided test of Fisher, or the binomial test; and if it makes no error on
    `FLAWLESS` or more test samples.

    Args:
        pool, test: samples that it classifies correctly, and of how many.
        reported: its accuracy on test samples as its source says.
    """
    (hits, count), (right, tested) = pool, test
    of_test = f"it classifies {right / tested:.1%} of {tested:,} test samples correctly"
    if fisher(hits, count, right, tested) < LEVEL:
        return f"{of_test}, but only {hits / count:.1%} of {count:,} pool samples"
    if reported is not None and binomial(right, tested, reported) < LEVEL:
        return f"{of_test}, but its source reports {reported:.1%}"
    if right == tested >= FLAWLESS:
        return f"it makes no error on {tested:,} test samples"
    return None


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def fisher(hits: int, count: int, right: int, tested: int) -> float:
    """The chance of at least `right` of `tested` if all `hits + right` were spread at random."""
    total, both = count + tested, hits + right
    whole = _log_choose(total, tested)
    return sum(
        exp(_log_choose(both, x) + _log_choose(total - both, tested - x) - whole)
        for x in range(right, min(both, tested) + 1)
        if tested - x <= total - both
    )


def binomial(right: int, tested: int, share: float) -> float:
    """The chance of at least `right` of `tested` with the chance `share` each."""
    if share >= 1:
        return 1.0
    return sum(
        exp(_log_choose(tested, x) + x * log(share) + (tested - x) * log(1 - share))
        for x in range(right, tested + 1)
    )
