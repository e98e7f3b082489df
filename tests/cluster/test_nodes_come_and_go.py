"""Runs over several real nodes that die, hang and join: every row, none twice."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from tests.cluster.nodes import Node, RayCluster, other_version
from tests.conftest import TINY

pytestmark = pytest.mark.slow

KEYS = ["phase", "cell", "arm", "trial", "replicate"]
#: Long enough for nodes to come and go in its middle.
LONGER = TINY.replace('"epochs": 3', '"epochs": 600').replace("trials=2", "trials=4")
#: 2 cells x 2 arms x (4 trials x 2 replicates + 3 confirm replicates)
RUNS = 44


class Running:
    """A driver at work, and which processes ran trials on which node."""

    def __init__(self, cluster: RayCluster, folder: Path, study: str) -> None:
        (folder / "tiny.py").write_text(study)
        self.cluster, self.folder = cluster, folder
        self.workers: dict[Node, set[int]] = {}
        self.driver = subprocess.Popen(
            [sys.executable, "-m", "qkd_study", "run", "tiny.py", "--address", cluster.address],
            cwd=folder,
            env=cluster.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def rows(self) -> pd.DataFrame:
        files = sorted(self.folder.glob("results/tiny/latest/runs/*.parquet"))
        return pd.concat(map(pd.read_parquet, files)) if files else pd.DataFrame()

    def ran_on(self, node: Node) -> bool:
        """Whether a row comes from a worker of that node."""
        rows = self.rows()
        return len(rows) > 0 and bool(self.workers.get(node, set()) & set(rows["where.worker"]))

    def until(self, reached: Callable[[], bool], what: str, seconds: float = 150) -> None:
        deadline = time.monotonic() + seconds
        while not reached():
            assert self.driver.poll() is None, f"ended before {what}: {self.output()}"
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            self.look()
            time.sleep(0.1)

    def look(self) -> None:
        for node in self.cluster.nodes:
            self.workers.setdefault(node, set()).update(node.workers())

    def output(self, seconds: float = 30) -> str:
        return self.driver.communicate(timeout=seconds)[0]

    def ends_with_all_rows(self) -> pd.DataFrame:
        deadline = time.monotonic() + 200
        while self.driver.poll() is None:
            assert time.monotonic() < deadline, f"no end: {len(self.rows())} rows"
            self.look()
            time.sleep(0.1)
        assert self.driver.returncode == 0, self.output()
        rows = self.rows()
        assert len(rows) == RUNS
        assert not rows.duplicated(KEYS).any()
        assert set(rows["status"]) <= {"ok", "stopped"}
        return rows

    def stop(self) -> None:
        self.driver.kill()
        self.driver.wait()


@contextmanager
def _started(cluster: RayCluster, folder: Path, study: str = LONGER) -> Iterator[Running]:
    run = Running(cluster, folder, study)
    try:
        yield run
    finally:
        run.stop()


def test_a_node_is_killed_and_another_joins(running: RayCluster, tmp_path: Path) -> None:
    first, second, victim = running.nodes
    with _started(running, tmp_path) as run:
        run.until(lambda: run.ran_on(victim), "a row from the node")
        assert len(run.rows()) < RUNS / 2
        running.kill(victim)
        fresh = running.add()
        run.until(lambda: run.ran_on(fresh), "a row from the node that joined")
        rows = run.ends_with_all_rows()
    of = {node: run.workers[node] & set(rows["where.worker"]) for node in (first, second, victim)}
    assert all(of.values())


def test_a_frozen_node_is_given_up(running: RayCluster, tmp_path: Path) -> None:
    victim = running.nodes[-1]
    with _started(running, tmp_path) as run:
        try:
            run.until(lambda: run.ran_on(victim), "a row from the node")
            assert len(run.rows()) < RUNS / 2
            victim.freeze()
            run.ends_with_all_rows()
        finally:
            running.kill(victim)
            running.add()


def test_a_node_of_another_version_joins(running: RayCluster, tmp_path: Path) -> None:
    node = None
    endless = LONGER.replace("trials=4", "trials=100")  # the node comes before its end
    with _started(running, tmp_path, endless) as run:
        try:
            run.until(lambda: len(run.rows()) > 0, "a row")
            node = running.add(env=other_version(tmp_path))
            said = run.output(60)
        finally:
            if node is not None:
                running.kill(node)
        assert run.driver.returncode == 3, said
        assert f"({node.host}) has qkd-study 9.9.9" in said
        assert ".." not in said
        assert len(run.rows()) > 0
