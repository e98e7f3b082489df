"""Where Ray puts its sockets: whatever the temporary folder is called, it can start."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from qkd_study import InputError
from qkd_study.tune import ray_folder as module
from qkd_study.tune.ray_folder import max_path_bytes, ray_folder
from tests.conftest import Cli


def named(parent: Path, length: int) -> str:
    """A folder of a path with so many bytes."""
    path = str(parent) + "/"
    path += "x" * (length - len(path))
    os.makedirs(path)
    assert len(path) == length
    return path


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short folder, which is the only place for private ones, and no variable names another."""
    for variable in ("TMPDIR", "RAY_TMPDIR"):
        monkeypatch.delenv(variable, raising=False)
    with tempfile.TemporaryDirectory(prefix="q", dir="/tmp") as folder:
        monkeypatch.setattr(module, "_parents", lambda: [folder])
        yield Path(folder)


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_folder_that_serves_is_taken(
    variable: str, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = named(short, max_path_bytes())
    monkeypatch.setenv(variable, wanted)
    with ray_folder() as folder:
        assert folder == f"{wanted}/ray"
    assert os.path.exists(wanted)


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
@pytest.mark.parametrize("name", ["x" * 80, "é", "it's", "a\\b", "file/below"])
def test_another_gives_way_to_a_private_one(
    variable: str, name: str, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (short / "file").touch()
    monkeypatch.setenv(variable, str(short / name))
    with ray_folder() as folder:
        own = Path(folder).parent
        assert own.parent == short
        assert stat.S_IMODE(own.stat().st_mode) == 0o700
        os.makedirs(f"{folder}/session/sockets")
    assert not own.exists()


def test_without_any_folder_it_says_which_variable_to_set(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (short / "file").touch()
    monkeypatch.setenv("TMPDIR", "/tmp/" + "x" * 85)
    monkeypatch.setattr(module, "_parents", lambda: [str(short / "file"), "/nowhere/at/all"])
    most = max_path_bytes()
    message = f"TMPDIR /tmp/x+ has a path of 90 bytes, above {most}.* Set RAY_TMPDIR to a folder"
    with pytest.raises(InputError, match=message), ray_folder():
        pass


#: The longest path depends on the digits of the driver's process id: so it makes the folder itself.
SOCKETS = r"""
import os, psutil, stat, sys
from pathlib import Path
from qkd_study.tune.ray_folder import max_path_bytes
folder = sys.argv[1] + "/"
folder += "x" * (max_path_bytes() + int(sys.argv[2]) - len(folder))
os.mkdir(folder)
os.environ["RAY_TMPDIR"] = folder
from qkd_study.tune.environment import prepare_driver
prepare_driver()
import ray
from qkd_study.tune.cluster import connect
with connect(None, 1):
    session = Path(ray.get_runtime_context().get_temp_dir())
    found = [str(p) for p in session.rglob("*") if stat.S_ISSOCK(p.lstat().st_mode)]
    mode = oct(stat.S_IMODE(session.parent.stat().st_mode))
    started = psutil.Process().children(recursive=True)
    others = [process for process in started if process.name() != "raylet"]
    names = " ".join(part for process in others for part in process.cmdline())
    print(max(map(len, found)), mode, folder, session, sep="\n")
    print(names.count("idle_agent.py"), "onitor" in names, "dashboard.py" in names, "Env" in names)
    print(ray.get(ray.remote(lambda: os.getpid()).remote()) != os.getpid())
print(os.path.exists(session.parent))
print(len(psutil.wait_procs(started, 10)[1]))
"""


@pytest.mark.parametrize("above", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_the_room_is_what_ray_takes(above: int, short: Path) -> None:
    """At the limit Ray's longest socket has the longest path there may be; above, one of ours."""
    done = subprocess.run(
        [sys.executable, "-c", SOCKETS, str(short), str(above)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = done.stdout.splitlines()
    longest, mode, wanted, session, services, answered, left, processes = found
    assert services == "2 False False False"  # agents that do nothing, and no other service
    assert answered == "True"
    assert processes == "0"  # the agents end, too
    if above:
        assert session.startswith("/tmp/qkd-")
        assert mode == "0o700"
        assert left == "False"
    else:
        assert session == f"{wanted}/ray"
        assert int(longest) == module.MAX_SOCKET_PATH


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_run_in_a_long_folder(
    variable: str, tiny_study: Path, cli: Cli, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch job's folder: 90 bytes, spaces, and a name that is not ASCII."""
    path = f"{short}/José Núñez/"
    path += "x" * (90 - len(os.fsencode(path)))
    os.makedirs(path)
    monkeypatch.setenv(variable, path)
    done = cli("run", tiny_study, "--trials", "1", "--replicates", "2", "--cpus", "1")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
