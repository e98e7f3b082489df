"""A cluster of three nodes, and the command line as its users run it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.nodes import RayCluster

OnCluster = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="package")
def running() -> Iterator[RayCluster]:
    """A head and two more nodes; shared, because they take seconds to start."""
    if sys.platform != "linux":
        pytest.skip("needs 127/8 and prctl")
    cluster = None
    try:
        cluster = RayCluster()
        cluster.add()
        cluster.add()
        yield cluster
    finally:
        if cluster is not None:
            cluster.close()


@pytest.fixture
def on_cluster(tmp_path: Path, running: RayCluster) -> OnCluster:
    """`qkd-study` in a process of its own, in an empty folder, let in by the cluster's token."""

    def run(
        *arguments: str | Path, timeout: float = 240, **env: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "qkd_study", *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**running.env, "COLUMNS": "200", **env},
        )

    return run
