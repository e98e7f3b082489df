"""Waiting for another worker's teacher: it is not the time of the run that waits."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock

from qkd_study.common.artifact_store import FolderArtifactStore
from qkd_study.data import load
from qkd_study.distill import TeacherSpec
from qkd_study.study.load import load_study
from qkd_study.tune.dispatcher import Bundle
from qkd_study.tune.waiting import Waiting
from qkd_study.tune.watchdog import GRACE_SECONDS, Watchdog
from tests.conftest import TINY, Cli

LIMITED = """
import sys, time
from qkd_study.tune.waiting import TimeLimit

limit = TimeLimit(sys.stderr)
limit.begin(1.0)
time.sleep(0.5)
with limit.paused():
    time.sleep(1.5)
print("waited", flush=True)
if sys.argv[1:] == ["hang"]:
    time.sleep(10)
limit.end()
time.sleep(1)
print("ended")
"""


def test_a_paused_limit_goes_on_with_what_was_left(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(LIMITED)
    command = [sys.executable, "run.py"]
    done, hung = (
        subprocess.run(
            [*command, *more], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        for more in ([], ["hang"])
    )
    assert (done.returncode, done.stdout) == (0, "waited\nended\n")
    assert (hung.returncode, hung.stdout) == (1, "waited\n")
    assert "Timeout (0:00:00.4" in hung.stderr or "Timeout (0:00:00.3" in hung.stderr


def test_who_waits_for_a_lock_says_so(tmp_path: Path) -> None:
    artifacts, told, done = FolderArtifactStore(tmp_path), threading.Event(), []

    def ask() -> None:
        with artifacts.lock("a", told.set):
            done.append(True)

    asking = threading.Thread(target=ask)
    with FileLock(tmp_path / "a.lock"):
        asking.start()
        assert told.wait(timeout=10)
        assert done == []
    asking.join(timeout=10)
    assert done == [True]
    told.clear()
    ask()  # it is free
    assert not told.is_set()


def test_a_worker_that_waits_is_not_taken_for_frozen(tmp_path: Path) -> None:
    now = time.monotonic()
    dispatcher: Any = SimpleNamespace(
        in_flight={
            name: Bundle([], limit=5.0, last_heartbeat=now - 60)
            for name in ("waits", "frozen", "waited")
        }
    )
    ended = []

    class Noted(Watchdog):
        def _end(self, name: str) -> None:
            ended.append(name)

    watch, waiting = Noted(dispatcher, tmp_path), Waiting(tmp_path)
    for name in dispatcher.in_flight:
        watch.expect_start(name, SimpleNamespace(_actor_id=name.encode()), 60.0)
    for name in ("waits", "waited"):
        waiting.mark(name.encode().hex())
    os.utime(tmp_path / f"waits-{b'waited'.hex()}", times=(time.time() - 60,) * 2)
    watch.poll()
    assert dispatcher.in_flight["waits"].last_heartbeat >= now
    assert ended == ["frozen", "waited"]


@pytest.mark.slow
def test_a_run_that_waits_longer_than_its_limit_is_not_tried_again(
    tmp_path: Path, cli: Cli
) -> None:
    """The locks of all teachers are held for longer than the limit and the watch's patience."""
    source = TINY.replace("search=2", "search=1").replace("trials=2", "trials=1")
    (tmp_path / "tiny.py").write_text(source.replace('"scratch", "soft"', '"scratch",'))
    assert cli("run", "tiny.py").returncode == 0
    folder = (tmp_path / "results" / "tiny" / "latest").resolve()
    (tmp_path / "tiny.py").write_text(source)
    study, dataset = load_study(tmp_path / "tiny.py"), load("digits")
    arm = study.arm("soft")
    names = set()
    for cell in study.cells():
        searched = {"learning_rate": 0.01, "weight_soft": 1.0}
        config = study.config(cell, arm, searched, "digits")
        for replicate in (*study.replicates.of_search, *study.replicates.of_confirm):
            names.add(TeacherSpec.of(study.setting, arm, config, dataset, replicate).name())
    (folder / "teachers").mkdir(exist_ok=True)
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    with ExitStack() as locks:
        for name in names:
            locks.enter_context(FileLock(folder / "teachers" / f"{name}.lock"))
        driver = subprocess.Popen(
            [sys.executable, "-m", "qkd_study", "run", "tiny.py", "--cpus=2", "--time-limit=3"],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "TMPDIR": str(scratch)},
        )  # fmt: skip
        while not (started := list(scratch.glob("qkd-study-*/stuck-*.txt"))):
            assert driver.poll() is None
            time.sleep(0.5)
        time.sleep(3 + GRACE_SECONDS + 10)
        assert driver.poll() is None
        assert len(started) <= len(list(scratch.glob("qkd-study-*/stuck-*.txt"))) <= 2
    out, _ = driver.communicate(timeout=120)
    assert driver.returncode == 0, out
    frame = pd.read_parquet(folder / "runs")
    own = frame[frame["arm"] == "soft"]
    assert (len(own), set(own["status"])) == (2 * 4, {"ok"})
