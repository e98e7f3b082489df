"""Selection on validation, scores on test, differences in pairs."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import differentiate, stats

from qkd_study.analysis import (
    Interval,
    best_trials,
    confirmed,
    mean_interval,
    share_interval,
    summarise,
)
from qkd_study.analysis.interval_text import format_gain, format_share
from qkd_study.results import mean_score, read_table, start_tables


def row(phase: str, arm: str, trial: int, replicate: int, **more: Any) -> dict[str, Any]:
    base = {"phase": phase, "cell": "k=1", "arm": arm, "trial": trial, "replicate": replicate}
    empty = {"metric.val_accuracy": np.nan, "metric.test_accuracy": np.nan}
    return {**base, "status": "ok", **empty, **more}


def search(arm: str, trial: int, *values: float | None) -> list[dict[str, Any]]:
    return [
        row("search", arm, trial, r, status="stopped")
        if v is None
        else row("search", arm, trial, r, **{"metric.val_accuracy": v})
        for r, v in enumerate(values)
    ]


def confirm(arm: str, trial: int, values: dict[int, float]) -> list[dict[str, Any]]:
    return [row("confirm", arm, trial, r, **{"metric.test_accuracy": v}) for r, v in values.items()]


def test_interval_is_students() -> None:
    values = [0.1, 0.4, 0.2, 0.7]
    found = mean_interval(values)
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.count == 4


def test_interval_of_few_values() -> None:
    assert np.isnan(mean_interval([]).mean)
    assert mean_interval([0.3]).mean == 0.3
    for interval in (mean_interval, share_interval):
        assert np.isnan(interval([0.3]).low)
        assert interval([0.7] * 3) == Interval(0.7, 0.7, 0.7, 3)


@pytest.mark.parametrize("n", [2, 5, 20])
@pytest.mark.parametrize("ends", [(0.0, 1.0), (0.4, 0.6), (0.9, 1.0), (0.0, 0.02)])
def test_the_interval_of_a_share_stays_between_0_and_1(n: int, ends: tuple[float, float]) -> None:
    """It is that of the logit of the mean, whose derivative, by SciPy, makes the standard error."""
    values = np.random.default_rng(n).uniform(*ends, n)
    found = share_interval(values, 0.9)
    mean = float(np.mean(values))
    slope = differentiate.derivative(stats.logistic.ppf, mean, initial_step=mean * (1 - mean) / 9)
    around = stats.t(n - 1, stats.logistic.ppf(mean), slope.df * stats.sem(values))
    low, high = stats.logistic.cdf(np.array(around.interval(0.9)))
    assert (found.mean, found.count) == (mean, n)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6)
    assert 0 <= found.low < found.mean < found.high <= 1
    for some in ([0.0, 1.0], [0.0, 1e-9], [1.0, 1.0, 1 - 1e-12]):
        assert 0 <= share_interval(some).low < share_interval(some).high <= 1


def test_the_interval_of_a_share_covers_near_the_bounds() -> None:
    """Accuracies of 597 samples around 0.95: the t interval holds 0.95 in 91 to 93 %."""
    rng = np.random.default_rng(95)
    for n in (3, 5, 10):
        draws = rng.binomial(597, rng.beta(27.2, 1.43, (2000, n))) / 597
        held = [i.low <= 0.95 <= i.high for i in map(share_interval, draws)]
        assert np.mean(held) == pytest.approx(0.945, abs=0.015)


def test_shares_that_are_none() -> None:
    with pytest.raises(ValueError, match=r"shares must lie in \[0, 1\]"):
        share_interval([0.5, 1.5])


def test_intervals_of_differences_are_cut_where_no_difference_can_be() -> None:
    values = [0.9, 0.1]
    low, high = stats.t.interval(0.95, 1, loc=0.5, scale=stats.sem(values))
    assert low < -1 < 1 < high
    assert mean_interval(values, most=1.0) == Interval(0.5, -1.0, 1.0, 2)


@pytest.mark.parametrize(
    ("values", "score", "gain"),
    [
        ([0.01, 0.99], "50.0 few", "+50.0 few"),
        ([0.551], "55.1 few", "+55.1 few"),
        ([0.5, 0.5, 0.5], "50.0 equal", "+50.0 equal"),
        ([0.68, 0.69, 0.70, 0.71, 0.72], "70.0 ± 2.0", "+70.0 ± 2.0"),
        ([0.95, 0.99, 0.99, 1.0], "98.2 +1.5 -10.4", "+98.2 +1.8 -3.5"),
        ([], "", ""),
    ],
)
def test_intervals_in_words(values: list[float], score: str, gain: str) -> None:
    assert format_share(share_interval(values)) == score
    assert format_gain(mean_interval(values, most=1.0)) == gain


def test_the_best_is_complete_and_the_first_of_equals() -> None:
    rows = [
        *search("a", 0, 0.5, 0.6),
        *search("a", 1, 0.99, None),  # stopped: its first replicate is not its score
        *search("a", 2, 0.7, 0.8),
        *search("a", 3, 0.8, 0.7),
        *search("b", 0, 0.1, 0.1),
    ]
    best = best_trials(pd.DataFrame(rows))
    assert best.to_dict() == {("k=1", "a"): 2, ("k=1", "b"): 0}


def test_only_the_chosen_configuration_counts_and_pairs_are_by_replicate() -> None:
    rows = [
        *search("scratch", 0, 0.5),
        *search("soft", 0, 0.5),
        *search("soft", 1, 0.6),
        *confirm("scratch", 0, {1000: 0.50, 1001: 0.60, 1002: 0.90}),
        *confirm("soft", 0, {1000: 0.0, 1001: 0.0, 1002: 0.0}),  # best before more trials came
        *confirm("soft", 1, {1002: 0.93, 1001: 0.61, 1000: 0.52}),
    ]
    runs = pd.DataFrame(rows)
    assert len(confirmed(runs)) == 6
    scratch, soft = summarise(runs, "scratch", ("k=1",), ("scratch", "soft"))
    assert scratch.gain is None
    assert scratch.score.mean == pytest.approx(2 / 3)
    assert soft.gain is not None
    assert soft.gain.mean == pytest.approx(0.02)
    expected = mean_interval([0.02, 0.01, 0.03])
    assert (soft.gain.low, soft.gain.high) == pytest.approx((expected.low, expected.high))


def test_missing_pairs_are_counted_out() -> None:
    rows = [
        *search("scratch", 0, 0.5),
        *search("soft", 0, 0.5),
        *confirm("scratch", 0, {1000: 0.5, 1001: 0.6}),
        *confirm("soft", 0, {1001: 0.7, 1002: 0.9}),
    ]
    _, soft = summarise(pd.DataFrame(rows), "scratch", ("k=1", "k=2"), ("scratch", "soft"))[:2]
    assert soft.gain is not None
    assert soft.gain.count == 1
    assert soft.gain.mean == pytest.approx(0.1)
    empty = summarise(pd.DataFrame(rows), "scratch", ("k=2",), ("soft",))[0]
    assert empty.score.count == 0


def test_ties_are_broken_alike_by_the_search_and_by_the_analysis() -> None:
    rows = [
        *search("a", 0, 0.7, 0.6, 0.5),
        *search("a", 1, 0.5, 0.6, 0.7),
        *search("a", 2, 0.6, 0.7, 0.5),
    ]
    assert best_trials(pd.DataFrame(rows)).tolist() == [0]
    assert len({mean_score(p) for p in itertools.permutations((0.1, 0.2, 0.3, 0.7))}) == 1


def test_a_run_without_rows_has_an_empty_summary(tmp_path: Path) -> None:
    start_tables(tmp_path)
    (line,) = summarise(read_table(tmp_path, "runs"), "a", ("k=1",), ("a",))
    assert line.score.count == 0
