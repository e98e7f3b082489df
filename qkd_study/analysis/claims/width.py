"""The searches and replicates that claims need for intervals of a wanted width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qkd_study.analysis.claims.differences import variance_of_items
from qkd_study.analysis.claims.evidence import Evidence
from qkd_study.analysis.claims.sides import PairedScores
from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.statistics.samples import rounded_differences
from qkd_study.analysis.statistics.width import (
    Spreads,
    fewest_runs,
    half_width,
    least_half_width,
    spreads,
)
from qkd_study.study.claims import BOTH, rests_on
from qkd_study.study.replicates import FIRST_CONFIRM_REPLICATE


@dataclass(frozen=True)
class Needed:
    """What a claim about an accuracy needs for an interval of a wanted half-width.

    Attributes:
        says: the claim.
        spreads: the variances in the run; `None` if it has too few pairs, or not this claim.
        now: the expected half-width with the run's searches and replicates.
        least: the half-width that the test items alone leave, however many runs there are.
        searches, replicates: the cheapest numbers, the second of each search; `None` if no numbers
            are enough, or the spreads are unknown.
    """

    says: str
    spreads: Spreads | None = None
    now: float = math.nan
    least: float = math.nan
    searches: int | None = None
    replicates: int | None = None


def needed_for_width(
    results: RunTables,
    says: Sequence[str],
    width: float,
    *,
    search_cost: float,
    replicate_cost: float,
) -> tuple[list[Needed], tuple[int, int] | None]:
    """What each of some claims needs, and the cheapest numbers that are enough for all that can be.

    Over what the verdict rests on: new searches where the run has several, and new test samples
    where the claim asks for them and predictions were kept.

    Args:
        results: the run whose spreads are taken.
        says: the claims, in their words.
        width: the wanted half-width, as a share.
        search_cost, replicate_cost: see `fewest_runs`.

    Returns:
        For each claim what it needs; and the searches, and replicates of each, that are enough for
        every claim for which there are any, or `None`.
    """
    claims = {e["claim"]["says"]: e["claim"] for e in results.manifest.get("claims", [])}
    evidence = Evidence(results, None)
    found = []
    for text in says:
        scores = None
        if text in claims:
            scores = evidence.member("all", claims[text], 0).scores
        if scores is None or len(scores.complete.dropna()) < 2:
            found.append(Needed(text))
            continue
        one = _spreads(scores, both=rests_on(claims[text]) == BOTH)
        if one is None:
            found.append(Needed(text))
            continue
        best = fewest_runs([one], width, search_cost=search_cost, replicate_cost=replicate_cost)
        pairs, searches = len(scores.complete.dropna()), scores.searches
        found.append(
            Needed(
                text,
                one,
                now=half_width(one, searches, max(pairs // searches, 1)),
                least=least_half_width(one),
                searches=best and best[0],
                replicates=best and best[1],
            )
        )
    reachable = [one.spreads for one in found if one.searches is not None and one.spreads]
    if not reachable:
        return found, None
    costs = {"search_cost": search_cost, "replicate_cost": replicate_cost}
    return found, fewest_runs(reachable, width, **costs)


def _spreads(scores: PairedScores, *, both: bool) -> Spreads | None:
    pair = scores.complete.dropna()
    values = rounded_differences(pair["better"].to_numpy(float), pair["than"].to_numpy(float))
    search = (pair.index.to_numpy() - FIRST_CONFIRM_REPLICATE) % scores.searches
    groups = [values[search == number] for number in range(scores.searches)]
    if max(map(len, groups)) < 2:
        return None
    return spreads(groups, variance_of_items(scores) if both else None)
