"""The summary of effects that differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, stats

from qkd_study.analysis.figures.pooled import gains_over_cells
from qkd_study.analysis.pooled import over_runs
from qkd_study.analysis.report.pooled import over_datasets
from qkd_study.analysis.statistics.random_effects import covariance_of_means, random_effects
from tests.analysis.made import made_results, made_study

# The trials of the BCG vaccine (Colditz et al., JAMA 271:698, 1994), log risk ratios and variances.
BCG = [-0.8893, -1.5854, -1.3481, -1.4416, -0.2175, -0.7861, -1.6209, 0.0120, -0.4694, -1.3713]
BCG += [-0.3394, 0.4459, -0.0173]
VARIANCES = [0.3256, 0.1946, 0.4154, 0.0200, 0.0512, 0.0069, 0.2230, 0.0040, 0.0564, 0.0730]
VARIANCES += [0.0124, 0.5325, 0.0714]


def test_published_trials() -> None:
    """What metafor's documentation prints of them: rma(yi, vi), with test="knha", and confint."""
    found = random_effects(BCG, np.diag(VARIANCES))
    assert found.mean == pytest.approx(-0.7145, abs=2e-4)
    assert found.spread**2 == pytest.approx(0.3132, abs=3e-4)
    assert (found.spread_low**2, found.spread_high**2) == pytest.approx((0.1197, 1.1115), abs=2e-3)
    assert found.p < 1e-4
    assert found.count == 13


def test_the_likelihood_with_covariances_written_out() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 4))
    v, y = root @ root.T / 4 + 0.2 * np.eye(4), rng.normal(1, 1.5, 4)

    def deviance(variance: float) -> float:
        total = v + variance * np.eye(4)
        weights = np.linalg.inv(total)
        information = weights.sum()
        mean = weights.sum(axis=0) @ y / information
        residuals = y - mean
        squares = residuals @ weights @ residuals
        return float(np.linalg.slogdet(total)[1] + np.log(information) + squares)

    found = random_effects(y, v)
    best = optimize.minimize_scalar(deviance, bounds=(0, 50), method="bounded")
    assert found.spread**2 == pytest.approx(best.x, rel=1e-3, abs=1e-4)
    weights = np.linalg.inv(v + found.spread**2 * np.eye(4))
    mean = weights.sum(axis=0) @ y / weights.sum()
    scale = max(1, (y - mean) @ weights @ (y - mean) / 3)
    half = stats.t.ppf(0.975, 3) * np.sqrt(scale / weights.sum())
    assert (found.mean, found.low) == pytest.approx((mean, mean - half), rel=1e-4)


def test_intervals_hold_the_mean_and_the_next_effect() -> None:
    """Six cells that share twelve replicates."""
    rng = np.random.default_rng(1)
    hits = np.zeros(3)
    for _ in range(300):
        cells = rng.normal(0.01, 0.02, 7)
        values = cells + rng.normal(0, 0.03, (12, 1)) + rng.normal(0, 0.03, (12, 7))
        seen = values[:, :6]
        found = random_effects(seen.mean(axis=0), covariance_of_means(seen))
        hits += [
            found.low <= 0.01 <= found.high,
            found.next_low <= cells[6] <= found.next_high,
            found.spread_low <= 0.02 <= found.spread_high,
        ]
    assert (hits / 300 > 0.92).all(), hits / 300


def test_effects_that_are_one() -> None:
    found = random_effects([0.3, 0.3, 0.3], np.diag([0.1, 0.2, 0.3]))
    assert found.mean == pytest.approx(0.3)
    assert (found.spread, found.spread_low) == (0, 0)
    assert found.p == pytest.approx(1)


def test_bad_effects() -> None:
    with pytest.raises(ValueError, match="1 effects"):
        random_effects([1.0], [[1.0]])
    with pytest.raises(ValueError, match="positive definite"):
        random_effects([1.0, 2.0], np.ones((2, 2)))


def test_gains_over_cells_by_hand() -> None:
    results = made_results(study=made_study(factors={"samples": (20, 40, 80, 160)}))
    row = results.over_cells().set_index("arm").loc["soft"]
    wide = results.scores()
    gains = (wide["soft"] - wide["scratch"]).unstack("cell")
    covariance = np.cov(gains.to_numpy().T) / 12
    found = random_effects(gains.mean().to_numpy(), covariance)
    assert (row["effects"], row["pairs"]) == (4, 12)
    assert row["gain"] == pytest.approx(found.mean)
    assert (row["next_low"], row["next_high"]) == pytest.approx((found.next_low, found.next_high))
    assert row["low"] < 0.05 < row["high"]
    assert made_results().over_cells().empty  # two cells have no spread to speak of
    assert gains_over_cells(results).axes[0].get_xlabel() == "gain over scratch, percentage points"


def test_gains_over_datasets() -> None:
    gains = {"digits": 0.05, "fashion-mnist": 0.02, "spirals": 0.08}
    runs = []
    for seed, (dataset, gain) in enumerate(gains.items()):
        run = made_results({"soft": gain}, seed=seed)
        manifest = {**run.manifest, "dataset": dataset, "run_id": dataset}
        runs.append(replace(run, manifest=manifest))
    own, found = over_runs(runs)["soft"]
    assert own.to_numpy() == pytest.approx(list(gains.values()), abs=0.01)
    assert found.mean == pytest.approx(0.05, abs=0.01)
    assert found.spread == pytest.approx(0.03, abs=0.01)
    section = over_datasets(runs)
    assert section is not None
    assert section.summary[1].startswith("soft: +5.")
    assert "on average over 3 datasets" in section.summary[1]
    assert over_datasets(runs[:2]) is None
    assert over_datasets([*runs, runs[0]]) is None  # the same dataset twice
