"""The runs that intervals of a wanted width need."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from qkd_study import LogFloat, Replicates
from qkd_study.analysis.claims.width import needed_for_width
from qkd_study.analysis.statistics import ItemVariance, crossed_difference, item_variance
from qkd_study.analysis.statistics.intervals import mean_interval
from qkd_study.analysis.statistics.width import (
    Spreads,
    fewest_replicates,
    fewest_runs,
    half_width,
    least_half_width,
    spreads,
)
from tests.analysis.made import CLAIM, made_results, made_study, with_predictions

#: Standard deviations: of a search, of a replicate, of a test item, and of what is left.
SEARCH, REPLICATE, ITEM, REST = 0.02, 0.01, 0.3, 0.4
ITEMS = 200


def simulated(searches: int, each: int, rng: np.random.Generator) -> np.ndarray:
    """Differences (searches, each, items) of which all effects are normal."""
    shape = (searches, each, ITEMS)
    found: np.ndarray = (
        0.05
        + SEARCH * rng.normal(size=(searches, 1, 1))
        + REPLICATE * rng.normal(size=(searches, each, 1))
        + ITEM * rng.normal(size=(1, 1, ITEMS))
        + REST * rng.normal(size=shape)
    )
    return found


def true_spreads(*, known: bool = True) -> Spreads:
    within = REPLICATE**2 + REST**2 / ITEMS
    return Spreads(SEARCH**2 if known else None, within, ITEM**2 / ITEMS, ITEMS - 1)


@pytest.mark.parametrize(("searches", "each"), [(3, 4), (6, 2), (10, 5)])
def test_expected_half_widths_are_those_of_simulated_studies(searches: int, each: int) -> None:
    rng, widths, alone = np.random.default_rng(searches), [], []
    for _ in range(600):
        units = simulated(searches, each, rng).mean(axis=1)
        values = units.mean(axis=1)
        both = crossed_difference(values, item_variance([units]))
        over = mean_interval(values)
        assert both is not None
        widths.append((both.high - both.low) / 2)
        alone.append((over.high - over.low) / 2)
    true = true_spreads()
    for made, one in ((widths, true), (alone, replace(true, items=0.0))):
        error = np.std(made) / math.sqrt(len(made))
        found = half_width(one, searches, each)
        assert abs(np.mean(made) - found) < 3 * error + 0.01 * found


def test_spreads_are_those_of_simulated_studies() -> None:
    rng, found = np.random.default_rng(5), []
    for _ in range(400):
        differences = simulated(4, 3, rng)
        items = item_variance([differences.reshape(12, ITEMS)])
        one = spreads(list(differences.mean(axis=2)), items)
        found.append((one.searches, one.replicates, one.items))
    between, within, of_items = np.mean(np.array(found, dtype=float), axis=0)
    true = true_spreads()
    assert within == pytest.approx(true.replicates, rel=0.04)
    assert of_items == pytest.approx(true.items, rel=0.1)
    assert true.searches is not None
    assert between == pytest.approx(true.searches, rel=0.12)  # a little above: it is never negative


def test_spreads_by_hand() -> None:
    one = spreads([[1.0, 3.0], [4.0, 6.0]])
    # Mean squares: between 2 * (1.5^2 + 1.5^2) = 9, within (2 + 2) / 2 = 2.
    assert (one.replicates, one.items) == (2.0, 0.0)
    assert one.searches == pytest.approx(3.5)
    assert spreads([[1.0, 3.0]]).searches is None
    assert spreads([[0.0, 2.0], [0.0, 2.0]]).searches == 0.0
    assert spreads([[0.0, 2.0], [1.0, 1.0]], ItemVariance(0.5, 9, 10)).items == 0.5
    with pytest.raises(ValueError, match="two replicates"):
        spreads([[1.0], [2.0]])


def test_half_widths_by_hand() -> None:
    c4 = math.sqrt(2 / 3) * math.gamma(2) / math.gamma(1.5)
    t = float(stats.t.ppf(0.975, 3))
    assert half_width(Spreads(None, 4.0), 1, 4) == pytest.approx(t * c4 * 1.0, rel=2e-3)
    assert half_width(Spreads(3.0, 4.0), 4, 1) == pytest.approx(t * c4 * math.sqrt(7 / 4), rel=2e-3)
    assert half_width(Spreads(0.0, 0.0), 3, 2) == 0
    assert half_width(Spreads(None, 4.0), 1, 1) == math.inf
    assert least_half_width(Spreads(0.1, 0.1, 1.0)) == pytest.approx(1.96, abs=1e-3)
    with pytest.raises(ValueError, match="between searches is unknown"):
        half_width(Spreads(None, 4.0), 2, 2)


def test_the_fewest_runs_are_the_cheapest_that_are_enough() -> None:
    found = [true_spreads(), Spreads(0.0002, 0.0008)]
    width = 0.05
    best = fewest_runs(found, width, search_cost=20, replicate_cost=1)
    costs = {
        (searches, each): searches * (20 + each)
        for searches in range(2, 60)
        for each in range(1, 60)
        if all(half_width(one, searches, each) <= width for one in found)
    }
    assert best == min(costs, key=costs.__getitem__)
    assert fewest_replicates(found, width, best[0]) == best[1]
    # One more search, and none fewer, where searching costs nothing more than a replicate.
    free = fewest_runs(found, width, search_cost=0, replicate_cost=1)
    assert free is not None
    assert free[0] > best[0]
    assert fewest_runs([true_spreads()], 0.04, search_cost=1, replicate_cost=1) is None
    unknown = fewest_runs([true_spreads(known=False)], 0.05, search_cost=1, replicate_cost=1)
    assert unknown is not None
    assert unknown[0] == 1
    assert half_width(true_spreads(known=False), *unknown) <= 0.05


def test_what_the_claims_of_a_run_need(tmp_path: Path) -> None:
    study = made_study(
        factors={"samples": (50,)},
        arms=("scratch", "soft"),
        search={"weight_soft": LogFloat(0.1, 10.0)},
        claims=(replace(CLAIM, controls=()),),
        trials=1,
        replicates=Replicates(search=1, confirm=24, searches=4),
    )
    results = made_results(study=study, search_noise=0.03, noise=0.02)
    costs = {"search_cost": 8.0, "replicate_cost": 8.0}
    found, chosen = needed_for_width(results, [CLAIM.says, "another"], 0.02, **costs)
    one = found[0]
    # No predictions: over searches and replicates alone.
    assert one.spreads is not None
    assert one.spreads.items == 0
    gains = results.scores()["soft"] - results.scores()["scratch"]
    means = gains.groupby("replicate").mean()
    spread = one.spreads.searches + one.spreads.replicates / 6  # type: ignore[operator]
    assert spread == pytest.approx(means.var(ddof=1), rel=1e-9)
    assert chosen == (one.searches, one.replicates)
    assert chosen is not None
    assert chosen[0] > 4
    assert half_width(one.spreads, *chosen) <= 0.02 < one.now
    assert (found[1].spreads, found[1].searches) == (None, None)
    with_items = with_predictions(results, tmp_path)
    (both,), none = needed_for_width(with_items, [CLAIM.says], 0.001, **costs)
    assert both.spreads is not None
    assert both.spreads.items > 0
    assert (both.searches, none) == (None, None)
    assert both.least > 0.001
