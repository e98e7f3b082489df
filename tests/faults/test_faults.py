"""Workers killed, frozen and stuck; folders full or gone; damaged files; a clock set back."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.faults import harness as h

pytestmark = pytest.mark.slow


def copied(whole: Path, folder: Path) -> Path:
    shutil.copytree(whole, folder, symlinks=True, dirs_exist_ok=True)
    return folder


def same(folder: Path, whole: Path) -> None:
    pd.testing.assert_frame_equal(h.results_only(h.rows(folder)), h.results_only(h.rows(whole)))


def workers(folder: Path) -> set[int]:
    """Processes that have run something here and are alive."""
    pids = set(h.rows(folder)["where.worker"].dropna().astype(int))
    return {pid for pid in pids if Path(f"/proc/{pid}").exists()}


@pytest.mark.parametrize("sent", ["SIGKILL", "SIGSTOP"])
def test_killed_and_frozen_workers_cost_no_row(whole: Path, tmp_path: Path, sent: str) -> None:
    driver = h.start(tmp_path, "--cpus", "2", "--time-limit", "5")
    hit = 0
    while hit < 2 and driver.poll() is None:
        h.wait_for(lambda: driver.poll() is not None or (h.finished_runs(tmp_path) and workers(tmp_path)))  # fmt: skip  # noqa: E501
        for pid in sorted(workers(tmp_path))[:1]:
            os.kill(pid, signal.Signals[sent])
            hit += 1
            time.sleep(3)
    out, err = driver.communicate(timeout=300)
    assert driver.returncode == 0, out + err
    assert hit >= 1
    same(tmp_path, whole)


#: The command line of these tests' own environment.
COMMAND = [sys.executable, "-m", "qkd_study"]

STUCK = """
import time
from qkd_study import Arm, Replicates, Study

def sleeps(student, teacher, labels):
    if len(labels) == 20:  # not on the four samples on which plan tries it
        time.sleep(1e6)
    return student.logits.sum()

def kills(student, teacher, labels):
    if len(labels) == 20:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    return student.logits.sum()

study = Study(
    question="What becomes of runs that hang or kill their worker?",
    datasets=("digits",),
    fixed={"samples": 20, "batch_size": 20, "epochs": 2, "validation_samples": 50},
    arms=("scratch", Arm("hangs", (sleeps,)), Arm("kills", (kills,))),
    replicates=Replicates(search=1, confirm=2),
    name="bench",
)
"""


def test_a_run_that_hangs_or_kills_its_worker_fails_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "stuck.py").write_text(STUCK)
    command = [*COMMAND, "run", "stuck.py", "--cpus", "2", "--time-limit", "8"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "no configuration ended well in 2 of 3 searches: all hangs, all kills" in done.stdout
    assert "Traceback" not in done.stderr
    frame = h.rows(tmp_path)
    reasons = frame.set_index("arm")["reason"].dropna()
    assert set(reasons.index) == {"hangs", "kills"}
    assert "a run took longer than 8 s" in reasons["hangs"]
    assert "in sleeps" in reasons["hangs"]
    assert "the worker died" in reasons["kills"]
    assert "3 times" in reasons["kills"]
    assert (frame.loc[frame["arm"] == "scratch", "status"] == "ok").all()
    assert len(frame[frame["arm"] == "scratch"]) == 3
    said = subprocess.run(
        [*COMMAND, "status", "bench"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "a run took longer than 8 s" in said.stdout


def test_a_folder_that_vanishes_stops_the_run_and_loses_nothing(
    whole: Path, tmp_path: Path
) -> None:
    driver = h.start(tmp_path, "--cpus", "1")
    h.wait_for(lambda: len(h.finished_runs(tmp_path)) >= 3)
    run, away = h.run_folder(tmp_path), tmp_path / "away"
    run.rename(away)
    out, err = driver.communicate(timeout=120)
    assert driver.returncode == 3, out + err
    assert "cannot be written: No such file or directory" in err
    assert "the same command goes on" in err
    assert "Traceback" not in err
    shutil.rmtree(run, ignore_errors=True)
    away.rename(run)
    kept = h.finished_runs(tmp_path)
    assert len(kept) >= 3
    assert h.finish(tmp_path).returncode == 0
    after = h.finished_runs(tmp_path)
    assert all(after[key] == at for key, at in kept.items())
    same(tmp_path, whole)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_full_disk_stops_the_run_and_loses_nothing(whole: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        driver = h.start(disk, "--cpus", "2")
        h.wait_for(lambda: len(h.finished_runs(disk)) >= 4)
        with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(b"0" * 512)
        out, err = driver.communicate(timeout=120)
        assert driver.returncode == 3, out + err
        assert "cannot be written: No space left on device" in err
        assert "Traceback" not in err
        (disk / "filler").unlink()
        kept = h.finished_runs(disk)
        assert len(kept) >= 4
        assert h.finish(disk).returncode == 0
        after = h.finished_runs(disk)
        assert all(after[key] == at for key, at in kept.items())
        same(disk, whole)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def test_a_second_driver_refuses_at_once_and_names_the_first(tmp_path: Path) -> None:
    first = h.start(tmp_path, "--cpus", "1", epochs=200)
    h.wait_for(lambda: (tmp_path / "results/bench/latest/.owner").exists())
    began = time.monotonic()
    second = h.finish(tmp_path, epochs=200)
    assert second.returncode == 2
    assert f"is being written by process {first.pid} on " in second.stderr
    assert time.monotonic() - began < 20
    h.kill_session(first, signal.SIGKILL)
    first.communicate()


def test_damaged_files_are_noticed(whole: Path, tmp_path: Path) -> None:
    folder = copied(whole, tmp_path)
    run = h.run_folder(folder)
    for number, path in enumerate(sorted((run / "teachers").glob("*.safetensors"))):
        content = bytearray(path.read_bytes())
        content[-8 - number % 4] ^= 1
        path.write_bytes(bytes(content))
    (run / "optuna.journal").write_bytes((run / "optuna.journal").read_bytes()[:-30])
    lost = sorted((run / "runs").glob("confirm-*.parquet"))[0]
    lost.unlink()
    (run / "pending.jsonl").write_text('{"row": {"phase": "conf')
    assert h.finish(folder).returncode == 0
    same(folder, whole)
    lost.write_bytes(lost.read_bytes()[:-100])
    broken = h.finish(folder)
    assert broken.returncode == 2
    assert lost.name in broken.stderr
    assert "delete it" in broken.stderr
    lost.unlink()
    assert h.finish(folder).returncode == 0
    same(folder, whole)


def test_a_clock_set_back_does_not_change_which_run_goes_on(whole: Path, tmp_path: Path) -> None:
    folder = copied(whole, tmp_path)
    old = h.run_folder(folder)
    old.rename(old.with_name("20991231-235959-000000"))  # written before the clock was set back
    fresh = h.finish(folder, "--new", "--replicates", "2")
    assert fresh.returncode == 0, fresh.stderr
    newest = h.run_folder(folder)
    assert newest.name != "20991231-235959-000000"
    again = h.finish(folder, "--replicates", "3")
    assert "goes on in" in again.stdout
    assert h.run_folder(folder) == newest
    same(folder, whole)


FROZEN = """
import gc
import os
import signal
from pathlib import Path

import ray
from qkd_study import Arm, LogFloat, Replicates, Study
from qkd_study.tune.worker import TrialRunner

ONCE = Path(__file__).resolve().parent / "frozen"


def freeze():
    if not ONCE.exists():
        ONCE.touch()
        os.kill(os.getpid(), signal.SIGSTOP)


class Starting:
    def __reduce__(self):  # for a worker, which unpickles its study
        return Starting.arrived, ()

    def arrived():
        freeze()


class Between:
    pass


WHEN = WHERE()


def loss(student, teacher, labels):
    if isinstance(WHEN, Between) and ray.is_initialized():  # not where it is tried, in the driver
        for it in gc.get_objects():
            if type(it).__name__ == "TrialRunner" and "reset_config" not in vars(it):
                take_over = it.reset_config
                it.reset_config = lambda config: (freeze(), take_over(config))[1]
    return student.logits.square().mean()


study = Study(
    question="Is a worker missed that freezes where it has nothing to run?",
    datasets=("digits",),
    factors={"samples": (20, 30)},
    search={"learning_rate": LogFloat(1e-3, 3e-2)},
    fixed={"epochs": 3, "validation_samples": 50},
    arms=(Arm("own", (loss,)),),
    trials=6,
    replicates=Replicates(search=2, confirm=2),
    name="bench",
)
"""
#: The command line, less patient with those that start.
IMPATIENT = """
import sys
from qkd_study.tune.environment import prepare_driver
prepare_driver()
from qkd_study.tune import driver
driver.START_SECONDS = 30.0
driver.TAKE_OVER_SECONDS = 5.0
from qkd_study.cli.main import main
sys.exit(main())
"""


@pytest.mark.parametrize("where", ["Starting", "Between"])
def test_a_worker_that_freezes_without_a_run_is_replaced(tmp_path: Path, where: str) -> None:
    (tmp_path / "bench.py").write_text(FROZEN.replace("WHERE", where))
    done = subprocess.run(
        [sys.executable, "-c", IMPATIENT, "run", "bench.py", "--cpus", "2"],
        cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "frozen").exists()
    rows = h.rows(tmp_path)
    assert len(rows) == 2 * (6 * 2 + 2)
    assert set(rows["status"]) <= {"ok", "stopped"}
