"""Sizes of features that models can be trained on, and a warning for data with other sizes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from qkd_study.data import Dataset

_BYTE = 255


@dataclass(frozen=True)
class Sizes:
    """Mean absolute values that the largest feature of a dataset may have.

    Attributes:
        of: the model or embedding, for messages.
        low, high: beyond them training fails, or features cannot be distinguished.
    """

    of: str
    low: float
    high: float


def misfit(dataset: Dataset, expected: Iterable[Sizes]) -> str | None:
    """A warning if features are far larger or smaller than expected; `None` if not."""
    low, high, size = dataset.extent()
    sizes = list(expected)
    large = min(sizes, key=lambda one: (one.high, one.of), default=None)
    small = max(sizes, key=lambda one: (one.low, one.of), default=None)
    if large is not None and size > large.high:
        wrong, limit = f"too large for {large.of}", f"up to {large.high:.3g} on average"
    elif small is not None and size < small.low:
        wrong, limit = f"too small for {small.of}", f"{small.low:g} or more on average"
    else:
        return None
    remedy = (
        f"divide them: Arrays(..., divide_by={_BYTE}), or of DataFile"
        if low >= 0 and _BYTE / 2 < high <= _BYTE
        else "subtract each feature's mean and divide by its standard deviation: Arrays(..., "
        "standardise=True), or of DataFile, or give either a divide_by"
    )
    return (
        f"{dataset.name}: features lie between {low:.4g} and {high:.4g}, the largest with an "
        f"absolute value of {size:.3g} on average, which is far {wrong} ({limit}); {remedy}."
    )
