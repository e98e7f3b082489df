"""Joining files: the same rows, whatever moment the process dies at."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pandas as pd
import pytest

from qkd_study import InputError
from qkd_study.common.atomic import replace_file
from qkd_study.results import (
    TABLES,
    compact_tables,
    finish_compaction,
    read_table,
    start_tables,
    write_records,
)
from qkd_study.results.reading import PLAN
from tests.results.test_tables import record, trial

# The package's names are those of functions in them.
compact = importlib.import_module("qkd_study.results.compact")
reading = importlib.import_module("qkd_study.results.reading")
KEYS = ["phase", "cell", "arm", "trial", "replicate"]


class Death(BaseException):
    """Nothing catches it: the process is gone."""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    start_tables(tmp_path)
    for number in range(6):
        write_records(tmp_path, [trial(number)], [record(trial(number), r) for r in (0, 1)])
    return tmp_path


def files(run: Path, table: str) -> list[str]:
    return sorted(path.name for path in (run / table).glob("search-*.parquet"))


def test_the_rows_stay_the_same_in_one_file(run: Path) -> None:
    before = {table: read_table(run, table) for table in TABLES}
    compact_tables(run, min_files=7)
    assert len(files(run, "runs")) == 6
    compact_tables(run, min_files=6)
    for table, rows in before.items():
        assert len(files(run, table)) == 1
        pd.testing.assert_frame_equal(read_table(run, table), rows)
        assert len(pd.read_parquet(run / table)) == len(rows)


def test_a_packed_run_is_extended_and_packed_again(run: Path) -> None:
    compact_tables(run, min_files=2)
    write_records(run, [trial(6)], [record(trial(6), r) for r in (0, 1)])
    assert len(read_table(run, "runs")) == 14
    first = files(run, "runs")
    compact_tables(run, min_files=2)
    assert len(files(run, "runs")) == 1
    assert files(run, "runs")[0] not in first
    rows = read_table(run, "runs")
    assert len(rows) == 14
    assert not rows.duplicated(KEYS).any()


@pytest.mark.parametrize("table", ["runs", "curves"])
def test_a_broken_file_is_left_with_the_others(run: Path, table: str) -> None:
    victim = run / table / files(run, table)[2]
    victim.write_bytes(victim.read_bytes()[:-50])
    before = files(run, table)
    compact_tables(run, min_files=2)
    assert files(run, table) == before
    assert not [p for p in run.rglob("*") if "partial" in p.name or "packing" in p.name]


def test_no_moment_to_die_at_loses_or_doubles_a_row(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {table: read_table(run, table) for table in ("runs", "curves")}
    deaths = 0
    while True:
        copy = tmp_path / f"died{deaths}"
        shutil.copytree(run, copy, ignore=shutil.ignore_patterns("died*"))
        left = deaths

        def dying(do: Any) -> Any:
            def do_or_die(*args: Any, **named: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    raise Death
                return do(*args, **named)

            return do_or_die

        with monkeypatch.context() as patch:
            for owner, name in ((os, "replace"), (os, "fsync"), (Path, "unlink")):
                patch.setattr(owner, name, dying(getattr(owner, name)))
            try:
                compact_tables(copy, min_files=2)
                break
            except Death:
                deaths += 1
        assert not pd.read_parquet(copy / "runs").duplicated(KEYS).any()
        for table, rows in before.items():  # a reader of ours knows the plan
            pd.testing.assert_frame_equal(read_table(copy, table), rows)
        finish_compaction(copy)
        start_tables(copy)
        for table, rows in before.items():
            pd.testing.assert_frame_equal(read_table(copy, table), rows)
        assert not [p for p in copy.rglob("*") if "partial" in p.name or "packing" in p.name]
    assert deaths > 15


def test_a_reader_beside_the_joining_misses_nothing(run: Path) -> None:
    """Joined again and again, as runs are that are extended; every reading sees every row."""
    rows = read_table(run, "runs")
    ended = Event()

    def read() -> int:
        times = 0
        while not ended.is_set():
            pd.testing.assert_frame_equal(read_table(run, "runs"), rows)
            times += 1
        return times

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        try:
            for number in range(40):
                empty = (run / "runs" / "columns.parquet").read_bytes()
                replace_file(run / "runs" / f"search-{number}.parquet", empty)
                compact_tables(run, min_files=2)
                time.sleep(0.01)
        finally:
            ended.set()
        assert reading.result() > 5


def test_a_reader_whose_listing_is_overtaken_misses_nothing(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files get their name between the listing and the look at the hidden one."""
    whole = read_table(run, "runs")
    monkeypatch.setattr(compact, "finish_compaction", lambda folder: None)
    compact_tables(run, min_files=2)
    monkeypatch.undo()
    assert (run / PLAN).exists()
    real = reading._plan
    calls: list[str] = []

    def overtaken(folder: Path) -> Any:
        calls.append(said := real(folder))
        if len(calls) == 2:
            plan = json.loads(said)
            for name in plan["names"]:
                (run / "runs" / name).unlink(missing_ok=True)
            os.replace(
                reading.temp_path(run / "runs", plan["target"]), run / "runs" / plan["target"]
            )
        return said

    monkeypatch.setattr(reading, "_plan", overtaken)
    pd.testing.assert_frame_equal(read_table(run, "runs"), whole)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[]", b'{"target": 1, "names": []}'])
def test_a_damaged_plan_is_named(run: Path, content: bytes) -> None:
    (run / PLAN).write_bytes(content)
    for work in (finish_compaction, lambda folder: read_table(folder, "runs")):
        with pytest.raises(InputError, match=r"\.packing\.json is broken: .* If you delete it"):
            work(run)
