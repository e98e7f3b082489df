"""Makes a `Dataset` of a user's arrays: checks them, and splits off a test set."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_study.common.errors import InputError, StudyWarning, safe_repr
from qkd_study.data.dataset import Dataset, Floats, Ints
from qkd_study.data.finite import finite_floats

#: The share of a user's samples that is the test set, if none is given.
TEST_SHARE = 0.25
_SPLIT_SEED = 20_26
#: The possible maxima of integer images: of bits, of scikit-learn's digits, of 8 and of 16 bits.
MAX_VALUES = (1, 16, 255, 65_535)
#: Numbers of channels that are recognised on the last axis: grey, or colour.
CHANNELS = (1, 3)

#: What regression and tasks of several labels are told.
ONE_CLASS = "Regression targets and several labels per sample are outside of what a study can do"
#: Samples and classes, unchecked; both `None` if there are none.
Pair = tuple[Any, Any]
_Labels = NDArray[Any]


def build(
    who: str,
    name: str,
    samples: Pair,
    test: Pair,
    test_share: float = TEST_SHARE,
    divide_by: float | None = None,
    *,
    standardise: bool = False,
    names: Sequence[str] | None = None,
) -> Dataset:
    """Make a dataset of a user's arrays.

    Args:
        who: the beginning of every message: the dataset or the file.
        name: of the dataset.
        samples: x (n, *shape), y (n,).
        test: the same of a test set, or `None` twice to split one off.
        test_share: the share of every class that is split off.
        divide_by: the divisor of samples when they are used; `None`: the largest value that
            integer images may have, and 1 for other data.
        standardise: see `standardised`; in place of a divisor.
        names: of the classes, by the integers in y; `None`: the classes are their own names.

    Raises:
        InputError: x has values that are not finite numbers, or samples without 1 to 3 axes; y has
            invalid classes, or only one; the lengths differ; the test set differs in shape or has
            other classes; a class is too small to be split.
    """
    if not isinstance(standardise, bool):
        raise InputError(f"{who}: standardise is True or False, but got {safe_repr(standardise)}.")
    if standardise and divide_by is not None:
        raise InputError(
            f"{who}: standardise=True and divide_by={safe_repr(divide_by)} exclude each other: "
            f"standardised samples have a mean of 0 and a standard deviation of 1 whatever they "
            f"were divided by. Leave one out."
        )
    divisor = 1 if standardise else _divisor(who, (samples[0], test[0]), divide_by)
    x, labels = _pair(who, "x", "y", *samples)
    values = np.unique(labels)
    if len(values) < 2:
        raise InputError(f"{who}: y holds {values.tolist()} only. Allowed: 2 classes or more.")
    y = np.searchsorted(values, labels).astype(np.int64)
    known_as = class_names(who, values, names)
    if test[0] is None and test[1] is None:
        pool, held = _split(who, y, values, test_share)
        x, test_x = x[pool], x[held]
        y, test_y = y[pool], y[held]
        moved = standardised(x, test_x) if standardise else Moved(x, test_x)
        counted = len(values), divisor, known_as
        return Dataset(name, moved.pool, y, moved.test, test_y, *counted, moved.mean, moved.spread)
    test_x, test_labels = _pair(who, "test_x", "test_y", *test)
    if test_x.shape[1:] != x.shape[1:]:
        raise InputError(
            f"{who}: samples of test_x have the shape {test_x.shape[1:]}, "
            f"but must have that of x, {x.shape[1:]}."
        )
    known = set(values.tolist())
    if unknown := [label for label in np.unique(test_labels).tolist() if label not in known]:
        raise InputError(
            f"{who}: test_y holds {safe_repr(unknown[0])}, which is no class of y. "
            f"Allowed: {_join_first(values.tolist())}."
        )
    test_y = np.searchsorted(values, test_labels).astype(np.int64)
    moved = standardised(x, test_x) if standardise else Moved(x, test_x)
    counted = len(values), divisor, known_as
    return Dataset(name, moved.pool, y, moved.test, test_y, *counted, moved.mean, moved.spread)


def class_names(who: str, values: _Labels, names: Sequence[str] | None) -> tuple[str, ...]:
    """The names of classes: those given by their integers, or the classes as text.

    Raises:
        InputError: classes that are text are given names, or an integer has none.
    """
    found = values.tolist()
    if names is None:
        return tuple(map(str, found))
    if not isinstance(found[0], int):
        raise InputError(
            f"{who}: class_names are those of integers in y, but y holds {safe_repr(found[0])}, "
            f"which is a name. Leave class_names out."
        )
    if odd := [value for value in found if not 0 <= value < len(names)]:
        raise InputError(
            f"{who}: class_names has {len(names)} names, but y holds {odd[0]}. Allowed: 0 to "
            f"{len(names) - 1}."
        )
    return tuple(names[value] for value in found)


class Moved(NamedTuple):
    """Samples of the pool and of the test set; and mean and spread, if they were standardised."""

    pool: Floats
    test: Floats
    mean: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()


def standardised(pool: Floats, test: Floats) -> Moved:
    """Subtract the mean of the pool and divide by its standard deviation, in both.

    For each feature of vectors, for each channel of colour images, and over all pixels of grey
    ones. What is constant in the pool is only shifted. The test set has no part in the numbers.

    Args:
        pool: (n, *shape).
        test: (t, *shape).
    """
    axes = {2: (0,), 3: (0, 1, 2), 4: (0, 2, 3)}[pool.ndim]
    mean = pool.mean(axes, np.float64, keepdims=True)
    spread = pool.std(axes, np.float64, keepdims=True)
    # A constant that is no binary fraction has a spread of rounding errors.
    spread[spread <= 1e-7 * np.abs(mean)] = 1
    moved = [((part - mean) / spread).astype(np.float32) for part in (pool, test)]
    numbers = (tuple(part.reshape(-1).tolist()) for part in (mean, spread))
    return Moved(*moved, *numbers)


def _divisor(who: str, given: Sequence[Any], divide_by: float | None) -> float:
    if divide_by is not None:
        real = isinstance(divide_by, float | int) and not isinstance(divide_by, bool)
        if not real or not 0 < divide_by < math.inf:
            raise InputError(
                f"{who}: divide_by must be a number > 0, but got {safe_repr(divide_by)}. It is "
                f"255 for "
                f"bytes of images, and 1 for samples to be used as they are."
            )
        return int(divide_by) if divide_by == int(divide_by) else divide_by
    arrays = [_array(who, "x", samples) for samples in given if samples is not None]
    images = all(x.ndim in (3, 4) and x.dtype.kind in "iu" and x.size for x in arrays)
    if not images or any(x.min() < 0 for x in arrays):
        return 1
    largest = max(x.max() for x in arrays)
    return next((max_value for max_value in MAX_VALUES if largest <= max_value), 1)


def _channels_first(who: str, name: str, x: Floats) -> Floats:
    """Images (n, channels, height, width); grey ones (n, height, width)."""
    first, last = (x.shape[axis] in CHANNELS for axis in (1, 3))
    if first and last:
        warnings.warn(
            f"{who}: {name} has the shape {x.shape}, which is read as (samples, channels, height, "
            f"width). If the channels are the last axis, move it: numpy.moveaxis({name}, -1, 1).",
            StudyWarning,
            stacklevel=2,
        )
    if not first and not last and x.shape[3] == 4 and x.shape[1] > 4:
        warnings.warn(
            f"{who}: {name} has the shape {x.shape}, which is read as {x.shape[1]} channels of "
            f"{x.shape[2]}x{x.shape[3]} pixels. If the last axis has the channels, move it: "
            f"numpy.moveaxis({name}, -1, 1); or keep the colours only: {name}[..., :3].",
            StudyWarning,
            stacklevel=2,
        )
    ordered = np.moveaxis(x, 3, 1) if last and not first else x
    return np.ascontiguousarray(ordered[:, 0] if ordered.shape[1] == 1 else ordered)


def _pair(who: str, x_name: str, y_name: str, x: Any, y: Any) -> tuple[Floats, _Labels]:
    for name, value in ((x_name, x), (y_name, y)):
        if value is None:
            raise InputError(f"{who}: {name} is missing. Give {x_name} and {y_name}.")
    samples, labels = _samples(who, x_name, x), _labels(who, y_name, y)
    if len(samples) != len(labels):
        raise InputError(
            f"{who}: {x_name} has {len(samples)} samples and {y_name} has {len(labels)} labels. "
            f"Give one label per sample."
        )
    return samples, labels


def _array(who: str, name: str, given: Any, kind: type | None = None) -> NDArray[Any]:
    try:
        return np.asarray(given, dtype=kind)
    except (ValueError, TypeError, RuntimeError) as error:  # the last by tensors with gradients
        raise InputError(f"{who}: {name} is no array: {error}.") from None


def _samples(who: str, name: str, given: Any) -> Floats:
    x = _array(who, name, given)
    if x.dtype.kind not in "biuf":
        raise InputError(f"{who}: {name} has the type {x.dtype}. Allowed: real numbers.")
    if not 2 <= x.ndim <= 4 or 0 in x.shape:
        raise InputError(
            f"{who}: {name} has the shape {x.shape}. Allowed: (samples, features), (samples, "
            f"height, width), (samples, channels, height, width) or (samples, height, width, 1 or "
            f"3 channels), with at least 1 of each."
        )
    numbers = finite_floats(who, name, x, "Remove or fill in such samples first.")
    return _channels_first(who, name, numbers) if numbers.ndim == 4 else numbers


def _labels(who: str, name: str, given: Any) -> _Labels:
    """Labels as int64 or text (n,)."""
    # Lists are read as objects: numpy would turn numbers beside text into text.
    y = _array(who, name, given, object if isinstance(given, list | tuple) else None)
    if y.ndim != 1:
        raise InputError(
            f"{who}: {name} has the shape {y.shape}. Allowed: (samples,), a class each. "
            f"{ONE_CLASS}."
        )
    if y.dtype.kind == "O" and len({isinstance(label, str) for label in y}) <= 1:
        with contextlib.suppress(ValueError):  # nested lists of uneven lengths
            y = np.array(y.tolist())
    if y.ndim == 1 and y.dtype.kind in "biuU":
        return y if y.dtype.kind == "U" else y.astype(np.int64)
    if y.ndim == 1 and y.dtype.kind == "f":
        odd = np.flatnonzero(~((np.abs(y) < 2.0**53) & (np.floor(y) == y)))
        if not len(odd):
            return y.astype(np.int64)
    else:
        odd = np.array([i for i, label in enumerate(y) if not isinstance(label, int)])
    at = int(odd[0]) if len(odd) else 0
    raise InputError(
        f"{who}: {name} holds {safe_repr(y.tolist()[at])} at [{at}]. Allowed: classes as integers, "
        f"or all as text. {ONE_CLASS}."
    )


def _split(who: str, y: Ints, values: _Labels, share: float) -> tuple[Ints, Ints]:
    """Indices of a pool and of a test set with `share` of every class, the same every time."""
    real = isinstance(share, float | int) and not isinstance(share, bool)
    if not real or not 0 < share < 1:
        raise InputError(
            f"{who}: test_share must be a number between 0 and 1, but got {safe_repr(share)}."
        )
    rng = np.random.RandomState(_SPLIT_SEED)
    held = []
    for label, value in enumerate(values.tolist()):
        members = rng.permutation(np.flatnonzero(y == label))
        if len(members) < 2:
            raise InputError(
                f"{who}: class {value!r} has 1 sample, but needs 2, one of them for the test set. "
                f"Remove it, or give a test set."
            )
        held.append(members[: min(max(round(share * len(members)), 1), len(members) - 1)])
    test = np.sort(np.concatenate(held)).astype(np.int64)
    return np.setdiff1d(np.arange(len(y), dtype=np.int64), test), test


def _join_first(values: Sequence[object], most: int = 10) -> str:
    listed = ", ".join(repr(value) for value in values[:most])
    return listed + (", ..." if len(values) > most else "")
