"""A cache folder that cannot be used changes no row, and costs one line per command."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

import pandas as pd
import pytest

from qkd_study.cli.main import main
from qkd_study.common.errors import StudyWarning
from qkd_study.common.paths import (
    cache_folder,
    read_cached,
    temporary_folder,
    writable_folder,
    write_cached,
)
from tests.conftest import TINY
from tests.home import environment_of, new_home

KEYS = ["phase", "cell", "arm", "trial", "replicate"]
RUN = ("run", "tiny.py", "--cpus", "1", "--out")
SOMEBODY = 65534


@contextmanager
def _a_file(home: Path) -> Iterator[str]:
    (home / ".cache").write_text("a file")
    yield "Not a directory"


@contextmanager
def _read_only(home: Path) -> Iterator[str]:
    (home / ".cache").mkdir(mode=0o555)
    yield "Permission denied"


@contextmanager
def _of_another_user(home: Path) -> Iterator[str]:
    if os.geteuid() != 0:
        pytest.skip("only root may give a folder away")
    folder = home / ".cache" / "qkd-study"
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    os.chown(folder, SOMEBODY, SOMEBODY)
    yield "Permission denied"


@contextmanager
def _on_a_full_disk(home: Path) -> Iterator[str]:
    disk = home / ".cache"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        (disk / "qkd-study").mkdir()
        with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while filler.write(b"0" * 4096):
                pass
        yield "No space left on device"
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


UNUSABLE: dict[str, Callable[[Path], AbstractContextManager[str]]] = {
    "a file": _a_file,
    "read-only": _read_only,
    "of another user": _of_another_user,
    "on a full disk": _on_a_full_disk,
}


def _bound_by_permissions() -> None:
    """In a child before it starts: root loses the right to pass over permissions."""
    if sys.platform == "linux" and os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def command(folder: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qkd_study", *arguments],
        cwd=folder,
        env=environment_of(home),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=_bound_by_permissions,
    )


def rows(out: Path) -> pd.DataFrame:
    frame = pd.read_parquet(out / "tiny" / "latest" / "runs").sort_values(KEYS, ignore_index=True)
    return frame[[c for c in frame.columns if not c.startswith(("run_id", "cost.", "where."))]]


def costs(out: Path) -> list[float]:
    """Executions, and seconds spent on teachers, of a whole run."""
    frame = pd.read_parquet(out / "tiny" / "latest" / "runs")
    return [float(frame[f"cost.{c}"].sum()) for c in ("circuit_executions", "seconds_teacher")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a complete run that had a cache folder."""
    folder = tmp_path_factory.mktemp("usual")
    (folder / "tiny.py").write_text(TINY)
    home = new_home()
    done = command(folder, home, *RUN, "results")
    assert (done.returncode, done.stderr) == (0, "")
    kept = home / ".cache" / "qkd-study"
    assert sorted(path.suffix for path in kept.iterdir()) == ["", ".npz"]
    again = command(folder, home, *RUN, "again")
    assert (again.returncode, again.stderr) == (0, "")
    pd.testing.assert_frame_equal(rows(folder / "again"), rows(folder / "results"))
    # Its teachers come from the cache, and rows say what they took.
    assert costs(folder / "again") == pytest.approx(costs(folder / "results"))
    for path in kept.glob("teachers/*/*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    damaged = command(folder, home, *RUN, "damaged")
    assert (damaged.returncode, damaged.stderr) == (0, "")
    pd.testing.assert_frame_equal(rows(folder / "damaged"), rows(folder / "results"))
    assert costs(folder / "damaged") != pytest.approx(costs(folder / "results"))
    shutil.rmtree(home, ignore_errors=True)
    return folder


@pytest.fixture
def usual(whole: Path) -> pd.DataFrame:
    """The rows of a run with a cache folder."""
    return rows(whole / "results")


@pytest.mark.slow
@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_cache_folder_that_cannot_be_used_changes_no_row(
    tiny_study: Path, home: Path, kind: str, usual: pd.DataFrame
) -> None:
    folder = tiny_study.parent
    with ExitStack() as stack:
        why = stack.enter_context(UNUSABLE[kind](home))
        said = (
            f"warning: the cache folder {home}/.cache/qkd-study cannot be used ({why}); "
            f"going on without it\n"
        )
        done = command(folder, home, *RUN, "results")
        assert (done.returncode, done.stderr) == (0, said)
        pd.testing.assert_frame_equal(rows(folder / "results"), usual)

        if kind != "read-only":  # the other commands once
            return
        planned = command(folder, home, "plan", "tiny.py", "--json", "--forecast")
        assert (planned.returncode, planned.stderr) == (0, said)
        assert json.loads(planned.stdout)["forecast"]["timed"] == 10

        asked = ("replay", "tiny", "--cell", "samples=20", "--replicate", "1000")
        replayed = command(folder, home, *asked)
        assert (replayed.returncode, replayed.stderr) == (0, said)
        assert replayed.stdout.count("equal to the last bit") == 2


@pytest.mark.slow
@pytest.mark.parametrize("token", [None, "damaged"])
def test_a_home_that_is_of_no_use(
    tiny_study: Path, home: Path, token: str | None, usual: pd.DataFrame
) -> None:
    """A home that is a file; and one in which Ray finds a token that is none."""
    folder = tiny_study.parent
    if token is None:
        for path in home.iterdir():  # Ray's folder
            path.rmdir()
        home.rmdir()
        home.write_text("a file")
    else:
        (home / ".ray").mkdir()
        (home / ".ray" / "auth_token").write_text(token)
    asked = [(*RUN, "results"), ("report", "tiny")]
    for arguments in asked if token is None else asked[:1]:
        environment = environment_of(home) if token is not None else {**os.environ}
        environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
        done = subprocess.run(
            [sys.executable, "-m", "qkd_study", *arguments],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        alone = token is not None or arguments[0] == "report"
        assert done.stderr.count("\n") == (0 if alone else 1), done.stderr
    pd.testing.assert_frame_equal(rows(folder / "results"), usual)
    home.unlink() if token is None else None


@pytest.mark.slow
def test_a_damaged_list_of_fonts_changes_no_report(whole: Path, home: Path, tmp_path: Path) -> None:
    def report(name: str) -> dict[str, bytes]:
        done = command(whole, home, "report", "tiny", "--to", str(tmp_path / name))
        assert (done.returncode, done.stderr) == (0, "")
        files = [path for path in (tmp_path / name).rglob("*") if path.is_file()]
        return {path.name: path.read_bytes() for path in files}

    first = report("first")
    assert len(first) > 10
    (fonts,) = (home / ".cache" / "matplotlib").glob("fontlist-*.json")
    moved = re.sub(r'"fname": "', '"fname": "/nowhere/', fonts.read_text())
    for i, damaged in enumerate(("{", "[]", moved)):
        fonts.write_text(damaged)
        assert report(f"damaged {i}") == first


def test_one_line_and_json(
    tiny_study: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from qkd_study.data.datasets import load

    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for _ in range(2):
        load.cache_clear()
        assert main(["plan", str(tiny_study), "--json"]) == 0
        said = capsys.readouterr()
        assert json.loads(said.out)["runs"] == 28
        assert said.err == (
            f"warning: the cache folder {tmp_path}/cache/qkd-study cannot be used "
            f"(Not a directory); going on without it\n"
        )


def test_what_is_kept_is_read_back_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert read_cached("name") is None
    write_cached("name", b"some\nlines")
    assert read_cached("name") == b"some\nlines"
    assert [path.name for path in cache_folder().iterdir()] == ["name"]
    assert writable_folder("stores") == cache_folder() / "stores"
    path = cache_folder() / "name"
    whole = path.read_bytes()
    for i in range(len(whole)):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :])
        assert read_cached("name") is None
        path.write_bytes(whole[:i])
        assert read_cached("name") is None


def test_a_folder_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(StudyWarning, match="cannot be used"):
        assert writable_folder("stores") == temporary_folder() / "stores"
    code = """
from qkd_study.common.paths import temporary_folder
temporary_folder().mkdir()
print(temporary_folder())
"""
    made = subprocess.check_output([sys.executable, "-c", code], text=True).strip()
    assert Path(made).name.startswith("qkd-study-")
    assert Path(made) != temporary_folder()  # every process has its own
    assert not Path(made).exists()
