"""Laws: known parameters come back, intervals cover them, and what cannot be told is not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize

from qkd_study.analysis.scaling import (
    CostLaw,
    Estimate,
    PowerLaw,
    Prediction,
    fit_cost,
    fit_error,
)
from qkd_study.analysis.scaling.error_law import EXPONENTS

Floats = NDArray[np.float64]

AMOUNTS = np.array([20.0, 50.0, 100.0, 200.0, 500.0, 1000.0])
QUBITS, DEPTH, SAMPLES = (
    axis.ravel() for axis in np.meshgrid([4.0, 6.0, 8.0, 10.0], [1.0, 2.0], [50.0, 100.0, 200.0])
)


def error(k: Any, floor: float = 0.1, scale: float = 1.5, exponent: float = 0.6) -> Any:
    return floor + scale * k**-exponent


def cost(qubits: Any, depth: Any, samples: Any, overhead: float = 0.5) -> Any:
    return overhead + 2e-4 * depth * samples * 1.9**qubits


def covers(estimate: Estimate | Prediction, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high


def three(law: PowerLaw) -> tuple[float, float, float]:
    return law.floor.value, law.scale.value, law.exponent.value


# --- error against samples ---


@settings(deadline=None, derandomize=True)
@given(
    st.floats(0.0, 0.5),
    st.floats(0.1, 5.0),
    st.floats(0.05, 3.0),
)
def test_a_power_law_without_noise_comes_back(floor: float, scale: float, exponent: float) -> None:
    errors = error(AMOUNTS, floor, scale, exponent)
    law = fit_error(AMOUNTS, errors[None], resamples=1)
    assert three(law) == pytest.approx((floor, scale, exponent), rel=1e-5, abs=1e-6)
    assert law.residuals == pytest.approx(np.zeros(6), abs=1e-9)
    assert law.r_squared == pytest.approx(1)
    assert law.floor_fitted


def test_order_and_size_of_amounts_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    errors = error(AMOUNTS) + rng.normal(0, 0.02, (8, 6))
    law = fit_error(AMOUNTS, errors)
    mixed = rng.permutation(6)
    assert three(fit_error(AMOUNTS[mixed], errors[:, mixed])) == pytest.approx(three(law))
    floor, scale, exponent = three(fit_error(AMOUNTS * 1e6, errors))
    assert (floor, exponent) == pytest.approx((law.floor.value, law.exponent.value))
    assert scale == pytest.approx(law.scale.value * 1e6**exponent)


@pytest.mark.parametrize("seed", range(12))
def test_neither_bounded_least_squares_nor_brute_force_find_a_better_law(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = (rng.uniform(0, 0.3), rng.uniform(0.2, 3), rng.uniform(0.1, 2))
    errors = np.clip(error(AMOUNTS, *truth) + rng.normal(0, 0.05, (5, 6)), 0, None)
    law = fit_error(AMOUNTS, errors)
    mean = errors.mean(axis=0)

    def residuals(p: Any) -> Any:
        return p[0] + p[1] * (AMOUNTS / 100) ** -p[2] - mean

    fits = [
        optimize.least_squares(
            residuals,
            (mean.min() / 2, 0.1, exponent),
            bounds=([0, 0, EXPONENTS[0]], [np.inf, np.inf, EXPONENTS[1]]),
        )
        for exponent in (0.1, 0.3, 1.0, 3.0)
    ]
    own = sum(r**2 for r in law.residuals) / 2
    # Errors that barely fall have two optima, of which starts may miss the better one.
    assert own <= min(float(fit.cost) for fit in fits) * (1 + 1e-9)
    brute = [
        optimize.nnls(np.stack([np.ones(6), (AMOUNTS / 100) ** -b], axis=1), mean)[1] ** 2 / 2
        for b in np.geomspace(*EXPONENTS, 1000)
    ]
    assert own <= min(brute) * (1 + 1e-9)
    assert own == pytest.approx(min(brute), rel=1e-3)


def test_intervals_of_a_power_law_cover_the_truth() -> None:
    rng = np.random.default_rng(7)
    hits = np.zeros(4)
    for _ in range(100):
        common = rng.normal(0, 0.01, (10, 1))  # a replicate's draws are nested
        law = fit_error(
            AMOUNTS, error(AMOUNTS) + common + rng.normal(0, 0.015, (10, 6)), resamples=400
        )
        hits += [
            covers(law.floor, 0.1),
            covers(law.scale, 1.5),
            covers(law.exponent, 0.6),
            covers(law.predict(300), error(300)),
        ]
    assert (hits >= 88).all(), hits


def test_confidence_widens_and_seeds_repeat() -> None:
    errors = error(AMOUNTS) + np.random.default_rng(1).normal(0, 0.02, (10, 6))
    wide, narrow = (fit_error(AMOUNTS, errors, confidence=c) for c in (0.95, 0.5))
    assert wide.exponent.low < narrow.exponent.low < narrow.exponent.high < wide.exponent.high
    assert fit_error(AMOUNTS, errors) == fit_error(AMOUNTS, errors)
    other = fit_error(AMOUNTS, errors, seed=1)
    assert three(other) == three(wide)
    assert other.exponent != wide.exponent


def test_prediction_is_the_formula_and_says_where_it_was_not_run() -> None:
    law = fit_error(AMOUNTS, error(AMOUNTS) + np.random.default_rng(1).normal(0, 0.02, (10, 6)))
    floor, scale, exponent = three(law)
    for k, outside in ((19.9, True), (20, False), (300, False), (1000, False), (1e4, True)):
        found = law.predict(k)
        assert found.value == pytest.approx(floor + scale * k**-exponent)
        assert found.low <= found.value <= found.high
        assert found.extrapolated is outside


def test_two_amounts_tell_no_floor() -> None:
    law = fit_error([10, 100], [[0.5, 0.3], [0.7, 0.5]])
    assert not law.floor_fitted
    assert law.floor.value == 0
    assert math.isnan(law.floor.low)
    assert law.exponent.value == pytest.approx(math.log10(0.6 / 0.4))
    assert law.predict(100).value == pytest.approx(0.4)
    assert covers(law.exponent, law.exponent.value)


def test_one_replicate_has_no_intervals() -> None:
    law = fit_error(AMOUNTS, error(AMOUNTS)[None])
    assert np.isnan([law.scale.low, law.scale.high, law.predict(50).low]).all()
    assert law.draws.shape == (0, 3)


def test_errors_that_do_not_fall_are_a_floor() -> None:
    law = fit_error([10, 100, 1000], [[0.3, 0.5, 0.6], [0.4, 0.6, 0.6]])
    assert law.scale.value == 0
    assert law.floor.value == pytest.approx(0.5)
    assert law.predict(1e5).value == pytest.approx(0.5)
    assert law.r_squared == pytest.approx(0)
    flat = fit_error([10, 100, 1000], np.zeros((2, 3)))
    assert flat.predict(10).value == 0
    assert math.isnan(flat.r_squared)


@pytest.mark.parametrize(
    ("amounts", "errors", "told"),
    [
        ([10], [[0.5]], "at least two different amounts"),
        ([], np.zeros((1, 0)), "at least two different amounts"),
        ([10, 10], [[0.5, 0.4]], "at least two different amounts"),
        ([10, 0], [[0.5, 0.4]], r"amounts .* > 0, but got \[10.0, 0.0\]"),
        ([10, -5], [[0.5, 0.4]], "amounts"),
        ([10, math.nan], [[0.5, 0.4]], "amounts"),
        ([[10, 20]], [[0.5, 0.4]], "amounts must be one-dimensional"),
        ([10, 20], [0.5, 0.4], r"errors must be \(replicates, 2\), but got shape \(2,\)"),
        ([10, 20], [[0.5, 0.4, 0.3]], r"shape \(1, 3\)"),
        ([10, 20], np.zeros((0, 2)), r"shape \(0, 2\)"),
        ([10, 20], [[0.5, math.nan]], "errors must be finite"),
        ([10, 20], [[0.5, -0.1]], "errors must be finite and >= 0"),
    ],
)
def test_bad_errors_are_refused(amounts: Any, errors: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        fit_error(amounts, errors)


def test_bad_options_are_refused() -> None:
    errors = error(AMOUNTS)[None]
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1, but got 95"):
        fit_error(AMOUNTS, errors, confidence=95)
    with pytest.raises(ValueError, match="resamples must be >= 1, but got 0"):
        fit_error(AMOUNTS, errors, resamples=0)
    with pytest.raises(ValueError, match=r"amount .*> 0, but got \[0.0\]"):
        fit_error(AMOUNTS, errors).predict(0)


# --- cost against qubits, depth and samples ---


def law_of(values: Floats, **more: Any) -> CostLaw:
    return fit_cost(qubits=QUBITS, depth=DEPTH, samples=SAMPLES, cost=values, **more)


@pytest.mark.parametrize("overhead", [0.0, 0.05, 0.5, 50.0])
@pytest.mark.parametrize("factor", [1.0, 1e-6, 1e9])
def test_a_cost_law_without_noise_comes_back(overhead: float, factor: float) -> None:
    law = law_of(factor * cost(QUBITS, DEPTH, SAMPLES, overhead))
    assert law.overhead.value == pytest.approx(factor * overhead, rel=1e-6, abs=1e-12 * factor)
    assert law.unit.value == pytest.approx(factor * 2e-4, rel=1e-6)
    assert law.ratio.value == pytest.approx(1.9, rel=1e-6)
    assert law.overhead_fitted
    assert law.ratio_fitted
    assert law.residuals == pytest.approx(np.zeros(24), abs=1e-8)
    assert law.r_squared == pytest.approx(1)


@pytest.mark.parametrize("overhead", [0.0, 0.5])
def test_intervals_of_a_cost_law_cover_the_truth(overhead: float) -> None:
    rng = np.random.default_rng(3)
    truth = cost(QUBITS, DEPTH, SAMPLES, overhead)
    hits = np.zeros(4)
    for _ in range(100):
        law = law_of(truth * np.exp(rng.normal(0, 0.2, 24)))
        found = law.predict(qubits=9, depth=1, samples=150)
        hits += [
            covers(law.overhead, overhead),
            covers(law.unit, 2e-4),
            covers(law.ratio, 1.9),
            covers(found, cost(9, 1, 150, overhead)),
        ]
    assert (hits >= 89).all(), hits


def test_replicates_that_cost_alike_are_one_value() -> None:
    """Four trials of each of four sizes, six replicates each: a trial's cost is off by 20 %."""
    rng = np.random.default_rng(4)
    qubits, groups = np.repeat([4.0, 6.0, 8.0, 10.0], 24), np.repeat(np.arange(16), 6)
    hits = np.zeros(2)
    for _ in range(40):
        noise = np.repeat(rng.normal(0, 0.2, 16), 6) + rng.normal(0, 0.05, 96)
        values = cost(qubits, 1, 100, 0.0) * np.exp(noise)
        hits += [
            covers(fit_cost(qubits=qubits, cost=values).ratio, 1.9),
            covers(fit_cost(qubits=qubits, cost=values, groups=groups).ratio, 1.9),
        ]
    assert hits[0] < 28  # each run counted as if it were independent
    assert hits[1] >= 35
    mean = np.exp(np.log(values).reshape(16, 6).mean(axis=1))
    grouped = fit_cost(qubits=qubits, cost=values, groups=groups)
    assert grouped == fit_cost(qubits=qubits[::6], cost=mean)
    with pytest.raises(ValueError, match=r"one qubits, but in 15 it varies"):
        fit_cost(qubits=qubits, cost=values, groups=np.roll(groups, 25))


def test_small_and_large_circuits_count_alike() -> None:
    """A share more at one end of four decades moves the law as much as at the other."""
    qubits = np.arange(2.0, 16.0)
    exact = 1e-4 * 2**qubits
    moved = []
    for i in (0, -1):
        values = exact.copy()
        values[i] *= 1.5
        moved.append(fit_cost(qubits=qubits, cost=values).r_squared)
    assert min(moved) > 0.99


def test_cost_prediction_is_the_formula_and_says_where_it_was_not_run() -> None:
    noise = np.random.default_rng(5).normal(0, 0.1, 24)
    law = law_of(cost(QUBITS, DEPTH, SAMPLES) * np.exp(noise))
    for q, d, s, outside in (
        (4, 1, 50, False),
        (9, 2, 70, False),
        (11, 1, 50, True),
        (4, 3, 50, True),
        (4, 1, 49, True),
    ):
        found = law.predict(qubits=q, depth=d, samples=s)
        work = law.unit.value * d * s * law.ratio.value**q
        assert found.value == pytest.approx(law.overhead.value + work)
        assert found.low < found.value < found.high
        assert found.extrapolated is outside
    values = [
        law.predict(qubits=q, depth=d, samples=s).value
        for q, d, s in zip(QUBITS, DEPTH, SAMPLES, strict=True)
    ]
    logs = np.log(cost(QUBITS, DEPTH, SAMPLES)) + noise
    assert law.residuals == pytest.approx(logs - np.log(values))
    residual = np.square(law.residuals).sum()
    assert law.r_squared == pytest.approx(1 - residual / np.square(logs - logs.mean()).sum())


def test_linearised_interval_is_that_of_a_regression_of_logarithms() -> None:
    """Two qubit counts allow no overhead: ln(cost) is then a line, with textbook intervals."""
    rng = np.random.default_rng(2)
    qubits = np.repeat([4.0, 8.0], 6)
    values = 1e-3 * 2**qubits * np.exp(rng.normal(0, 0.1, 12))
    law = fit_cost(qubits=qubits, cost=values)
    x, y = qubits, np.log(values)
    slope = float(np.polyfit(x, y, 1)[0])
    line = np.polyval(np.polyfit(x, y, 1), x)
    deviation = math.sqrt(((y - line) ** 2).sum() / 10 / ((x - x.mean()) ** 2).sum())
    half = 2.2281388519649385 * deviation  # Student's t, 10 degrees of freedom, 95 %
    expected = [math.exp(slope + sign * half) for sign in (0, -1, 1)]
    assert [law.ratio.value, law.ratio.low, law.ratio.high] == pytest.approx(expected, rel=1e-6)
    spread = deviation * math.sqrt(((x - x.mean()) ** 2).sum() / 12 + (5 - x.mean()) ** 2)
    found = law.predict(qubits=5)
    assert found.high / found.value == pytest.approx(math.exp(2.2281388519649385 * spread))
    assert found.low / found.value == pytest.approx(math.exp(-2.2281388519649385 * spread))
    assert not law.overhead_fitted
    assert law.overhead.value == 0
    assert math.isnan(law.overhead.high)


def test_what_does_not_vary_is_not_fitted() -> None:
    law = fit_cost(qubits=[4, 4, 4], samples=[10, 20, 40], cost=[2.0, 3.0, 5.0])
    assert not law.ratio_fitted
    assert law.ratio.value == 1
    assert math.isnan(law.ratio.low)
    assert (law.overhead.value, law.unit.value) == pytest.approx((1.0, 0.1))
    assert law.predict(qubits=6, samples=20).extrapolated
    assert not law.predict(qubits=4, samples=20).extrapolated


def test_inputs_may_be_absent() -> None:
    law = fit_cost(depth=[1, 2, 4], cost=[3.0, 5.0, 9.0])
    assert (law.overhead.value, law.unit.value) == pytest.approx((1.0, 2.0))
    assert law.predict(depth=3).value == pytest.approx(7)
    with pytest.raises(ValueError, match=r"must be \['depth'\], but got \['qubits'\]"):
        law.predict(qubits=3)
    with pytest.raises(ValueError, match=r"must be \['depth'\], but got \[\]"):
        law.predict()
    with pytest.raises(ValueError, match=r"depth .*got \[-1.0\]"):
        law.predict(depth=-1)


def test_as_many_runs_as_numbers_leave_no_intervals() -> None:
    law = fit_cost(samples=[10, 20], cost=[1.0, 1.5])
    assert law.degrees == 0
    assert (law.overhead.value, law.unit.value) == pytest.approx((0.5, 0.05))
    assert np.isnan([law.unit.low, law.overhead.high, law.predict(samples=15).low]).all()


def test_a_cost_that_depends_on_nothing_is_no_error() -> None:
    law = fit_cost(qubits=[2, 4, 6, 8], cost=[1.0, 1.0, 1.0, 1.0])
    assert law.predict(qubits=5).value == pytest.approx(1)
    assert math.isnan(law.r_squared)
    noisy = fit_cost(qubits=[2, 4, 6, 8], cost=[1.0, 1.1, 0.9, 1.0])
    assert noisy.predict(qubits=5).value == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("values", "inputs", "told"),
    [
        ([1, 2], {"qubits": [2, 3, 4]}, r"\{'qubits': 3, 'cost': 2\}"),
        ([1, 2], {"qubits": [2, 2]}, "Nothing varies between the runs: 1 setting in 2 runs"),
        ([1, 2], {"depth": [1, 2], "samples": [20, 10]}, "Nothing varies"),
        ([1, 2], {}, "Nothing varies"),
        ([], {"qubits": []}, "Nothing varies"),
        ([1, 0], {"qubits": [2, 3]}, r"cost .*> 0, but got \[1.0, 0.0\]"),
        ([1, math.nan], {"qubits": [2, 3]}, "cost"),
        ([1, 2], {"qubits": [2, -3]}, "qubits"),
        ([1, 2], {"depth": [0, 3]}, "depth"),
        ([1, 2], {"samples": [math.inf, 3]}, "samples"),
        ([[1, 2]], {"samples": [1, 3]}, "cost must be one-dimensional"),
    ],
)
def test_bad_costs_are_refused(values: Any, inputs: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        fit_cost(cost=values, **inputs)


def test_confidence_of_a_cost_law() -> None:
    values = cost(QUBITS, DEPTH, SAMPLES) * np.exp(np.random.default_rng(5).normal(0, 0.1, 24))
    wide, narrow = law_of(values), law_of(values, confidence=0.5)
    assert wide.ratio.low < narrow.ratio.low < narrow.ratio.high < wide.ratio.high
    with pytest.raises(ValueError, match="confidence"):
        law_of(values, confidence=1.0)
