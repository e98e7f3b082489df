"""Group-sequential boundaries, p values and power, against published ones and simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from qkd_study.analysis.statistics.samples import mean_p
from qkd_study.analysis.statistics.sequential import (
    boundaries,
    chance_of_verdict,
    chance_to_reject,
    levels,
    repeated_p,
    spent,
)

FIVE = (0.2, 0.4, 0.6, 0.8, 1.0)
UNEQUAL = (0.1, 0.25, 0.5, 1.0)
NAN = float("nan")


def test_boundaries_are_the_published_ones_of_lan_and_demets() -> None:
    """Reboussin et al., Control. Clin. Trials 21:190, 2000, and gsDesign's sfLDOF."""
    published = [4.877, 3.357, 2.680, 2.290, 2.031]
    assert boundaries(FIVE) == pytest.approx(published, abs=5e-4)
    assert boundaries(FIVE, alpha=0.025, sides=1) == pytest.approx(boundaries(FIVE))
    assert boundaries((0.5, 1.0)) == pytest.approx([2.963, 1.969], abs=5e-4)
    assert boundaries((1.0,)) == pytest.approx([1.959964], abs=1e-6)


@pytest.mark.parametrize(("first", "second"), [(0.2, 0.4), (0.5, 1.0), (0.95, 1.0), (0.05, 1.0)])
def test_the_second_boundary_is_that_of_the_bivariate_normal(first: float, second: float) -> None:
    one, two = boundaries((first, second), alpha=0.1, sides=1)

    def crosses(z: float) -> float:
        ahead = two * math.sqrt(second) - z * math.sqrt(first)
        return float(stats.norm.pdf(z) * stats.norm.sf(ahead / math.sqrt(second - first)))

    left = spent(second, 0.1) - spent(first, 0.1)
    near = math.sqrt(first / second) * two
    assert stats.norm.sf(one) == pytest.approx(spent(first, 0.1), rel=1e-9)
    assert integrate.quad(crosses, -9, one, points=(near,), limit=500)[0] == pytest.approx(
        left, rel=1e-7
    )


def _statistics(fractions: tuple[float, ...], effect: float, paths: int) -> np.ndarray:
    """(paths, looks): normal test statistics with independent increments."""
    steps = np.diff((0.0, *fractions))
    rng = np.random.default_rng(7)
    noise = rng.standard_normal((paths, len(steps))) * np.sqrt(steps)
    return np.cumsum(noise + effect * steps, axis=1) / np.sqrt(fractions)


@pytest.mark.parametrize("fractions", [FIVE, UNEQUAL])
def test_all_looks_together_reject_with_chance_alpha_and_with_the_computed_power(
    fractions: tuple[float, ...],
) -> None:
    paths, effect = 200_000, 3.2415
    null, power = _statistics(fractions, 0.0, paths), _statistics(fractions, effect, paths)
    for alpha in (0.05, 0.2):
        bounds = boundaries(fractions, alpha=alpha)
        error = (np.abs(null) > bounds).any(axis=1).mean()
        assert error == pytest.approx(alpha, abs=4 * math.sqrt(alpha / paths))
        reached = np.maximum.accumulate(power > bounds, axis=1).mean(axis=0)
        computed = chance_to_reject(fractions, effect, alpha=alpha)
        assert reached == pytest.approx(computed, abs=0.004)


def test_a_repeated_p_is_the_level_at_which_a_look_would_just_have_rejected() -> None:
    for sides in (1, 2):
        for alpha in (0.3, 0.05, 0.002, 1e-6):
            bounds = boundaries(UNEQUAL, alpha=alpha, sides=sides)
            for look, bound in enumerate(bounds):
                if bound < 7.5:
                    p = sides * float(special.ndtr(-bound))
                    found = repeated_p([NAN] * look + [p], UNEQUAL, sides=sides)
                    assert found == pytest.approx(alpha, rel=1e-3)
    assert repeated_p([0.001], (1.0,)) == pytest.approx(0.001, rel=1e-6)
    assert repeated_p([0.9, 0.02, 0.8], FIVE) == repeated_p([0.9, 0.02], FIVE)
    assert repeated_p([0.9, 0.02], FIVE) > 0.1  # an early look needs more than a late one
    assert repeated_p([1.0, NAN], FIVE) == 1.0
    assert repeated_p([0.0], FIVE) < 1e-12


def test_intervals_of_all_looks_hold_the_mean_together_and_t_tests_keep_the_level() -> None:
    """At 5, 10, 20 and 40 replicates: the joint level of t tests is approximate, and holds."""
    looks, studies = (5, 10, 20, 40), 4000
    fractions = [n / looks[-1] for n in looks]
    level = levels(fractions)
    values = np.random.default_rng(3).standard_normal((studies, looks[-1]))
    missed = np.zeros(studies, dtype=bool)
    for n, nominal in zip(looks, level, strict=True):
        mean, sd = values[:, :n].mean(axis=1), values[:, :n].std(axis=1, ddof=1)
        half = stats.t.isf(nominal / 2, n - 1) * sd / math.sqrt(n)
        missed |= np.abs(mean) > half
    assert missed.mean() == pytest.approx(0.05, abs=0.01)
    ever = [repeated_p([mean_p(one[:n]) for n in looks], fractions) < 0.05 for one in values[:500]]
    assert ever == missed[:500].tolist()


def test_the_chance_of_a_verdict_is_that_of_the_replicates_still_to_come() -> None:
    """Against draws: a flat prior on the mean, then the last mean."""
    rng, draws = np.random.default_rng(5), 400_000
    count, last, sd, margin = 20, 80, 2.0, 1.0
    for mean in (-0.9, 0.0, 0.4, 3.0):
        # The scale is unknown: sd^2 times (count - 1) over a chi-squared.
        scale = sd * np.sqrt((count - 1) / rng.chisquare(count - 1, draws))
        final = mean + scale * math.sqrt(1 / count - 1 / last) * rng.standard_normal(draws)
        error = sd / math.sqrt(last)
        rejects = np.abs(final) > stats.t.isf(0.02, last - 1) * error
        within = np.abs(final) < margin - stats.t.isf(0.04, last - 1) * error
        found = chance_of_verdict(
            mean, sd, count, last, margin=margin, level=0.04, level_within=0.04
        )
        assert found == pytest.approx((rejects | within).mean(), abs=0.004)


def test_what_is_no_design_is_refused() -> None:
    for fractions in ((), (0.5, 0.5), (0.0, 1.0), (0.5, 1.1)):
        with pytest.raises(ValueError, match="fractions must rise"):
            boundaries(fractions)
    with pytest.raises(ValueError, match="sides must be 1 or 2"):
        boundaries(FIVE, sides=3)
    with pytest.raises(ValueError, match="2 p values, but 1 looks"):
        repeated_p([0.1, 0.2], (1.0,))
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        repeated_p([1.5], (1.0,))
