"""What is refused before Ray is started or joined."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from qkd_study import InputError
from qkd_study.tune.cluster import connect
from tests.faults import harness as h


@pytest.mark.parametrize("address", [None, "127.0.0.1:1"])
def test_a_trial_that_reserves_more_cpus_than_are_to_be_used(address: str | None) -> None:
    with (
        pytest.raises(InputError, match=r"reserves 4 CPUs .* but 2 are to be used"),
        connect(address, 2, trial_cpus=4),
    ):
        pass


#: Ray's own handler of SIGTERM, then a clean-up that takes longer than the alarm that it sets.
TERMINATED = """
import os, signal, time
import ray
from qkd_study.tune.cluster import _shut_down_after

def init():
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=40)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)

try:
    with _shut_down_after(init):
        pass
except KeyboardInterrupt as left:
    time.sleep(4)
    print(type(left).__name__)
"""


@pytest.mark.slow
def test_a_slow_end_after_a_sigterm_while_ray_starts_is_not_aborted() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TERMINATED], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stdout) == (0, "InterruptedStart\n"), done.stderr


#: A driver that gets a signal while `ray.init` connects to the node that it has started.
DRIVER = """
import os, signal, sys, threading
from qkd_study.tune.environment import prepare_driver
prepare_driver()
from ray._private import worker
from qkd_study.cli.main import main

connect = worker.connect

def interrupted(*arguments, **options):
    threading.Timer(0.05, os.kill, (os.getpid(), signal.Signals[sys.argv[1]])).start()
    return connect(*arguments, **options)

worker.connect = interrupted
sys.exit(main(["run", "bench.py", "--cpus", "2"]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("sent", ["SIGTERM", "SIGINT"])
def test_a_driver_that_is_interrupted_while_ray_starts_ends_in_order(
    tmp_path: Path, sent: str
) -> None:
    (tmp_path / "bench.py").write_text(h.STUDY.replace("EPOCHS", "2"))
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, sent],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "qkd-study: interrupted." in done.stderr
    finished = h.finish(tmp_path, epochs=2)
    assert finished.returncode == 0, finished.stdout + finished.stderr
