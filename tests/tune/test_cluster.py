"""What is refused before Ray is started or joined."""

from __future__ import annotations

import subprocess
import sys

import pytest

from qkd_study import InputError
from qkd_study.tune.cluster import connect


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
except SystemExit as left:
    time.sleep(4)
    print("left with", left.code)
"""


@pytest.mark.slow
def test_a_slow_end_after_a_sigterm_while_ray_starts_is_not_aborted() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TERMINATED], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stdout) == (0, "left with 15\n"), done.stderr
