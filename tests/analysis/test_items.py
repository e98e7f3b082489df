"""Intervals over replicates and test items: against the analysis of variance, and simulated."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from scipy import stats

from qkd_study import InputError, load
from qkd_study.analysis.claims import sides
from qkd_study.analysis.predictions import correctness as right_of
from qkd_study.analysis.report.prose import statement
from qkd_study.analysis.statistics import crossed_difference, item_variance
from qkd_study.study.canonical import canonical
from qkd_study.study.claims import BOTH, REPLICATES, rests_on
from tests.analysis.crossed import Design, coverage
from tests.analysis.made import CLAIM, made_results, made_study, with_predictions


def correctness(seed: int, replicates: int = 6, items: int = 50) -> NDArray[np.float64]:
    """Differences in -1, 0, 1 with effects of replicates and of items."""
    rng = np.random.default_rng(seed)
    effects = rng.normal(size=items) + 0.5 * rng.normal(size=(replicates, 1))
    noise = rng.normal(size=(2, replicates, items))
    right = effects + 0.3 + noise[0] > 0
    other = effects + rng.normal(size=items) + noise[1] > 0
    found: NDArray[np.float64] = np.subtract(right, other, dtype=np.float64)
    return found


def mean_squares(d: NDArray[np.float64]) -> tuple[float, float, float]:
    """Of replicates, of items and of the rest, written out."""
    n, items = d.shape
    rows = sum((d[r].mean() - d.mean()) ** 2 for r in range(n)) * items / (n - 1)
    columns = sum((d[:, i].mean() - d.mean()) ** 2 for i in range(items)) * n / (items - 1)
    rest = sum(
        (d[r, i] - d[r].mean() - d[:, i].mean() + d.mean()) ** 2
        for r in range(n)
        for i in range(items)
    ) / ((n - 1) * (items - 1))
    return rows, columns, rest


def test_the_variance_is_that_of_the_two_way_analysis() -> None:
    d = correctness(1)
    n, items = d.shape
    rows, columns, rest = mean_squares(d)
    found = item_variance([d])
    assert found.variance == pytest.approx((columns - rest) / (n * items), rel=1e-9)
    both = crossed_difference(d.mean(axis=1), found)
    assert both is not None
    variance = (rows + columns - rest) / (n * items)
    assert both.error**2 == pytest.approx(variance, rel=1e-9)
    df = (rows + columns - rest) ** 2 / (rows**2 / (n - 1) + (columns - rest) ** 2 / (items - 1))
    assert both.df == pytest.approx(df, rel=1e-9)
    assert both.high - both.mean == pytest.approx(stats.t.ppf(0.975, df) * np.sqrt(variance))
    assert both.item_share == pytest.approx((columns - rest) / (rows + columns - rest))
    assert both.p == pytest.approx(2 * stats.t.sf(abs(d.mean()) / np.sqrt(variance), df))
    margin = abs(d.mean()) + np.sqrt(variance)
    assert both.p_within(margin) == pytest.approx(stats.t.sf(1, df))


def test_items_of_their_own_add_nothing_and_few_common_ones_little() -> None:
    d = correctness(2)
    n, items = d.shape
    own = np.full((n, n * items), np.nan)
    for r in range(n):
        own[r, r * items : (r + 1) * items] = d[r]
    assert item_variance([own]).variance == 0
    assert item_variance([own]).items == n * items
    # Half of the items are common: the covariance over those, times n_rs / (n_r n_s).
    half = np.full((n, items // 2 * (n + 1)), np.nan)
    half[:, : items // 2] = d[:, : items // 2]
    for r in range(n):
        at = items // 2 * (r + 1)
        half[r, at : at + items // 2] = d[r, items // 2 :]
    pairs = [
        np.cov(d[r, : items // 2], d[s, : items // 2])[0, 1] * (items // 2) / items**2
        for r in range(n)
        for s in range(n)
        if r != s
    ]
    assert item_variance([half]).variance == pytest.approx(max(0.0, np.mean(pairs)))


def test_sets_of_items_add_up() -> None:
    one, two = 0.5 * correctness(3), 0.5 * correctness(4, items=80)
    alone = [item_variance([d]) for d in (one, two)]
    both = item_variance([one, two])
    assert both.variance == pytest.approx(sum(part.variance for part in alone))
    assert both.items == 130


def test_never_narrower_than_over_replicates_alone() -> None:
    none = item_variance([np.zeros((4, 30))])
    values = np.array([0.01, 0.03, 0.02, 0.05])
    found = crossed_difference(values, none)
    assert found is not None
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    low, high = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    equal = crossed_difference([0.02, 0.02, 0.02], item_variance([correctness(5)[:3]]))
    assert equal is not None
    assert equal.p >= 0.25  # three signs prove no more
    assert crossed_difference([0.1], none) is None
    with pytest.raises(ValueError, match="a replicate has no items"):
        item_variance([np.full((2, 3), np.nan)])


def test_it_covers_new_replicates_on_new_items() -> None:
    """Small; benchmarks/crossed.py has the full size."""
    shared = coverage(Design(replicates=10, items=100), repetitions=600)
    assert 0.93 <= shared.both <= 0.97
    assert shared.replicates < 0.85  # what an interval over replicates alone holds
    own = coverage(Design(replicates=10, items=100, shared=False), repetitions=600)
    assert 0.93 <= own.both <= 0.97
    assert own.replicates == pytest.approx(own.both, abs=0.005)


def test_claims_rest_on_new_test_samples_unless_they_say_otherwise(tmp_path: Path) -> None:
    claims = (CLAIM, replace(CLAIM, over="replicates"), replace(CLAIM, metric="test_nll"))
    study = made_study(claims=[replace(c, says=f"{i}") for i, c in enumerate(claims)])
    results = with_predictions(made_results(study=study), tmp_path, gain=0.6)
    wide, narrow, other = results.judge()
    right = results.correctness
    d = np.mean(
        [
            right[cell, "soft"].right.to_numpy(float) - right[cell, "scratch"].right.to_numpy(float)
            for cell in results.cells
        ],
        axis=0,
    )
    rows, columns, rest = mean_squares(d)
    both = wide.overall.both
    assert both is not None
    assert both.mean == pytest.approx(d.mean())
    assert both.error**2 == pytest.approx((rows + columns - rest) / d.size)
    assert [c.overall.over for c in (wide, narrow)] == [BOTH, REPLICATES]
    assert [c.status for c in (wide, narrow)] == ["undecided", "supported"]
    assert wide.overall.too_few_items  # half a point cannot be seen on 60 samples
    assert all(c.contrast.over == BOTH for c in wide.controls)
    assert "over replicates and 60 test samples" in statement(wide).lines[0]
    assert "The verdict is for new replicates on new test samples." in statement(wide).lines[0]
    assert "the test samples are too few." in statement(wide).lines[0]
    assert "on these test samples." in statement(narrow).lines[0]
    assert (other.overall.both, other.overall.over) == (None, REPLICATES)
    table = results.verdicts()
    assert (table["both_low"] <= table["low"])[table["test_items"] == 60].all()
    assert table.loc[table["metric"] == "test_nll", "test_items"].isna().all()
    (folder,) = tmp_path.glob("made/made")
    path = folder / "predictions" / "confirm-all.parquet"
    some = pq.read_table(path)
    pq.write_table(some.filter(pc.not_equal(some["replicate"], 1003)), path)
    missing = load(folder).judge()[0]
    assert (missing.overall.both, missing.overall.over) == (None, REPLICATES)
    assert "how much is due to the samples is not known" in statement(missing).lines[0]
    shutil.rmtree(folder / "predictions")  # a run of an earlier version
    assert load(folder).judge()[0].overall.over == REPLICATES


def test_old_claims_are_over_replicates_and_bad_ones_are_refused() -> None:
    old = {key: value for key, value in canonical(CLAIM).items() if key != "over"}
    assert (rests_on(old), rests_on(canonical(CLAIM))) == (REPLICATES, BOTH)
    with pytest.raises(InputError, match="must be 'replicates' or 'replicates and test items'"):
        replace(CLAIM, over="test items")
    with pytest.raises(InputError, match="must be 'replicates' or 'datasets' for test_nll, but"):
        replace(CLAIM, metric="test_nll", over=BOTH)


def test_datasets_have_test_items_of_their_own() -> None:
    """The difference of an arm between two datasets: both draws of test samples count."""
    frames = [pd.DataFrame(correctness(seed), columns=range(50)) for seed in (1, 2)]
    items = sides._sum([({"digits": frames[0]}, 1.0), ({"xor4": frames[1]}, -1.0)])
    assert items is not None
    alone = [item_variance([frame.to_numpy()]).variance for frame in frames]
    found = item_variance([frame.to_numpy() for frame in items.values()])
    assert found.variance == pytest.approx(sum(alone))
    assert sides._sum([(items, 1.0), (None, 1.0)]) is None


def test_each_replicate_counts_with_the_configuration_of_its_own_search() -> None:
    keys = {"cell": "all", "arm": "soft"}
    chosen: list[dict[str, Any]] = [
        {**keys, "trial": t, "replicate": r} for t, r in ((3, 1000), (1_000_002, 1001))
    ]
    confirmed = pd.DataFrame(chosen).assign(**{"config.dataset": "digits"})
    other: list[dict[str, Any]] = [
        {**keys, "trial": 4, "replicate": r} for r in (1000, 1001)
    ]  # confirmed, not chosen
    rows = [
        {**run, "sample": sample, "label": 1, "predicted": int(run in chosen and sample > 0)}
        for run in (*chosen, *other)
        for sample in range(3)
    ]
    found = right_of(pd.DataFrame(rows), confirmed)
    assert found["all", "soft"].dataset == "digits"
    right = found["all", "soft"].right
    assert right.index.to_list() == [1000, 1001]
    assert right.to_numpy().tolist() == [[0, 1, 1], [0, 1, 1]]
