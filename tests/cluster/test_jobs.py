"""From outside of a cluster, through its job API."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.cluster.conftest import OnCluster
from tests.cluster.nodes import RayCluster
from tests.conftest import TINY
from tests.deploy.test_files import rayjob

pytestmark = pytest.mark.slow


def _rows(out: Path) -> int:
    files = sorted(out.glob("*/latest/runs/*.parquet"))
    return len(pd.concat(map(pd.read_parquet, files))) if files else 0


def test_a_job_runs_the_same_command(
    on_cluster: OnCluster, running: RayCluster, tmp_path: Path
) -> None:
    (tmp_path / "tiny.py").write_text(TINY)
    out = tmp_path / "shared"
    where = ("--address", running.dashboard, "--out", str(out))
    ran = on_cluster("run", "tiny.py", "--set", "epochs=1", "--replicates", "2", *where)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "test accuracy in %" in ran.stdout
    assert _rows(out) == 24
    fewer = on_cluster(
        "run", "tiny.py", "--set", "epochs=1", "--replicates", "2", "--trials", "1", *where
    )
    assert fewer.returncode == 2, fewer.stdout + fewer.stderr
    assert "more than trials=1" in fewer.stdout


def test_ctrl_c_stops_the_job_and_the_same_command_goes_on(
    on_cluster: OnCluster, running: RayCluster, tmp_path: Path
) -> None:
    (tmp_path / "tiny.py").write_text(TINY.replace('"epochs": 3', '"epochs": 60'))
    out = tmp_path / "shared"
    where = ("run", "tiny.py", "--address", running.dashboard, "--out", str(out))
    client = subprocess.Popen(
        [sys.executable, "-m", "qkd_study", *where],
        cwd=tmp_path,
        env=running.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not _rows(out):
            assert client.poll() is None, client.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        client.send_signal(signal.SIGINT)
        said, _ = client.communicate(timeout=90)
    finally:
        client.kill()
    assert client.returncode == 3, said
    assert "Stopping: the job finishes its runs" in said
    assert 0 < _rows(out) < 28
    again = on_cluster(*where)
    assert again.returncode == 0, again.stdout + again.stderr
    assert _rows(out) == 28


def test_the_entry_point_of_the_rayjob(running: RayCluster, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.py").write_text(TINY)
    command = rayjob()["spec"]["entrypoint"]
    for mount in ("/study", "/results"):
        command = command.replace(f" {mount}", f" {tmp_path}{mount}")
    ran = subprocess.run(  # what KubeRay's own pod does
        [sys.executable, "-m", "ray.scripts.scripts", "job", "submit", "--", *shlex.split(command)],
        env=running.env | {"RAY_ADDRESS": running.dashboard},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert _rows(tmp_path / "results") == 28
