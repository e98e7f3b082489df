"""Whether the means of several values, measured on the same replicates, are equal."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from qkd_study.analysis.statistics.samples import finite

#: Directions whose variance is below this share of the largest have none.
NO_VARIANCE = 1e-12


def equal_means_p(values: ArrayLike) -> float:
    """p of Hotelling's test that all columns have one mean, with any covariance between them.

    T^2 = n m' S^-1 m of the k - 1 differences of columns to their first; T^2 (n - r) / ((n - 1) r)
    has an F distribution with r and n - r degrees of freedom for normal values, where r is the rank
    of their covariance S (Hotelling, Ann. Math. Stat. 2:360, 1931). Which column is the first
    changes nothing.

    Args:
        values: (n, k): n replicates, k columns.

    Returns:
        p; nan if there are no more replicates than r, or no differences vary.

    Raises:
        ValueError: a value is not finite.
    """
    array = finite("values", values, 2)
    differences = array[:, 1:] - array[:, :1]
    n, k = differences.shape
    if n < 3 or k < 1:
        return float("nan")
    mean = differences.mean(axis=0)
    variances, directions = np.linalg.eigh(np.atleast_2d(np.cov(differences, rowvar=False)))
    there = variances > NO_VARIANCE * max(variances.max(), np.finfo(float).tiny)
    rank = int(there.sum())
    if rank == 0 or n <= rank:
        return float("nan")
    squared = n * float(np.sum((directions[:, there].T @ mean) ** 2 / variances[there]))
    return float(stats.f.sf(squared * (n - rank) / ((n - 1) * rank), rank, n - rank))
