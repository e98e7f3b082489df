"""Contrasts of two sides, each tested, and the correction over a family of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from qkd_study.analysis.claims.datasets import OverDatasets, summary_over_datasets
from qkd_study.analysis.claims.differences import differences_of, known_and_ends, over_both
from qkd_study.analysis.claims.looks import Design
from qkd_study.analysis.claims.sides import PairedScores
from qkd_study.analysis.statistics import (
    CrossedDifference,
    Paired,
    Verdict,
    holm,
    paired_difference,
    replicates_needed,
    verdict,
)
from qkd_study.analysis.statistics.bounds import equivalence_p_bound, mean_p_bound
from qkd_study.analysis.statistics.intervals import mean_interval
from qkd_study.analysis.statistics.samples import Reals
from qkd_study.results import largest_difference
from qkd_study.study.claims import BOTH, DATASETS, MORE_IS_BETTER, REPLICATES, rests_on


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
        over: what the verdict rests on, `REPLICATES`, `BOTH` or `DATASETS`. Of `BOTH` the p values
            are the larger ones, those of `both`; of `DATASETS` those of `datasets`.
        too_few_items: whether the verdict is undecided and more replicates alone would not decide,
            because the test samples are too few.
        searches: of each cell and arm. If there are several, the pairs are their means, and the
            verdict's `replicates_needed` are searches.
        datasets: the difference over datasets, of claims that rest on them. The verdict's `mean`
            is then theirs, its `n` their number, and its `replicates_needed` are datasets.
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
    datasets: OverDatasets | None = None

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


@dataclass(frozen=True)
class Member:
    """A contrast of a family.

    Attributes:
        where: as of `Contrast`.
        claim: as declared.
        scores: of both sides; `None` before the first look.
        looks: with looks, the p values of each so far; see `p_values`.
        datasets: the scores on each dataset, of a contrast whose verdict is over them.
    """

    where: str
    claim: Mapping[str, Any]
    scores: PairedScores | None
    looks: Sequence[tuple[float, float]] = ()
    datasets: Mapping[str, PairedScores] = field(default_factory=dict)


def evaluate_family(
    family: Sequence[Member], alpha: float, design: Design | None = None
) -> list[Contrast]:
    """Contrasts of a family, with Holm's correction over its tests, and over its margins.

    With looks, each rests on its own last look: p values are those of all looks until then
    (`repeated_p`), and intervals are repeated ones.
    """
    found = [_tested(member, alpha, design) for member in family]
    alone = {i: contrast.verdict for i, contrast in enumerate(found) if contrast.verdict}
    if design is not None:
        p_values, within = _over_looks(family, alone, design)
    else:
        p_values = {i: single.p for i, single in alone.items()}
        within = {i: v.equivalence.p for i, v in alone.items() if v.equivalence is not None}
    effects = {i: one.datasets.values for i, one in enumerate(found) if one.datasets is not None}
    for i, adjusted in _judged(family, p_values, within, alpha, effects).items():
        both, too_few, claim = found[i].both, False, family[i].claim
        if both is not None and found[i].over == BOTH and adjusted.replicates_needed is not None:
            target = adjusted.mean if claim["margin"] is None else claim["margin"]
            needed = both.replicates_needed(target, alpha=alpha)
            adjusted, too_few = replace(adjusted, replicates_needed=needed), needed is None
        over, needed = found[i].datasets, adjusted.replicates_needed
        if over is not None and needed is not None:  # the error is more than the spread shows
            target = adjusted.mean if claim["margin"] is None else claim["margin"]
            sd = over.summary.error * math.sqrt(over.summary.count)
            adjusted = replace(
                adjusted, replicates_needed=replicates_needed(target, sd, alpha=alpha)
            )
        found[i] = replace(found[i], verdict=adjusted, too_few_items=too_few)
    return found


def verdicts_at_look(family: Sequence[Member], design: Design) -> list[Verdict | None]:
    """The verdicts of `evaluate_family` without intervals, which take most of its time."""
    tested = [i for i, member in enumerate(family) if len(differences(member)) >= 2]
    judged = _judged(family, *_over_looks(family, tested, design), design.alpha, {})
    return [judged.get(i) for i in range(len(family))]


def _over_looks(
    family: Sequence[Member], tested: Iterable[int], design: Design
) -> tuple[dict[int, float], dict[int, float]]:
    """The p values of all looks so far: that a mean is zero, and that it is beyond its margin."""
    p_values, within = {}, {}
    for i in tested:
        p_values[i] = design.repeated([p for p, _ in family[i].looks], 2)
        if family[i].claim["margin"] is not None:
            within[i] = design.repeated([p for _, p in family[i].looks], 1)
    return p_values, within


def _judged(
    family: Sequence[Member],
    p_values: Mapping[int, float],
    within: Mapping[int, float],
    alpha: float,
    values: Mapping[int, Reals],
) -> dict[int, Verdict]:
    """The verdicts with Holm's correction of these p values.

    Args:
        values: those that are judged, unless they are the differences of replicates.
    """
    adjusted, adjusted_within = _adjusted(p_values), _adjusted(within)
    judged = {i: differences(family[i]) for i in adjusted} | dict(values)
    return {
        i: _verdict(judged[i], family[i].claim, alpha, p, adjusted_within.get(i))
        for i, p in adjusted.items()
    }


def differences(member: Member) -> Reals:
    """(pairs,): better minus than, without failed runs."""
    scores = member.scores
    return np.array([]) if scores is None else differences_of(scores, scores.complete)


def p_values(scores: PairedScores, claim: Mapping[str, Any]) -> tuple[float, float]:
    """The p values of a contrast: that the mean is zero, and that it is beyond the margin.

    Over what the verdict rests on; with failed runs, the largest over all that their scores may be.

    Returns:
        nan with fewer than two pairs; the second also without a margin.
    """
    values, margin = known_and_ends(scores), claim["margin"]
    if len(values[0]) < 2:
        return math.nan, math.nan
    p, within = mean_p_bound(*values), math.nan
    both = None if rests_on(claim) == REPLICATES else over_both(scores)
    if both is not None:
        p = max(p, both.p)
    if margin is not None:
        within = equivalence_p_bound(*values, margin)
        within = within if both is None else max(within, both.p_within(margin))
    return p, within


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
    return paired, mean_p_bound(*known_and_ends(scores))


def _tested(member: Member, alpha: float, design: Design | None) -> Contrast:
    """A contrast by itself, at its last look."""
    where, claim, scores = member.where, member.claim, member.scores
    if scores is None:
        return Contrast(where, None, None, 0)
    metric = f"metric.{claim['metric']}"
    paired, p = paired_test(scores, metric)
    if paired.n < 2:
        return Contrast(where, None, None, scores.left_out, scores.failed)
    known, lowest, highest = known_and_ends(scores)
    confidence = 0.95
    if design is not None:
        confidence = design.coverage(len(member.looks) - 1)
        repeated = mean_interval(known, confidence, most=largest_difference(metric))
        paired = replace(paired, t_low=repeated.low, t_high=repeated.high)
    both, margin, p_within = over_both(scores, confidence), claim["margin"], None
    if scores.failed and margin is not None:
        p_within = equivalence_p_bound(known, lowest, highest, margin)
    over = REPLICATES if both is None or rests_on(claim) == REPLICATES else BOTH
    if both is not None and over == BOTH:
        p = max(p, both.p)
        if margin is not None:
            p_within = max(p_within or 0.0, both.p_within(margin))
    judged, datasets = known, summary_over_datasets(member.datasets)
    if datasets is not None:
        judged, p, over = datasets.values, datasets.p, DATASETS
        p_within = None if margin is None else datasets.p_within(margin)
    elif member.datasets:
        return Contrast(where, None, None, scores.left_out, scores.failed)
    return Contrast(
        where,
        paired,
        _verdict(judged, claim, alpha, p, p_within),
        scores.left_out,
        scores.failed,
        (float(lowest.mean()), float(highest.mean())) if scores.failed else None,
        both=both,
        over=over,
        searches=scores.searches,
        datasets=datasets,
    )


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
