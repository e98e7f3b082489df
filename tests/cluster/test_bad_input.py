"""What cannot work on a cluster ends with one message, soon, and hangs nowhere."""

from __future__ import annotations

import socket
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
import scipy

import qkd_study
from tests.cluster.conftest import OnCluster
from tests.cluster.nodes import Node, RayCluster, other_version
from tests.conftest import TINY

pytestmark = pytest.mark.slow

#: The promise is 30 s; the command itself starts in a few.
SECONDS = 30.0


@pytest.fixture(autouse=True)
def _study(tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(TINY)


def _refused(on_cluster: OnCluster, *arguments: str, **env: str) -> str:
    started = time.monotonic()
    ran = on_cluster("run", "tiny.py", *arguments, timeout=90, **env)
    took = time.monotonic() - started
    assert ran.returncode == 2, ran.stdout + ran.stderr
    said = [line for line in ran.stderr.splitlines() if line.startswith("qkd-study: ")]
    assert len(said) == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    assert took < SECONDS, f"{took:.0f} s for: {said[0]}"
    return said[0]


@pytest.fixture
def silent() -> Iterator[str]:
    """HOST:PORT of something that says nothing; for 127.0.0.1 Ray would look elsewhere."""
    with socket.create_server(("127.0.0.9", 0)) as server:
        yield f"127.0.0.9:{server.getsockname()[1]}"


@pytest.fixture
def closed() -> str:
    """HOST:PORT where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def test_no_address(on_cluster: OnCluster, tmp_path: Path) -> None:
    assert "takes auto or HOST:PORT" in _refused(on_cluster, "--address", "cluster")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_nothing_listens(on_cluster: OnCluster, closed: str, scheme: str) -> None:
    said = _refused(on_cluster, "--address", scheme + closed, "--out", "/nowhere")
    assert "nothing listens at" in said


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_something_else_listens(on_cluster: OnCluster, silent: str, scheme: str) -> None:
    said = _refused(on_cluster, "--address", scheme + silent, "--out", "/nowhere")
    assert "does not answer like" in said


def test_a_wrong_token(on_cluster: OnCluster, running: RayCluster) -> None:
    for address in (running.address, running.dashboard):
        arguments = ("--address", address, "--out", "/nowhere")
        said = _refused(on_cluster, *arguments, RAY_AUTH_TOKEN="0" * 64)
        assert "refused the token in RAY_AUTH_TOKEN." in said
        said = _refused(on_cluster, *arguments, RAY_AUTH_TOKEN_PATH="/nowhere/token")
        assert "refused the token in RAY_AUTH_TOKEN_PATH." in said


def test_results_that_would_be_lost(on_cluster: OnCluster, running: RayCluster) -> None:
    said = _refused(on_cluster, "--address", running.dashboard)
    assert "--out results would be lost" in said


@pytest.fixture
def newer(running: RayCluster, tmp_path: Path) -> Iterator[Node]:
    """A node with another version of qkd-study."""
    node = running.add(env=other_version(tmp_path))
    yield node
    running.kill(node)


def test_a_node_with_another_version(
    on_cluster: OnCluster, running: RayCluster, newer: Node
) -> None:
    said = _refused(on_cluster, "--address", running.address)
    assert f"({newer.host}) has qkd-study 9.9.9; the driver has {qkd_study.__version__}." in said


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    """A cluster whose Python has all that these tests have, but for qkd-study."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    # Not itself a site folder: the .pth file of an editable qkd-study in it is not read.
    (site / "all.pth").write_text(str(Path(scipy.__file__).parents[1]))
    cluster = RayCluster(python=str(folder / "bin" / "python"), env={"PYTHONPATH": ""})
    try:
        yield cluster
    finally:
        cluster.close()


def test_a_node_without_the_package(on_cluster: OnCluster, bare: RayCluster) -> None:
    said = _refused(on_cluster, "--address", bare.address, **bare.env)
    assert f"has no qkd-study; the driver has {qkd_study.__version__}." in said
    said = _refused(on_cluster, "--address", bare.dashboard, "--out", "/nowhere", **bare.env)
    assert "the head node of the cluster has no qkd-study" in said


@pytest.mark.parametrize(("cpus", "memory"), [(2, 0), (1, 10**15)])
def test_a_trial_that_fits_on_no_node(
    on_cluster: OnCluster, running: RayCluster, tmp_path: Path, cpus: int, memory: int
) -> None:
    asks = f"trial_cpus={cpus}, trial_memory={memory}, trials=2"
    (tmp_path / "tiny.py").write_text(TINY.replace("trials=2", asks))
    said = _refused(on_cluster, "--address", running.address)
    assert f"a trial needs {cpus} CPUs and {memory:,} bytes of memory" in said
    assert "the most is 1 CPUs" in said
