"""The log of finished runs whose trials have not ended."""

from __future__ import annotations

import json
from pathlib import Path

from qkd_study.results import RunJournal, may_be_retried, without_result
from qkd_study.results.rows import Row
from tests.results.test_tables import record, trial

TRIALS = [trial(number) for number in range(2)]


def nothing(row: Row) -> bool:
    return False


def lines(folder: Path) -> int:
    path = folder / "pending.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_the_next_driver_takes_up_what_was_logged(tmp_path: Path) -> None:
    added = [record(TRIALS[0], 0), record(TRIALS[0], 1), record(TRIALS[1], 0)]
    before = RunJournal(tmp_path, nothing)
    for one in added:
        before.add(one)  # and is killed
    names = ("phase", "cell", "arm", "trial", "replicate")
    unhashable: dict[str, list[int]] = {name: [] for name in names}
    with (tmp_path / "pending.jsonl").open("ab") as log:
        log.write(json.dumps({"row": unhashable, "curve": []}).encode() + b"\n\xff\x00\n")
        log.write(b'{"row": {"phase": "search"}, "curve": []}\n[]\n{"row": {"phase"')
    pending = RunJournal(tmp_path, nothing)
    assert pending.of(TRIALS[0]) == {0: added[0], 1: added[1]}
    assert pending.of(TRIALS[1]) == {0: added[2]}
    pending.forget(TRIALS[0])
    pending.close()
    assert lines(tmp_path) == 1
    assert RunJournal(tmp_path, nothing).of(TRIALS[1]) == {0: added[2]}


def test_what_stands_in_the_tables_is_not_taken_up(tmp_path: Path) -> None:
    """A driver that dies between the tables and the log leaves such lines."""
    before = RunJournal(tmp_path, nothing)
    for one in (record(TRIALS[0], 0), record(TRIALS[0], 1), record(TRIALS[1], 0)):
        before.add(one)
    pending = RunJournal(tmp_path, lambda row: row["trial"] == 0)
    assert (pending.of(TRIALS[0]), lines(tmp_path)) == ({}, 1)
    assert list(pending.of(TRIALS[1])) == [0]
    pending.forget(TRIALS[1])
    pending.close()
    assert not (tmp_path / "pending.jsonl").exists()


def test_a_run_that_killed_its_worker_is_remembered_without_times(tmp_path: Path) -> None:
    dead = without_result("study", "run", TRIALS[0], 0, "failed", "the worker died, 3 times")
    assert dead.row.get("where.ended_at") is None
    RunJournal(tmp_path, nothing).add(dead)
    assert RunJournal(tmp_path, nothing).of(TRIALS[0])[0].row["reason"] == dead.row["reason"]
    assert RunJournal(tmp_path, may_be_retried).of(TRIALS[0]) == {}
