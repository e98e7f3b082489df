"""How a gain changes with the number K of training samples, and how many samples it saves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from qkd_study.analysis.statistics.intervals import mean_interval, t_weights
from qkd_study.analysis.statistics.samples import Reals, finite, mean_p, share

Bound = Literal["=", ">", "<"]


@dataclass(frozen=True)
class Slope:
    """Change of the gain per doubling of K, in the scores' unit.

    Attributes:
        slope: mean over replicates.
        low, high: t interval of it; nan if n < 2.
        p: two-sided, of no change; nan if n < 2.
        n: replicates.
    """

    slope: float
    low: float
    high: float
    p: float
    n: int


def slope_per_doubling(amounts: ArrayLike, gains: ArrayLike, *, confidence: float = 0.95) -> Slope:
    """The least-squares slope of the gain on log2 K, replicate by replicate, then averaged.

    The K samples of a replicate are part of those of any larger K, so its gains are not independent
    points; its slope is one number, independent of other replicates'. Student's t then holds
    (summary measures: Matthews et al., BMJ 300:230, 1990).

    Args:
        amounts: (m,), K, rising.
        gains: (replicates, m), treated - control.
        confidence: nominal coverage.

    Raises:
        ValueError: if shapes disagree, there are fewer than two amounts or no replicates, amounts
            do not rise from above zero, a gain is not finite, or confidence is not between 0 and 1.
    """
    share("confidence", confidence)
    sizes, (values,) = _by_amount(amounts, gains=gains)
    x = np.log2(sizes) - np.log2(sizes).mean()
    slopes = values @ x / (x @ x)
    found = mean_interval(slopes, confidence)
    low, high = found.low, found.high
    return Slope(found.mean, low, high, mean_p(slopes), found.count)


@dataclass(frozen=True)
class Efficiency:
    """Data-efficiency factors; one entry per K.

    Attributes:
        amounts: K.
        factor: samples that the baseline needs for the distilled student's mean score, over K.
        bound: `=`; `>` if the baseline never reaches the score: factor is that of its largest K,
            and the true one is larger; `<` if its smallest K is better already: factor is that of
            the smallest K, and the true one is smaller.
        low, high: interval of the factor. 0 and inf are open ends, where the baseline's
            curve ends. nan if n < 2.
        n: replicates.
    """

    amounts: tuple[float, ...]
    factor: tuple[float, ...]
    bound: tuple[Bound, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    n: int


def data_efficiency(
    amounts: ArrayLike,
    baseline: ArrayLike,
    distilled: ArrayLike,
    *,
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = 9999,
) -> Efficiency:
    """How many times K the baseline needs to reach the distilled student's score with K.

    The baseline's mean scores are made monotone in K by isotonic regression and joined by straight
    lines over log K; the smallest K that reaches the score counts, so on a flat piece the factor is
    conservative. Nothing is extrapolated. The interval takes percentiles over draws of the means
    (`t_weights`), both arms and all K of a replicate together; a draw beyond the curve counts as
    open-ended, not as the curve's end. A nominal 95% held the true factor in 95% to 97% of
    simulations at n = 5, 10 and 20 (benchmarks/coverage.py).

    Args:
        amounts: (m,), K, rising.
        baseline, distilled: (replicates, m), scores, more is better; the same replicates.
        confidence: nominal coverage.
        seed, resamples: of the draws.

    Raises:
        ValueError: if shapes disagree, there are fewer than two amounts or no replicates, amounts
            do not rise from above zero, a score is not finite, confidence is not between 0 and 1,
            or resamples is not positive.
    """
    share("confidence", confidence)
    if resamples < 1:
        raise ValueError(f"resamples must be positive, but is {resamples}")
    sizes, (theirs, ours) = _by_amount(amounts, baseline=baseline, distilled=distilled)
    n = len(theirs)
    drawn = t_weights(n, resamples, seed) if n > 1 else np.ones((resamples, 1))
    weights = np.concatenate([np.full((1, n), 1 / n), drawn])  # the first row is the data
    least, most = _needed(sizes, increasing(weights @ theirs), weights @ ours)
    least, most = least / sizes, most / sizes
    tail = int((1 - confidence) / 2 * (resamples - 1))
    low = np.sort(least[1:], axis=0)[tail]
    high = np.sort(most[1:], axis=0)[resamples - 1 - tail]
    if n < 2:
        low, high = np.full_like(low, np.nan), np.full_like(high, np.nan)
    bound: list[Bound] = [
        ">" if np.isinf(b) else "<" if a == 0 else "="
        for a, b in zip(least[0], most[0], strict=True)
    ]
    factor = np.where(np.isinf(most[0]), least[0], most[0])
    return Efficiency(
        amounts=tuple(sizes.tolist()),
        factor=tuple(factor.tolist()),
        bound=tuple(bound),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        n=n,
    )


def increasing(curves: Reals) -> Reals:
    """The nearest curves that never fall, by least squares with equal weights.

    g_i = max over j <= i of min over k >= i of the mean of y_j..y_k (Robertson, Wright & Dykstra,
    Order Restricted Statistical Inference, 1988, section 1.4), for all curves at once.

    Args:
        curves: (count, m).
    """
    m = curves.shape[1]
    sums = np.concatenate([np.zeros((len(curves), 1)), np.cumsum(curves, axis=1)], axis=1)
    found = np.full_like(curves, -np.inf)
    for j in range(m):
        means = (sums[:, j + 1 :] - sums[:, j : j + 1]) / np.arange(1, m - j + 1)
        lowest = np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]
        found[:, j:] = np.maximum(found[:, j:], lowest)
    return found


def _needed(sizes: Reals, curves: Reals, scores: Reals) -> tuple[Reals, Reals]:
    """The samples that curves (count, m) need for scores (count, m): at least, at most."""
    close = 1e-12 * max(np.abs(curves).max(), np.abs(scores).max())  # sums round
    reached = curves[:, None, :] >= scores[:, :, None] - close  # count, score, size
    beyond = ~reached.any(axis=2)
    before = ~beyond & (curves[:, :1] > scores + close)
    right = np.where(beyond, len(sizes) - 1, reached.argmax(axis=2))
    left = np.maximum(right - 1, 0)
    y0, y1 = np.take_along_axis(curves, left, axis=1), np.take_along_axis(curves, right, axis=1)
    part = np.clip((scores - y0) / np.where(y1 > y0, y1 - y0, 1.0), 0.0, 1.0)
    inside = sizes[left] * (sizes[right] / sizes[left]) ** part
    return (
        np.where(before, 0.0, np.where(beyond, sizes[-1], inside)),
        np.where(before, sizes[0], np.where(beyond, np.inf, inside)),
    )


def _by_amount(amounts: ArrayLike, **tables: ArrayLike) -> tuple[Reals, list[Reals]]:
    sizes = finite("amounts", amounts, 1)
    if len(sizes) < 2 or sizes[0] <= 0 or (np.diff(sizes) <= 0).any():
        raise ValueError(
            f"amounts must be two or more that rise from above zero, but are {sizes.tolist()}"
        )
    values = {name: finite(name, table, 2) for name, table in tables.items()}
    shapes = {name: value.shape for name, value in values.items()}
    rows = min(shape[0] for shape in shapes.values())
    if rows == 0 or set(shapes.values()) != {(rows, len(sizes))}:
        raise ValueError(
            f"tables need the shape (replicates, {len(sizes)}), but theirs are {shapes}"
        )
    return sizes, list(values.values())
