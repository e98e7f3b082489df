"""A run that searches its teachers, killed in the middle of that."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from qkd_study.results import find_run
from qkd_study.results.replay import Replayer
from tests.conftest import Cli

STUDY = """
from qkd_study import Int, LogFloat, QuantumToClassical, Replicates, Study

study = Study(
    question="Does a tuned teacher help?",
    setting=QuantumToClassical(),
    datasets=("digits",),
    factors={"samples": (20, 30)},
    fixed={"teacher_samples": 60, "validation_samples": 60, "epochs": 3},
    search={"learning_rate": LogFloat(1e-3, 3e-2)},
    teacher_search={"teacher_learning_rate": LogFloat(1e-3, 1e-1), "teacher_epochs": Int(100, 300)},
    teacher_trials=6,
    arms=("scratch", "soft", "classical-teacher"),
    trials=2,
    replicates=Replicates(search=2, confirm=2),
)
"""
KEYS = ["phase", "cell", "arm", "trial", "replicate"]
TUNED = ["config.teacher_learning_rate", "config.teacher_epochs"]


@pytest.mark.slow
def test_a_killed_search_for_teachers_goes_on(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "taught.py").write_text(STUDY)
    folder = tmp_path / "results" / "taught" / "latest" / "runs"
    command = [sys.executable, "-m", "qkd_study", "run", "taught.py", "--cpus", "1"]
    driver = subprocess.Popen(command, cwd=tmp_path, start_new_session=True)
    until = time.monotonic() + 120
    while not list(folder.glob("teacher-*")) and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    before = pd.read_parquet(folder)
    tried = before[before["phase"] == "teacher"]
    assert 0 < len(tried) < 2 * 6 * 2
    status = cli("status", "taught", "--json")
    assert json.loads(status.stdout)["rows"]["teacher"] == {"ok": len(tried)}

    done = cli("run", "taught.py", "--cpus", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    runs = pd.read_parquet(folder)
    assert not runs.duplicated(KEYS).any()
    assert dict(runs["phase"].value_counts()) == {
        "teacher": 2 * 6 * 2, "search": 6 * 2 * 2, "confirm": 6 * 2
    }  # fmt: skip
    assert set(runs["status"]) == {"ok"}
    kept = runs.merge(before, on=KEYS, suffixes=("", "_before"))
    assert len(kept) == len(before)
    assert (kept["where.ended_at"] == kept["where.ended_at_before"]).all()

    teachers = runs[runs["phase"] == "teacher"]
    assert set(teachers["cell"]) == {"all"}  # it reads none of the factors
    for kind, arm in (("own", "soft"), ("classical", "classical-teacher")):
        own = teachers[teachers["arm"] == kind]
        scores = own.groupby("trial")["metric.val_accuracy"].mean().round(12)
        best = own[own["trial"] == scores.idxmax()].iloc[0]
        taught = runs[(runs["arm"] == arm) & (runs["phase"] != "teacher")]
        assert (taught[TUNED] == best[TUNED]).all(axis=None)
        assert taught["metric.teacher_val_accuracy"].between(0, 1).all()
        # What was searched is there for its students.
        assert (taught.loc[taught["phase"] == "search", "cost.seconds_teacher"] == 0).all()
    replayer = Replayer.of(find_run("taught", tmp_path / "results"))
    rows = [row for row in runs.to_dict("records") if row["phase"] == "teacher"]
    assert [replayer.replay({str(k): v for k, v in row.items()}) for row in rows[::3]] == [[]] * 8
    report = cli("report", "taught")
    assert report.returncode == 0, report.stdout + report.stderr
    page = (folder.parent / "report.md").read_text()
    assert "## The teachers" in page
