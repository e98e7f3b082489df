"""Contrasts of two sides, each tested, and the correction over a family of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from qkd_study.analysis.claims.sides import Frame, PairedScores
from qkd_study.analysis.statistics import (
    CrossedDifference,
    Paired,
    Verdict,
    crossed_difference,
    holm,
    item_variance,
    paired_difference,
    verdict,
)
from qkd_study.analysis.statistics.bounds import equivalence_p_bound, mean_p_bound
from qkd_study.analysis.statistics.samples import Reals
from qkd_study.analysis.summary import by_unit
from qkd_study.results import largest_difference
from qkd_study.study.claims import BOTH, MORE_IS_BETTER, REPLICATES, rests_on


@dataclass(frozen=True)
class Contrast:
    """Two sides of a claim, paired by replicate, in one cell or averaged over several.

    Attributes:
        where: the cell, or `all` of the claim's.
        paired: the difference, better minus than; `None` with fewer than two pairs.
        verdict: on the difference; its p values are Holm-corrected over the family, as those of the
            tests within a margin.
        left_out: replicates that do not have both sides in every cell.
        failed: those of them that a failed run leaves out.
        bounds: the lowest and the highest mean difference with them, see `PairedScores`; `None`
            without any. The verdict's p values are the largest over all between.
        insensitive: why the verdict is not `equivalent`, though the difference is shown to be
            within the margin; see `sensitivity`.
        both: the difference over replicates and test items; `None` if predictions are missing, or
            the metric has no value per test sample.
        over: what the verdict rests on, `REPLICATES` or `BOTH`. Its p values are then the larger
            ones, those of `both`.
        too_few_items: whether the verdict is undecided and more replicates alone would not decide,
            because the test samples are too few.
        searches: of each cell and arm. If there are several, the pairs are their means, and the
            verdict's `replicates_needed` are searches.
    """

    where: str
    paired: Paired | None
    verdict: Verdict | None
    left_out: int
    failed: int = 0
    bounds: tuple[float, float] | None = None
    insensitive: Sequence[str] = ()
    both: CrossedDifference | None = None
    over: str = REPLICATES
    too_few_items: bool = False
    searches: int = 1

    @property
    def unit(self) -> str:
        """What is counted as independent: `replicates`, or `searches` if there are several."""
        return "replicates" if self.searches == 1 else "searches"

    @property
    def marks(self) -> tuple[str, ...]:
        """What limits the verdict: `below the margin`, if a difference is shown to be that small;
        `estimate below the margin`, if only the observed mean is; `no assay sensitivity`.
        """
        if self.insensitive:
            return ("no assay sensitivity",)
        found = self.verdict
        if found is None or found.equivalence is None or found.status != "supported":
            return ()
        if found.negligible:
            return ("below the margin",)
        small = abs(found.mean) < found.equivalence.margin
        return ("estimate below the margin",) if small else ()


def evaluate_family(
    family: Sequence[tuple[str, PairedScores, Mapping[str, Any]]], alpha: float
) -> list[Contrast]:
    """Contrasts of a family, with Holm's correction over its tests, and over its margins."""
    found = [_tested(where, scores, claim, alpha) for where, scores, claim in family]
    alone = {i: contrast.verdict for i, contrast in enumerate(found) if contrast.verdict}
    p_values = _adjusted({i: single.p for i, single in alone.items()})
    within = _adjusted({i: s.equivalence.p for i, s in alone.items() if s.equivalence is not None})
    for i in alone:
        _, scores, claim = family[i]
        adjusted = _verdict(
            _differences(scores, scores.complete), claim, alpha, p_values[i], within.get(i)
        )
        both, too_few = found[i].both, False
        if both is not None and found[i].over == BOTH and adjusted.replicates_needed is not None:
            target = adjusted.mean if claim["margin"] is None else claim["margin"]
            needed = both.replicates_needed(target, alpha=alpha)
            adjusted, too_few = replace(adjusted, replicates_needed=needed), needed is None
        found[i] = replace(found[i], verdict=adjusted, too_few_items=too_few)
    return found


def paired_test(scores: PairedScores, metric: str) -> tuple[Paired, float]:
    """The difference of a contrast without failed runs, and the p value of a contrast by itself.

    Student's paired t test, for every metric and in every table. If runs failed, p is the largest
    over all that their scores may be.

    Args:
        scores: of both sides.
        metric: a column of the `runs` table.
    """
    pair = scores.units(scores.complete)
    most = largest_difference(metric)
    paired = paired_difference(pair["better"].to_numpy(), pair["than"].to_numpy(), most=most)
    if not scores.failed or paired.n < 2:
        return paired, paired.p_t
    return paired, mean_p_bound(*_known_and_ends(scores))


def _tested(where: str, scores: PairedScores, claim: Mapping[str, Any], alpha: float) -> Contrast:
    """A contrast by itself."""
    paired, p = paired_test(scores, f"metric.{claim['metric']}")
    if paired.n < 2:
        return Contrast(where, None, None, scores.left_out, scores.failed)
    known, lowest, highest = _known_and_ends(scores)
    both, margin, p_within = _over_both(scores), claim["margin"], None
    if scores.failed and margin is not None:
        p_within = equivalence_p_bound(known, lowest, highest, margin)
    over = BOTH if both is not None and rests_on(claim) == BOTH else REPLICATES
    if both is not None and over == BOTH:
        p = max(p, both.p)
        if margin is not None:
            p_within = max(p_within or 0.0, both.p_within(margin))
    return Contrast(
        where,
        paired,
        _verdict(known, claim, alpha, p, p_within),
        scores.left_out,
        scores.failed,
        (float(lowest.mean()), float(highest.mean())) if scores.failed else None,
        both=both,
        over=over,
        searches=scores.searches,
    )


def _over_both(scores: PairedScores) -> CrossedDifference | None:
    """The difference over replicates and test items, if every pair has predictions."""
    pair = scores.complete.dropna()
    frames = [] if scores.items is None else list(scores.items.values())
    if not frames or not all(pair.index.isin(frame.index).all() for frame in frames):
        return None
    units = [by_unit(frame.loc[pair.index], scores.searches) for frame in frames]
    items = item_variance([frame.to_numpy() for frame in units])
    return crossed_difference(_differences(scores, scores.complete), items, most=1.0)


def _known_and_ends(scores: PairedScores) -> tuple[Reals, Reals, Reals]:
    return (
        _differences(scores, scores.complete),
        _differences(scores, scores.lowest),
        _differences(scores, scores.highest),
    )


def _differences(scores: PairedScores, frame: Frame) -> Reals:
    pair = scores.units(frame)
    return (pair["better"] - pair["than"]).to_numpy(dtype=np.float64)


def _adjusted(p_values: Mapping[int, float]) -> dict[int, float]:
    if not p_values:
        return {}
    return dict(zip(p_values, map(float, holm(list(p_values.values()))), strict=True))


def _verdict(
    differences: Any,
    claim: Mapping[str, Any],
    alpha: float,
    p: float | None = None,
    p_within: float | None = None,
) -> Verdict:
    direction: Literal["lower", "higher"] = "higher" if MORE_IS_BETTER[claim["metric"]] else "lower"
    return verdict(
        differences,
        direction=direction,
        margin=claim["margin"],
        alpha=alpha,
        p=p,
        p_within=p_within,
    )
