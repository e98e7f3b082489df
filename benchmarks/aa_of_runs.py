"""A/A test of the judgement on the noise of complete runs, without training anything.

`python -m benchmarks.aa_of_runs RUN [RUN ...]` draws families of claims in which no arm differs
from another, from the rows of each run, and prints in how many of them the judgement of the study
supports or contradicts a claim. A family has the claims, cells, searches, replicates and test
samples of the study. It is drawn in two parts, which add up to what a run is scored on a sample:

- The score of a search (the mean of its replicates) less the mean of its arm in that cell over all
  searches. These parts are dealt out among the arms anew in each search, in all cells alike, and
  all of a search are multiplied by a random sign. So no arm differs from another, arms stay paired
  by replicate, and cells vary together as they did. Of S searches, the mean leaves out 1/S of the
  variance, which a factor puts back. A claim about two values of a factor gets both from one arm
  that reads the factor.
- How the score on each test sample differs from that of the search. This keeps its arm, so that
  arms differ in the samples that they have right, and test samples are drawn with replacement.

Then Student's t over searches, the analysis of variance over test samples and Holm's correction
over the claims are those by which `judge` decides. The last column has the tests that a study with
one search has: Student's t over all replicates, as if searches did not differ.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

import qkd_study
from qkd_study.analysis import Results
from qkd_study.analysis.claims.sides import compared, paired_scores
from qkd_study.analysis.statistics import crossed_difference, holm, item_variance
from qkd_study.analysis.statistics.samples import mean_p, rounded_differences
from qkd_study.analysis.summary import by_unit
from qkd_study.study.claims import BOTH, DATASETS, rests_on

ALPHA = 0.05
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Pool:
    """What the arms of a run scored in the cells of a claim, averaged over them.

    Attributes:
        claim: as declared.
        rows: by arm, (sides, searches, replicates): the centred scores of the claim's sides; arms
            have one side if the claim is about two arms.
        items: (searches, test samples) by dataset: better less than, less the mean over samples;
            `None` for a metric without values per sample.
    """

    claim: Mapping[str, Any]
    rows: Mapping[str, Reals]
    items: Mapping[str, Reals] | None

    @property
    def of_arms(self) -> bool:
        """Whether it is about two arms, not about two values of factors."""
        return isinstance(self.claim["better"], str)


def pool(results: Results, claim: Mapping[str, Any]) -> Pool:
    """Read the runs of all arms in the cells of a claim."""
    of_arms, rows = isinstance(claim["better"], str), {}
    for arm in results.arms:
        other = next(name for name in results.arms if name != arm)
        own = {**claim, **({"better": arm, "than": other} if of_arms else {"arm": arm})}
        sides = compared(results, own).values()
        alike = [results.branch(*better) == results.branch(*than) for better, than in sides]
        if not of_arms and any(alike):
            continue
        scored = [pair.complete.dropna() for pair in paired_scores(results, own).values()]
        names = ["better"] if of_arms else ["better", "than"]
        by_replicate = pd.concat(scored)[names].groupby(level=0)
        mean = by_replicate.mean()[by_replicate.size() == len(scored)]
        if len(mean) == results.declaration["replicates"]["confirm"] and mean.notna().all(
            axis=None
        ):
            # Replicates are dealt out among the searches in turn.
            values = mean.to_numpy(dtype=float).T.reshape(len(names), -1, results.searches)
            rows[arm] = (values - values.mean(axis=(1, 2), keepdims=True)).transpose(0, 2, 1)
    scores = paired_scores(results, claim)
    if any(pair.items is None for pair in scores.values()):
        return Pool(claim, rows, None)
    items: dict[str, pd.DataFrame] = {}
    for pair in scores.values():
        for dataset, frame in (pair.items or {}).items():
            own_items = by_unit(frame, results.searches) / len(scores)
            items[dataset] = items[dataset] + own_items if dataset in items else own_items
    arrays = {name: frame.to_numpy(dtype=float) for name, frame in items.items()}
    return Pool(claim, rows, {n: a - a.mean(axis=1, keepdims=True) for n, a in arrays.items()})


@dataclass(frozen=True)
class Drawn:
    """A claim of a family in which no arm differs from another.

    Attributes:
        claim: as declared.
        replicates: (searches, replicates), better less than.
        items: (searches, test samples) for each dataset; `None` for a metric without values per
            sample.
    """

    claim: Mapping[str, Any]
    replicates: Reals
    items: Sequence[Reals] | None

    @property
    def p(self) -> float:
        """That the difference is zero, over what verdicts on the claim rest on."""
        values = rounded_differences(self.replicates.mean(axis=1), np.zeros(len(self.replicates)))
        if self.items is None or rests_on(self.claim) != BOTH:
            return mean_p(values)
        found = crossed_difference(values, item_variance(self.items), most=1.0)
        assert found is not None  # there are several searches
        return found.p

    @property
    def p_of_replicates(self) -> float:
        """The same by Student's t over replicates."""
        return float(stats.ttest_1samp(self.replicates.ravel(), 0).pvalue)


def family(pools: Sequence[Pool], rng: np.random.Generator) -> list[Drawn]:
    """Draw the claims of a study in which no arm differs from another."""
    of_arms = [one for one in pools if one.of_arms] or pools
    arms = [arm for arm in of_arms[0].rows if all(arm in one.rows for one in of_arms)]
    searches = next(iter(pools[0].rows.values())).shape[1]
    dealt = [dict(zip(arms, rng.permutation(arms), strict=True)) for _ in range(searches)]
    signs = rng.choice((-1.0, 1.0), searches) * math.sqrt(searches / (searches - 1))
    columns: dict[str, Any] = {}
    found = []
    for one in pools:
        claim = one.claim
        if one.of_arms:
            sides = [(deal[claim["better"]], deal[claim["than"]]) for deal in dealt]
            drawn = [one.rows[a][0, s] - one.rows[b][0, s] for s, (a, b) in enumerate(sides)]
        else:
            chosen = rng.choice(list(one.rows), searches)
            drawn = [one.rows[arm][0, s] - one.rows[arm][1, s] for s, arm in enumerate(chosen)]
        replicates, items = signs[:, None] * np.array(drawn), None
        if one.items is not None:
            values, items = replicates.mean(axis=1), []
            for name, array in one.items.items():
                if name not in columns:
                    columns[name] = rng.integers(0, array.shape[1], array.shape[1])
                # Of several datasets, each has a part of the score.
                items.append(array[:, columns[name]] + values[:, None] / len(one.items))
            rest = np.sum([array.mean(axis=1) for array in items], axis=0) - values
            replicates = replicates + rest[:, None]
        found.append(Drawn(claim, replicates, items))
    return found


def false_verdicts(pools: Sequence[Pool], families: int, seed: int = 0) -> tuple[float, float]:
    """The share of families in which a claim is supported or contradicted.

    Returns:
        By the judgement of the study, and by tests over replicates.
    """
    rng, wrong = np.random.default_rng(seed), np.zeros(2)
    for _ in range(families):
        drawn = family(pools, rng)
        tests = [one.p for one in drawn], [one.p_of_replicates for one in drawn]
        wrong += [holm(p_values).min() < ALPHA for p_values in tests]
    return float(wrong[0] / families), float(wrong[1] / families)


def line(run: Path, families: int) -> str:
    """The row of a run in the table."""
    results = qkd_study.load(run)
    claims = [entry["claim"] for entry in results.manifest["claims"]]
    replicates = results.declaration["replicates"]
    if replicates.get("looks") or any(rests_on(claim) == DATASETS for claim in claims):
        sys.exit(f"{run}: looks, and claims over datasets, are not resampled here.")
    if not claims or results.searches == 1:
        sys.exit(f"{run} needs claims, and several searches: their noise is what is resampled.")
    pools = [pool(results, claim) for claim in claims]
    share, by_replicates = false_verdicts(pools, families)
    means = [rows.mean(axis=2) for rows in pools[-1].rows.values()]
    spread = np.mean([mean.std(axis=1, ddof=1).mean() for mean in means])
    replicates = replicates["confirm"] // results.searches
    return (
        f"| {results.declaration['name']} | {len(claims)} | {len(results.cells)} | "
        f"{len(results.arms)} | {results.searches} x {replicates} | {100 * spread:.1f} | "
        f"{100 * share:.1f} % | {100 * by_replicates:.1f} % |"
    )


def simulated(searches: int, arms: int, runs: int = 60, families: int = 400) -> str:
    """How much the share varies between runs whose searches differ normally.

    Then the tests are exact, so that what varies is what the searches of a run happen to be.
    """
    rng, shares = np.random.default_rng(1), []
    names = [f"arm {number}" for number in range(arms)]
    about = {"metric": "test_nll", "over": None}
    for _ in range(runs):
        rows = {name: rng.normal(size=(2, searches, 1)) for name in names}
        rows = {name: own - own.mean(axis=1, keepdims=True) for name, own in rows.items()}
        one = {name: own[:1] for name, own in rows.items()}
        values = {"better": {"x": 1}, "than": {"x": 2}, "arm": names[0], **about}
        pools = [Pool(values, rows, None)]
        for other in names[1:3]:
            pools.append(Pool({"better": names[0], "than": other, **about}, one, None))
        drawn = (family(pools, rng) for _ in range(families))
        shares.append(np.mean([holm([one.p for one in own]).min() < ALPHA for own in drawn]))
    mean, spread = 100 * np.mean(shares), 100 * np.std(shares, ddof=1)
    return (
        f"{runs} simulated runs of {arms} arms with {searches} searches: {mean:.1f} % on average, "
        f"with a standard deviation of {spread:.1f} points between runs, of which "
        f"{100 * math.sqrt(ALPHA * (1 - ALPHA) / families):.1f} are due to {families} families"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", type=Path, help="folders of complete runs")
    parser.add_argument("--families", type=int, default=2000)
    parser.add_argument("--simulated", action="store_true", help="normal noise in place of runs")
    known = parser.parse_args()
    if known.simulated:
        print(simulated(4, 3), simulated(6, 10), sep="\n")
        return
    columns = (
        "study",
        "claims",
        "cells",
        "arms",
        "searches x replicates",
        "spread",
        "false",
        "by replicates",
    )
    print(f"| {' | '.join(columns)} |\n| --- |{' ---: |' * (len(columns) - 1)}")
    for run in known.runs:
        print(line(run, known.families), flush=True)


if __name__ == "__main__":
    main()
