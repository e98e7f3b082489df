"""Compares epochs to a target, which some runs never reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qkd_study.analysis.statistics.intervals import mean_interval
from qkd_study.analysis.statistics.samples import mean_p, share


@dataclass(frozen=True)
class EpochsCompared:
    """Epochs to a target in two arms, none counted beyond the limit.

    Attributes:
        treated, control: restricted mean: the mean of min(epochs, limit), in epochs. It is no mean
            time to the target, which is unknown as long as some have not reached it.
        difference: treated - control, paired; negative if treated is faster.
        low, high: t interval of the difference; nan if n < 2.
        treated_reached, control_reached: share of replicates that reach the target by the limit.
        p: two-sided, Student's paired t test, as of every contrast; nan if n < 2.
        limit: in epochs.
        n: pairs.
    """

    treated: float
    control: float
    difference: float
    low: float
    high: float
    treated_reached: float
    control_reached: float
    p: float
    limit: int
    n: int


def compare_epochs(
    treated: Sequence[float | None],
    control: Sequence[float | None],
    limit: int,
    *,
    confidence: float = 0.95,
) -> EpochsCompared:
    """Compare epochs to a target, paired, where some are censored at a common limit.

    The restricted mean, the area up to the limit under the curve of those not yet there, is defined
    without a guess of when the others would arrive (Royston & Parmar, BMC Med. Res. Methodol.
    13:152, 2013). All replicates were observed for `limit` epochs, so min(epochs, limit) is known
    of each, and its plain mean is an unbiased estimate. What would have happened beyond the limit
    is not judged.

    Args:
        treated, control: (n,), the first epoch at the target, counted from 1, of the same
            replicates in the same order; `None` or inf if not reached. An epoch beyond the limit
            counts as not reached.
        limit: the epochs that every replicate of both arms was trained for, or fewer.
        confidence: nominal coverage.

    Raises:
        ValueError: if lengths differ or are zero, an epoch is not a whole number from 1, or limit
            is not positive.
    """
    share("confidence", confidence)
    if limit < 1:
        raise ValueError(f"limit must be at least 1, but is {limit}")
    if len(treated) != len(control) or len(treated) == 0:
        raise ValueError(
            f"pairs are needed, but there are {len(treated)} treated, {len(control)} control"
        )
    n = len(treated)
    ours, ours_reached = _restricted("treated", treated, limit)
    theirs, theirs_reached = _restricted("control", control, limit)
    differences = ours - theirs
    found = mean_interval(differences, confidence)
    return EpochsCompared(
        treated=float(ours.mean()),
        control=float(theirs.mean()),
        difference=found.mean,
        low=found.low,
        high=found.high,
        treated_reached=float(ours_reached.mean()),
        control_reached=float(theirs_reached.mean()),
        p=mean_p(differences.astype(float)),
        limit=limit,
        n=n,
    )


def _restricted(
    name: str, epochs: Sequence[float | None], limit: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """min(epochs, limit), and whether the target was reached by then."""
    times = np.array([np.inf if epoch is None else epoch for epoch in epochs], dtype=float)
    wrong = ~((times >= 1) & ((times == np.floor(times)) | np.isinf(times)))
    if wrong.any():
        raise ValueError(f"{name} needs whole epochs from 1 or None, but has {times[wrong][0]}")
    return np.minimum(times, limit).astype(np.int64), times <= limit
