"""Which test samples each confirmed run classified correctly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class Correctness:
    """The test samples that the runs of one arm in one cell classified correctly.

    Attributes:
        dataset: whose test set it is.
        right: index replicate, columns sample; 1 or 0, nan where a run was not tested on a sample.
    """

    dataset: str
    right: pd.DataFrame


def correctness(
    predictions: pd.DataFrame, confirmed: pd.DataFrame
) -> Mapping[tuple[str, str], Correctness]:
    """What each cell and arm classified correctly, of those with predictions.

    Args:
        predictions: the table, sorted by its keys.
        confirmed: the rows of `runs` that count; predictions of other trials do not.
    """
    found: dict[tuple[str, str], Correctness] = {}
    own = {str_pair(key): rows for key, rows in confirmed.groupby(["cell", "arm"])}
    for key, rows in predictions.groupby(["cell", "arm"], observed=True, sort=False):
        pair = str_pair(key)
        if pair not in own:
            continue
        # Each search has a configuration of its own, and replicates of its own.
        trials = own[pair].set_index("replicate")["trial"]
        rows = rows[rows["trial"] == rows["replicate"].map(trials)]
        if len(rows):
            found[pair] = Correctness(str(own[pair]["config.dataset"].iloc[0]), _wide(rows))
    return found


def str_pair(key: object) -> tuple[str, str]:
    """The cell and the arm of a group."""
    assert isinstance(key, tuple)
    cell, arm = key
    return str(cell), str(arm)


def _wide(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per replicate, a column per sample."""
    replicates, samples = (np.unique(rows[name]) for name in ("replicate", "sample"))
    right = np.full((len(replicates), len(samples)), np.nan, dtype=np.float32)
    at = np.searchsorted(replicates, rows["replicate"]), np.searchsorted(samples, rows["sample"])
    right[at] = rows["label"].to_numpy() == rows["predicted"].to_numpy()
    return pd.DataFrame(right, index=replicates, columns=samples)
