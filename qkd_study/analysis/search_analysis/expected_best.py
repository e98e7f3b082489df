"""The best validation score that a search of so many configurations is expected to find."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import gammaln

from qkd_study.analysis.search_analysis.configurations import CELL_ARM
from qkd_study.analysis.statistics.samples import Reals
from qkd_study.analysis.summary import TRIAL
from qkd_study.study.replicates import FIRST_WEAK_TRIAL, TRIALS_PER_SEARCH

#: A search had levelled off if the last third of its configurations gains less than this.
LEVEL = 0.005


def expected_maximum(scores: ArrayLike) -> Reals:
    """The expected largest of n of N scores, drawn without replacement, for n = 1 to N.

    The expected validation performance of Dodge et al. (2019, arXiv:1909.03004), without the bias
    of drawing with replacement (Tang et al. 2020, ACL, p. 2734): score i of the sorted ones is the
    largest with the probability (i - 1 choose n - 1) / (N choose n).

    Args:
        scores: (N,), in any order.

    Returns:
        (N,); the last is the largest score.

    Raises:
        ValueError: there is no score, or one is not finite.
    """
    values = np.sort(np.asarray(scores, dtype=float))
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"one or more finite scores are needed, but got {scores!r}")
    count = len(values)
    drawn, rank = np.arange(1, count + 1)[:, None], np.arange(1, count + 1)[None]
    possible = rank >= drawn
    smaller = np.where(possible, rank - 1, drawn - 1)
    logs = _log_choose(smaller, drawn - 1) - _log_choose(count, drawn)
    found: Reals = np.where(possible, np.exp(logs), 0.0) @ values
    return found


def _log_choose(n: Any, k: Any) -> Any:
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


def expected_best(runs: pd.DataFrame) -> pd.DataFrame:
    """The expected best validation score against the number of configurations.

    Of all that a search suggested, also those that were stopped, which count with the mean of the
    replicates that were run. The configuration that an arm has from the baseline was chosen, not
    drawn, and is left out; so are those without any score. A sampler that learns finds more in its
    later configurations than these curves, which draw from all alike.

    Args:
        runs: the `runs` table.

    Returns:
        cell, arm, n (configurations, from 1), best (expected, the mean over searches; as far as
        all searches of the cell and arm have so many), and searches.
    """
    suggested = runs["trial"] % TRIALS_PER_SEARCH < FIRST_WEAK_TRIAL
    rows = runs[(runs["phase"] == "search") & suggested]
    scores = rows.groupby(TRIAL)["metric.val_accuracy"].mean().dropna().reset_index()
    scores["search"] = scores["trial"] // TRIALS_PER_SEARCH
    found = []
    for (cell, arm), own in scores.groupby(CELL_ARM, sort=False):
        curves = [
            expected_maximum(of_search["metric.val_accuracy"])
            for _, of_search in own.groupby("search")
        ]
        shortest = min(map(len, curves))
        mean = np.mean([curve[:shortest] for curve in curves], axis=0)
        searches = len(curves)
        found += [(cell, arm, n, float(best), searches) for n, best in enumerate(mean, 1)]
    return pd.DataFrame(found, columns=[*CELL_ARM, "n", "best", "searches"])


def levelling(curves: pd.DataFrame) -> pd.DataFrame:
    """What the last third of the configurations is expected to gain.

    Args:
        curves: of `expected_best`.

    Returns:
        cell, arm, configurations, first (the expected score of one), best (of all), gain (of the
        last third, rounded down but at least one, over the rest), and climbing: whether that is
        more than half a point of accuracy. Without three configurations gain is nan.
    """
    found = []
    for (cell, arm), own in curves.groupby(CELL_ARM, sort=False):
        best = own["best"].to_numpy()
        last = len(best) // 3
        gain = float(best[-1] - best[-1 - last]) if last else math.nan
        found.append((cell, arm, len(best), best[0], best[-1], gain, gain > LEVEL))
    columns = [*CELL_ARM, "configurations", "first", "best", "gain", "climbing"]
    return pd.DataFrame(found, columns=columns).astype({"climbing": bool})
