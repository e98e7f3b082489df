"""The state of a run, from a folder that is written by hand."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from qkd_study.analysis.status import status_of
from qkd_study.cli.formatting import status_lines
from qkd_study.cli.inspect import LISTED
from qkd_study.cli.main import main
from qkd_study.data import load
from qkd_study.planning.plan import make_plan
from qkd_study.results import (
    Record,
    RunFolder,
    new_run,
    without_result,
    write_manifest,
    write_records,
)
from qkd_study.study.load import load_study
from qkd_study.study.trial import Trial

START = datetime(2026, 1, 1, 12, tzinfo=UTC)

NAN = "diverged: the loss was nan"


@pytest.fixture
def folder(tiny_study: Path) -> RunFolder:
    """A run of the tiny study that is half done: two searches, one of them with a failure."""
    study, dataset = load_study(tiny_study), load("digits")
    run = new_run(study, tiny_study.parent / "results")
    plan = make_plan(study, dataset).as_json()
    command = ["qkd-study", "run", "--new", "my study.py", "--trials", "9"]
    session = {"started_at": START.isoformat(), "command": command}
    write_manifest(
        run, study, tiny_study, dataset="digits", digest=dataset.digest, plan=plan, session=session
    )
    cell = study.cells()[0]
    ended = 0

    def add(arm: str, phase: str, number: int, scores: list[float | str]) -> None:
        nonlocal ended
        first = 1000 if phase == "confirm" else 0
        config = study.config(cell, study.arm(arm), {"learning_rate": 0.01}, "digits")
        replicates = tuple(range(first, first + len(scores)))
        trial = Trial(phase, cell, study.arm(arm), number, config, replicates)  # type: ignore[arg-type]
        records = []
        for replicate, score in zip(replicates, scores, strict=True):
            reason = score if isinstance(score, str) else "given up"
            status = "failed" if isinstance(score, str) else "stopped"
            record = without_result("tiny", run.run_id, trial, replicate, status, reason)  # type: ignore[arg-type]
            if isinstance(score, float):
                row = {**record.row, "status": "ok", "reason": None, "metric.val_accuracy": score}
                if phase == "confirm":
                    row["metric.test_accuracy"] = score - 0.05
                # One run every 30 s, each of 20 s.
                ended += 1
                at = START + timedelta(seconds=30 * ended)
                row |= {"where.started_at": at - timedelta(seconds=20), "where.ended_at": at}
                record = replace(record, row=row)
            records.append(Record(record.row, []))
        write_records(run.path, [trial], records)

    add("scratch", "search", 0, [0.5, 0.6])
    add("scratch", "search", 1, [0.7, 0.8])
    add("scratch", "confirm", 1, [0.7, 0.7])
    add("scratch", "confirm", 0, [0.7])  # was the best before the search went on
    add("soft", "search", 0, [0.9, NAN])
    return run


def test_how_far_it_is(folder: RunFolder) -> None:
    found = status_of(folder)
    first, second, *others = found.branches
    assert (first.cell, first.arm) == ("samples=20", "scratch")
    assert (first.search, first.confirm, first.failed) == ((4, 4), (2, 3), 0)
    assert first.best == pytest.approx(0.75)
    assert (second.search, second.confirm, second.best, second.failed) == ((2, 4), (0, 3), None, 1)
    assert [(b.search, b.confirm) for b in others] == [((0, 4), (0, 3))] * 2
    assert (found.declared, found.done) == (28, 8)
    assert found.rows == {"search": {"ok": 5, "failed": 1}, "confirm": {"ok": 3}}
    (failed,) = found.failed
    assert list(failed.values()) == ["search", "samples=20", "soft", 0, 1, NAN]
    assert found.last_row == START + timedelta(seconds=240)
    # Eight runs from 12:00:10 to 12:04:00, and a ninth row that took no time.
    assert found.runs_per_minute == pytest.approx(9 / (230 / 60))
    assert found.seconds_left == pytest.approx(20 / (9 / 230))


def test_who_works_on_it(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(folder).writer is None
    with folder.locked():
        assert status_of(folder).writer == f"process {os.getpid()} on {socket.gethostname()}"
        assert main(["status", str(folder.path)]) == 0
        said = capsys.readouterr().out
        assert f"process {os.getpid()} on " in said
        assert "2.35 runs per minute, about 8 min 31 s left" in said
    # One that was killed left its note; another machine's cannot be asked.
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    owner = folder.path / ".owner"
    owner.write_text(f"process {dead.pid} on {socket.gethostname()}")
    assert status_of(folder).writer is None
    owner.write_text(f"process {dead.pid} on elsewhere")
    assert status_of(folder).writer == f"process {dead.pid} on elsewhere"


def test_the_command(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(folder.path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{folder.path} on digits"
    assert lines[1] == "1 of 9 runs failed (11 %):"
    assert lines[2] == f"  1 x {NAN}; first: search samples=20 soft trial 0 replicate 1"
    assert lines[3] == "8 of 28 runs have rows"
    goes_on = "; this goes on: qkd-study run 'my study.py' --trials 9"
    (now,) = [line for line in lines if line.endswith(goes_on)]
    assert now.startswith("nothing works on it now, ")
    table = [line.strip("│ ").split() for line in lines]
    assert ["20", "│", "scratch", "│", "4/4", "│", "2/3", "│", "75.0"] in table
    assert main(["status", str(folder.path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["branches"][0]["search"] == [4, 4]
    assert said["last_row"] == "2026-01-01T12:04:00+00:00"
    assert said["writer"] is None
    (reason,) = said["reasons"]
    assert (reason["text"], reason["count"], reason["example"]["arm"]) == (NAN, 1, "soft")


def test_the_list(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder.path.parent.parent
    assert main(["list", "--out", str(out)]) == 0
    heading, line = (
        [entry.strip() for entry in line.strip("│").split("│")]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("│")
    )
    assert heading == list(LISTED)
    assert line[1:5] == ["digits", "2026-01-01 12:00", "incomplete", "8/28"]
    assert line[5:] == ["1", "65.0", "samples=20 scratch (n = 2)"]
    assert main(["list", "--json", "--out", str(out)]) == 0
    (said,) = json.loads(capsys.readouterr().out)
    assert (said["state"], said["runs"]) == (
        "incomplete",
        {"declared": 28, "done": 8, "failed": 1},
    )
    mean = said["score"].pop("mean")
    assert mean == pytest.approx(0.65)
    assert said["score"] == {"cell": "samples=20", "arm": "scratch", "n": 2}
    min((folder.path / "runs").glob("search-*.parquet")).write_bytes(b"broken")
    assert main(["list", "--out", str(out)]) == 0
    broken = capsys.readouterr()
    assert "│ 2026-01-01 12:00 │ damaged │" in broken.out
    assert "is broken" in broken.err


def test_before_the_first_row(tiny_study: Path) -> None:
    study, dataset = load_study(tiny_study), load("digits")
    run = new_run(study, tiny_study.parent / "results")
    plan = make_plan(study, dataset).as_json()
    write_manifest(
        run, study, tiny_study, dataset="digits", digest=dataset.digest, plan=plan, session={}
    )
    found = status_of(run)
    assert (found.done, found.runs_per_minute, found.seconds_left) == (0, None, None)
    assert found.last_row is None


@pytest.mark.parametrize(
    ("pace", "said"),
    [
        (1950.4, "1,950 runs per minute"),
        (12.345, "12.35 runs per minute"),
        (0.5, "0.50 runs per minute"),
        (0.005, "0.30 runs per hour"),
    ],
)
def test_a_pace_is_a_plain_number(folder: RunFolder, pace: float, said: str) -> None:
    found = replace(status_of(folder), runs_per_minute=pace, seconds_left=60.0)
    assert f", {said} at last" in "\n".join(status_lines(found))
