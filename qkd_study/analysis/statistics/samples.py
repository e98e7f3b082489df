"""Shared by the tests: checked arrays, one-sided t tests, exact sign-flip tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Reals = NDArray[np.float64]

#: Differences closer than this share of the largest score are equal.
ROUNDING = 1e-12

#: Values that spread less than this share of their mean give a t test no scale to trust: its p
#: would rest on the tails of a normal distribution a hundred standard deviations out.
NEARLY_EQUAL = 0.01
#: Differences closer than this share of the largest are equal: 0.3 - 0.2 and 0.2 - 0.1 are.
EQUAL = 1e-9


def finite(name: str, values: ArrayLike, dimensions: int) -> Reals:
    """The values as an array of so many dimensions.

    Raises:
        ValueError: if it has other dimensions, or if a value is nan or infinite.
    """
    array = np.asarray(values, dtype=float)
    if array.ndim != dimensions:
        raise ValueError(f"{name} needs {dimensions} dimensions, but has the shape {array.shape}")
    for where in np.argwhere(~np.isfinite(array)):
        at = tuple(int(i) for i in where)
        raise ValueError(f"{name} must be finite, but is {array[at]} at {at}")
    return array


def rounded_differences(treated: Reals, control: Reals) -> Reals:
    """treated - control, where what is closer than rounding is equal.

    0.3 - 0.2 is not 0.2 - 0.1 in floats.

    Args:
        treated, control: (n,).
    """
    found = treated - control
    if len(found) == 0:
        return found
    rounding = ROUNDING * max(np.abs(treated).max(), np.abs(control).max())
    found[np.abs(found) <= rounding] = 0.0
    if np.ptp(found) <= rounding:
        found[:] = found[0]
    return found


def share(name: str, value: float) -> None:
    """Check that a value is strictly between 0 and 1.

    Raises:
        ValueError: if it is not.
    """
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, but is {value}")


def constant(values: Reals) -> bool:
    """Whether all values are equal but for rounding."""
    return bool(np.ptp(values) <= EQUAL * np.abs(values).max())


def greater_p(values: Reals) -> float:
    """One-sided p of the null hypothesis that the mean is zero or less.

    Student's t test. Values that are equal, or all within 1 % of their mean, give it no scale; for
    them the exact sign-flip test, which for n positive values is 2^-n: five equal differences prove
    no more than five signs do.

    Args:
        values: (n,).

    Returns:
        p; nan if n < 2.
    """
    n = len(values)
    if n < 2:
        return float("nan")
    mean = values.mean()
    if constant(values) or np.ptp(values) <= NEARLY_EQUAL * abs(mean):
        return float(2.0**-n if mean > 0 else 1.0)
    return float(special.stdtr(n - 1, -mean / (values.std(ddof=1) / np.sqrt(n))))


def mean_p(values: Reals) -> float:
    """Two-sided p of the null hypothesis that the mean is zero, like `greater_p`."""
    n = len(values)
    return float("nan") if n < 2 else min(1.0, 2 * min(greater_p(values), greater_p(-values)))


def sign_flip_p(scores: NDArray[np.int64]) -> float:
    """Exact two-sided p of the sum of scores if each sign were a fair coin.

    The sum over all 2^n sign patterns is found by adding one score after the other to the
    distribution of the sum (Fisher, The Design of Experiments, 1935, section 21), in a time that
    grows with n times the sum of the magnitudes. Ties need no correction, zeros change nothing.

    Args:
        scores: (n,), signed.

    Returns:
        The share of patterns whose sum is at least as far from zero; 1 without scores.
    """
    sizes = np.abs(scores)
    sizes = sizes // max(1, np.gcd.reduce(sizes))
    total = int(sizes.sum())
    chance = np.zeros(total + 1)  # of each sum of the scores that came out positive
    chance[0] = 1.0
    for size in sizes[sizes > 0]:
        flipped = np.zeros_like(chance)
        flipped[size:] = chance[:-size]
        chance = (chance + flipped) / 2
    sums = np.abs(2 * np.arange(total + 1) - total)
    seen = abs(int((sizes * np.sign(scores)).sum()))
    return min(1.0, float(chance[sums >= seen].sum()))
