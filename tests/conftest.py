"""What several tests share: a home that is empty at first, a tiny study, the command line."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.home import environment_of, in_home, new_home

# Before anything is imported that reads the environment.
REAL_HOME = Path.home()
_THERE = in_home(REAL_HOME)
HOME = new_home()
_ENVIRONMENT = environment_of(HOME)
os.environ.clear()
os.environ.update(_ENVIRONMENT)

import pytest  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)

Cli = Callable[..., subprocess.CompletedProcess[str]]

TINY = """
from qkd_study import LogFloat, Replicates, Study

study = Study(
    question="Does it run?",
    datasets=("digits",),
    factors={"samples": (20, 30)},
    search={"learning_rate": LogFloat(1e-3, 3e-2), "weight_soft": LogFloat(0.1, 10.0)},
    fixed={"epochs": 3, "teacher_epochs": 2, "validation_samples": 50},
    arms=("scratch", "soft"),
    trials=2,
    replicates=Replicates(search=2, confirm=3),
)
"""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail if a test has written what was not in the real home before."""
    if written := in_home(REAL_HOME) - _THERE:
        names = ", ".join(map(str, sorted(written)))
        print(f"\nWritten while the tests ran, outside of their own home: {names}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_unconfigure() -> None:
    """Remove the session's home."""
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _signals_of_a_terminal() -> None:
    """Let commands that tests start get SIGHUP and SIGINT, which `nohup` and `&` have ignored."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty home, for the first command of a new user; see `environment_of`."""
    folder = new_home()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def tiny_study(tmp_path: Path) -> Path:
    """The file of a study of 28 short runs on digits."""
    path = tmp_path / "tiny.py"
    path.write_text(TINY)
    return path


def _command(folder: Path, home: Path | None = None) -> Cli:
    def run(*arguments: str | Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "qkd_study", *map(str, arguments)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**(environment_of(home) if home else os.environ), "COLUMNS": "200"},
        )

    return run


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """`qkd-study` in a process of its own, in an empty folder."""
    return _command(tmp_path)


@pytest.fixture
def first(tmp_path: Path) -> Cli:
    """`qkd-study` in an empty folder, every command the first one in a new and empty home."""

    def run(*arguments: str | Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        home = new_home()
        try:
            return _command(tmp_path, home)(*arguments, timeout=timeout)
        finally:
            shutil.rmtree(home, ignore_errors=True)

    return run


@pytest.fixture
def fashion_mnist() -> Path:
    """The folder with the real Fashion-MNIST files, where there is one."""
    folder = os.environ.get("QKD_STUDY_DATA")
    if folder is None or not (Path(folder) / "fashion-mnist").is_dir():
        pytest.skip("QKD_STUDY_DATA does not point at Fashion-MNIST")
    return Path(folder)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Jupyter kernel of this interpreter, whatever others are installed for the user."""
    pytest.importorskip("ipykernel")
    kernels = tmp_path / "jupyter" / "kernels" / "python3"
    kernels.mkdir(parents=True)
    command = f'["{sys.executable}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"]'
    (kernels / "kernel.json").write_text(
        f'{{"argv": {command}, "display_name": "Python 3", "language": "python"}}'
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
