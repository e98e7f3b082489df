"""Whether validation accuracy was still rising when training ended."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

#: The part of the epochs at the end of training that is looked at.
LATE = 0.2
#: A line needs so many validated epochs.
FEWEST = 3


def late_rise(epochs: ArrayLike, accuracies: ArrayLike) -> float:
    """What a run gained over the last fifth of its epochs: a least-squares line's rise.

    The line goes through all validated epochs of that fifth, so that the noise of single epochs
    counts less than in the difference of two. If fewer than three are validated there, the last
    three count.

    Args:
        epochs: (n,), of the validated epochs, increasing, counted from 1.
        accuracies: (n,), the validation accuracy after each.

    Returns:
        The slope of the line times a fifth of the epochs, in the unit of the accuracies; nan below
        three validated epochs.

    Raises:
        ValueError: the lengths differ, or the epochs do not increase.
    """
    at, values = np.asarray(epochs, dtype=float), np.asarray(accuracies, dtype=float)
    if at.shape != values.shape:
        raise ValueError(f"{len(values)} accuracies of {len(at)} epochs")
    if np.any(np.diff(at) <= 0):
        raise ValueError(f"epochs must increase, but are {at.tolist()}")
    if len(at) < FEWEST:
        return float("nan")
    late = at > (1 - LATE) * at[-1]
    late[-FEWEST:] = True
    centred = at[late] - at[late].mean()
    slope = centred @ values[late] / (centred @ centred)
    return float(slope * LATE * at[-1])
