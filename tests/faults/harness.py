"""A small study in real processes, and what must hold of its folder whatever happened to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

KEYS = ["phase", "cell", "arm", "trial", "replicate"]
#: What two runs of one declaration may differ in.
OWN = ("run_id", "cost.seconds", "cost.peak", "cost.circuit_executions", "where.")
#: 2 cells x 2 arms x (6 trials x 2 replicates + 3 confirm replicates)
RUNS = 60

#: Epochs of a run: enough for faults to come in the middle.
LENGTH = 150

STUDY = """
from qkd_study import LogFloat, Replicates, Study

study = Study(
    question="Does it survive?",
    datasets=("digits",),
    factors={"samples": (20, 30)},
    search={"learning_rate": LogFloat(1e-3, 3e-2), "weight_soft": LogFloat(0.1, 10.0)},
    fixed={"epochs": EPOCHS, "teacher_epochs": 2, "validation_samples": 50},
    arms=("scratch", "soft"),
    trials=6,
    replicates=Replicates(search=2, confirm=3),
    name="bench",
)
"""


def start(folder: Path, *options: str, epochs: int = LENGTH) -> subprocess.Popen[str]:
    """Begin or go on with the study in `folder`, in a session of its own."""
    (folder / "bench.py").write_text(STUDY.replace("EPOCHS", str(epochs)))
    return subprocess.Popen(
        [sys.executable, "-m", "qkd_study", "run", "bench.py", *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONFAULTHANDLER": "1"},
    )


def output_of(driver: subprocess.Popen[str], seconds: float) -> tuple[str, str]:
    """What a driver printed until it ended; if it does not, where each process of it is.

    A process that Ray was just starting when its driver was killed may keep the output open.
    """
    try:
        return driver.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        ended = driver.poll() is not None
        columns = "pid,ppid,stat,wchan:24,args"
        left = subprocess.run(
            ["ps", "-ww", "-o", columns, "-s", str(driver.pid)], capture_output=True, text=True
        ).stdout
        kill_session(driver, signal.SIGABRT)  # each Python process writes where it is
        out, err = driver.communicate(timeout=seconds)
        what = f"left by a driver that ended with {driver.returncode}" if ended else "not ended"
        message = f"{what} after {seconds:g} s:\n{left}\n{out}\n{err}"
        if not ended:
            raise AssertionError(message) from None
        warnings.warn(message, stacklevel=2)
        return out, ""


def finish(folder: Path, *options: str, epochs: int = LENGTH) -> subprocess.CompletedProcess[str]:
    """Run the study in `folder` to its end."""
    driver = start(folder, *options, epochs=epochs)
    out, err = output_of(driver, 300)
    return subprocess.CompletedProcess(driver.args, driver.returncode, out, err)


def run_folder(folder: Path) -> Path:
    """The run in `folder`."""
    return (folder / "results" / "bench" / "latest").resolve()


def rows(folder: Path) -> pd.DataFrame:
    """The rows in the tables, as any reader sees them."""
    frame = pd.read_parquet(folder / "results" / "bench" / "latest" / "runs")
    return frame.sort_values(KEYS, ignore_index=True)


def finished_runs(folder: Path) -> dict[tuple[Any, ...], Any]:
    """When each run that has ended well was started: in the tables, and in the log before them."""
    found: dict[tuple[Any, ...], Any] = {}
    latest = folder / "results" / "bench" / "latest"
    if not latest.exists():
        return found
    log = latest / "pending.jsonl"
    for line in log.read_text().splitlines() if log.exists() else []:
        try:
            row = json.loads(line)["row"]
        except ValueError:
            continue  # the last line, cut off
        if row["status"] == "ok":
            at = pd.Timestamp(row["where.started_at"])
            found[tuple(row[key] for key in KEYS)] = at
    frame = rows(folder)
    for row in frame[frame["status"] == "ok"].to_dict("records"):
        found[tuple(row[key] for key in KEYS)] = row["where.started_at"]
    return found


def results_only(frame: pd.DataFrame) -> pd.DataFrame:
    """Without what differs between two runs of one declaration."""
    return frame[[c for c in frame.columns if not c.startswith(OWN)]]


def wait_for(found: Callable[[], Any], seconds: float = 120) -> Any:
    """What `found` returns when it is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"nothing within {seconds} s")


def kill_session(driver: subprocess.Popen[str], sent: signal.Signals) -> None:
    """Send a signal to a driver and all it started, as a closed terminal does."""
    os.killpg(driver.pid, sent)
