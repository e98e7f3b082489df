"""The Slurm script on two nodes: real Ray on both; only srun and scontrol are stand-ins."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import TINY

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
SCRIPT = HERE.parents[1] / "deploy" / "slurm.sh"
NAMESPACE = [
    "unshare",
    *("--user", "--map-root-user", "--net", "--mount", "--pid", "--fork"),
    *("--kill-child", "--mount-proc"),
]


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short path: Ray's sockets are in it."""
    folder = Path(tempfile.mkdtemp(prefix="qs-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def _two_nodes(folder: Path, cwd: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    env |= {
        "PATH": f"{Path(sys.executable).parent}:{env['PATH']}",
        "TOKENS": str(folder),
        "OUT": str(cwd / "results"),
        "COLUMNS": "200",
    }
    return subprocess.run(
        [*NAMESPACE, HERE / "two_nodes.sh", folder, *command],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.fixture
def namespaces(short: Path, tmp_path: Path) -> None:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("needs unshare and ip")
    tried = _two_nodes(short, tmp_path, "true")
    if tried.returncode != 0:
        pytest.skip(f"no namespaces here: {tried.stderr.strip()}")


@pytest.mark.usefixtures("namespaces")
def test_a_study_on_two_nodes(short: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(TINY)
    ran = _two_nodes(short, tmp_path, "bash", SCRIPT, "tiny.py", "--trials", "2")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "over 2 CPUs" in ran.stdout
    files = (tmp_path / "results" / "tiny" / "latest" / "runs").glob("*.parquet")
    rows = pd.concat(map(pd.read_parquet, files))
    assert len(rows) == 28
    assert not list(short.glob(".qkd-study-token.*"))


@pytest.mark.usefixtures("namespaces")
def test_the_exit_code_is_that_of_the_study(short: Path, tmp_path: Path) -> None:
    ran = _two_nodes(short, tmp_path, "bash", SCRIPT, "nothing.py")
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert "there is no such study file" in ran.stdout + ran.stderr


def test_without_a_study_it_says_how_it_is_called() -> None:
    ran = subprocess.run(["bash", SCRIPT], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "usage: sbatch" in ran.stderr
