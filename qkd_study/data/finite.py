"""Turns numbers into 32 bits, and refuses those that are not finite there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_study.common.errors import InputError
from qkd_study.data.dataset import Floats


def finite_floats(who: str, name: str, array: NDArray[Any], advice: str) -> Floats:
    """A copy as float32, in C order.

    Args:
        who, name: the beginning of the message: a dataset or file, and its array.
        array: of real numbers, any shape.
        advice: the end of the message: what to do.

    Raises:
        InputError: a number is not finite, or too large for 32 bits.
    """
    with np.errstate(over="ignore"):  # too large values become infinite: an error below
        numbers = np.array(array, dtype=np.float32, order="C")
    finite = np.isfinite(numbers)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise InputError(
            f"{who}: {name} holds {array[where]} at {list(where)}. Allowed: finite numbers that "
            f"fit into 32 bits. {advice}"
        )
    return numbers
