"""Rows that stand twice, as where a driver that was suspended wrote beside its successor."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from qkd_study import InputError, StudyWarning
from qkd_study.analysis.summary import confirmed
from qkd_study.results import (
    Record,
    compact_tables,
    files_of,
    read_table,
    start_tables,
    write_records,
)
from tests.results.test_tables import record, trial

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEYS = ["phase", "cell", "arm", "trial", "replicate"]
Change = Callable[[Record], Record]


def changed(at: Record, **row: object) -> Record:
    return Record({**at.row, **row}, at.curve)


def write(
    folder: Path, numbers: Sequence[int], minutes: int, change: Change = lambda record: record
) -> None:
    """Trials that ended together, in one file."""
    trials = [trial(number) for number in numbers]
    ended = NOON + timedelta(minutes=minutes)
    records = [
        change(changed(record(of, r), **{"where.ended_at": ended, "metric.val_accuracy": r / 10}))
        for of in trials
        for r in of.replicates
    ]
    write_records(folder, trials, records)


def read(
    folder: Path, table: str = "runs", columns: Sequence[str] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rows = read_table(folder, table, columns=columns)
    assert all(entry.category is StudyWarning for entry in caught)
    return rows, [str(entry.message) for entry in caught]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Trials 0 and 1 by one driver, 1 and 2 by another."""
    start_tables(tmp_path)
    write(tmp_path, [0, 1], minutes=0)
    return tmp_path


def test_one_of_equal_rows_counts(folder: Path) -> None:
    write(folder, [1, 2], minutes=5)
    rows, said = read(folder)
    assert list(rows["trial"]) == [0, 0, 1, 1, 2, 2]
    assert not rows.duplicated(KEYS).any()
    assert list(rows["where.ended_at"].dt.minute) == [0, 0, 0, 0, 5, 5]
    (only,) = said
    assert only.startswith("2 rows of runs/ stand there twice")
    assert "differ" not in only
    curves, said = read(folder, "curves")
    assert len(curves) == 3 * 2 * 2
    assert not curves.duplicated([*KEYS, "epoch"]).any()
    assert said == []
    assert len(read(folder, columns=KEYS)[0]) == 6


def test_what_differs_is_said_and_the_first_counts(folder: Path) -> None:
    write(folder, [1, 2], 5, lambda at: changed(at, **{"metric.val_accuracy": 0.9}))
    rows, (said,) = read(folder)
    assert "Of 2 the metrics differ, and that which ended first counts: search " in said
    assert list(rows["metric.val_accuracy"]) == [0.0, 0.1, 0.0, 0.1, 0.9, 0.9]


def test_a_run_that_ended_well_comes_before_one_that_failed(folder: Path) -> None:
    """And its curve comes with it, whole."""
    failed = {"status": "failed", "reason": "the worker died", "metric.val_accuracy": None}
    write(folder, [1, 2], -5, lambda at: Record({**at.row, **failed}, at.curve[:1]))
    rows, _ = read(folder)
    assert list(rows["status"]) == ["ok"] * 4 + ["failed"] * 2
    curves, _ = read(folder, "curves")
    assert list(curves.groupby("trial").size()) == [4, 4, 2]


def test_two_configurations_of_one_trial_are_refused(folder: Path) -> None:
    write(folder, [1, 2], 5, lambda at: changed(at, **{"config.temperature": 9.0}))
    names = " and ".join(f"runs/{path.name}" for path in files_of(folder, "runs")[1:])
    said = f"{names} hold search trial 1 of .* with different configurations"
    for table in ("runs", "curves"):
        with pytest.raises(InputError, match=said):
            read_table(folder, table)


def test_they_are_not_packed(folder: Path) -> None:
    write(folder, [1, 2], minutes=5)
    before = files_of(folder, "runs")
    compact_tables(folder, min_files=2)
    assert files_of(folder, "runs") == before


def test_a_doubled_confirm_row_is_one_replicate(folder: Path) -> None:
    of = replace(trial(0), phase="confirm", replicates=(1000, 1001))
    both = [changed(record(of, r), **{"metric.test_accuracy": 0.5}) for r in of.replicates]
    write_records(folder, [of], both)
    write_records(folder, [of, replace(of, arm=replace(of.arm, name="other"))], [both[0]])
    rows, (said,) = read(folder)
    assert said.startswith("1 rows ")
    assert len(confirmed(rows)) == 2
