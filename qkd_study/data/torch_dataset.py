"""Reads a torch dataset into arrays, without importing torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qkd_study.common.errors import InputError, is_text, safe_repr
from qkd_study.data.arrays import Pair


def read_torch_dataset(dataset: Any, who: str) -> Pair:
    """The samples (n, *shape) and classes (n,) of a dataset, each read once.

    What its transforms draw at random is drawn once: every epoch sees the same samples.

    Args:
        dataset: a `torch.utils.data.Dataset` with a length; `dataset[i]` is a pair of a sample (a
            tensor, an array or a Pillow image) and a class.
        who: the beginning of every message.

    Raises:
        InputError: it has no length, is empty, or gives something else.
    """
    try:
        count = len(dataset)
        dataset.__getitem__  # noqa: B018
    except (TypeError, AttributeError, NotImplementedError):
        raise InputError(
            f"{who}: {type(dataset).__name__} has no length and no samples by number. Allowed: a "
            f"torch Dataset with both; collect the samples of an IterableDataset into a list first."
        ) from None
    if not count:
        raise InputError(f"{who}: {type(dataset).__name__} has no samples.")
    samples: list[np.ndarray[Any, Any]] = []
    labels = []
    for number in range(count):
        sample, label = _pair(dataset[number], number, who)
        if samples and sample.shape != samples[0].shape:
            raise InputError(
                f"{who}: sample {number} has the shape {sample.shape}, but sample 0 has "
                f"{samples[0].shape}. Samples must have one shape: resize or crop them."
            )
        samples.append(sample)
        labels.append(label)
    return np.stack(samples), labels


def names_in(dataset: Any) -> Sequence[str] | None:
    """The names of the classes of a dataset that has them as `classes`, as torchvision's have."""
    found = getattr(dataset, "classes", None)
    if isinstance(found, list | tuple) and found and all(map(is_text, found)):
        return tuple(found)
    return None


def _pair(given: Any, number: int, who: str) -> tuple[np.ndarray[Any, Any], Any]:
    if not isinstance(given, tuple | list) or len(given) != 2:
        what = f"a {type(given).__name__}"
        if isinstance(given, tuple | list):
            what += f" of {len(given)}"
        raise InputError(
            f"{who}: sample {number} is {what}. Allowed: pairs (sample, class), as "
            f"TensorDataset(x, y) gives them."
        )
    try:
        sample, label = np.asarray(given[0]), np.asarray(given[1])
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{who}: sample {number} is no array: {error}.") from None
    if label.ndim:
        raise InputError(
            f"{who}: the class of sample {number} has the shape {label.shape}. Allowed: one "
            f"integer or word per sample, not {safe_repr(label.tolist())}."
        )
    return sample, label.item()
