"""Whether a claim's difference depends on the cell: the interaction with each factor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qkd_study.analysis.claims.sides import PairedScores
from qkd_study.analysis.statistics import holm
from qkd_study.analysis.statistics.hotelling import equal_means_p
from qkd_study.analysis.summary import by_unit

#: The level at which an interaction is named.
ALPHA = 0.05


@dataclass(frozen=True)
class Interaction:
    """A test that a claim's mean difference is the same for all values of a factor.

    Attributes:
        over: the factor, or `cells`: of more than one factor, all combinations.
        means: the mean difference by value of the factor, or by cell, over complete replicates.
        p: of Hotelling's test, Holm-corrected over the tests of the claim; nan where there are too
            few replicates.
    """

    over: str
    means: Mapping[str, float]
    p: float


def interactions(
    pairs: Mapping[str, PairedScores], cells: Mapping[str, Mapping[str, Any]]
) -> list[Interaction]:
    """The interactions of a claim with its factors; none if it has a single cell, or
    fewer than two complete replicates.

    The difference is averaged over the cells of each value of a factor, replicate by replicate, and
    the averages are compared. Replicates that are not complete in every cell are left out; if there
    are several searches, their means are compared.

    Args:
        pairs: the scores by cell.
        cells: factor values by cell.
    """
    differences = pd.DataFrame(
        {c: p.units(p.complete).eval("better - than") for c, p in pairs.items()}
    ).dropna()
    differences = by_unit(differences, max((p.searches for p in pairs.values()), default=1))
    if len(differences) < 2 or differences.shape[1] < 2:
        return []
    groups: dict[str, dict[str, list[str]]] = {}
    for name in next(iter(cells.values())):
        by_value: dict[str, list[str]] = {}
        for cell in differences.columns:
            by_value.setdefault(str(cells[cell][name]), []).append(cell)
        if len(by_value) > 1:
            groups[name] = by_value
    if len(groups) != 1:
        groups["cells"] = {cell: [cell] for cell in differences.columns}
    found = []
    for over, by_value in groups.items():
        means = {value: differences[own].mean(axis=1) for value, own in by_value.items()}
        columns = np.column_stack(list(means.values()))
        p = equal_means_p(columns)
        found.append(Interaction(over, {v: float(m.mean()) for v, m in means.items()}, p))
    tested = [one for one in found if not np.isnan(one.p)]
    p_holm: dict[str, float] = {}
    if tested:
        adjusted = holm([one.p for one in tested])
        p_holm = dict(zip((one.over for one in tested), map(float, adjusted), strict=True))
    return [Interaction(o.over, o.means, p_holm.get(o.over, np.nan)) for o in found]
