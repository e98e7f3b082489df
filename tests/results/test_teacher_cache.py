"""How large the cache of teachers gets, and what makes it another one."""

from __future__ import annotations

import json
import os
from importlib import metadata
from pathlib import Path

import pytest

from qkd_study.cli.main import main
from qkd_study.common.errors import InputError
from qkd_study.results import teacher_cache
from qkd_study.results.teacher_cache import LIMIT, cache_limit, environment, trim_cache


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The cache of an empty home."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "qkd-study"


@pytest.mark.parametrize(
    ("said", "limit"),
    [("2 GB", 2 * 10**9), ("500MB", 5 * 10**8), ("1.5 kB", 1500), ("7", 7), ("0", 0), (None, 2e9)],
)
def test_limits(monkeypatch: pytest.MonkeyPatch, said: str | None, limit: int) -> None:
    if said is None:
        monkeypatch.delenv(LIMIT, raising=False)
    else:
        monkeypatch.setenv(LIMIT, said)
    assert cache_limit() == limit


@pytest.mark.parametrize("said", ["lots", "-1", "2 XB", "", "nan"])
def test_what_is_no_size(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv(LIMIT, said)
    with pytest.raises(InputError, match=f"{LIMIT} must be a size such as '500 MB'"):
        cache_limit()


def test_a_run_with_a_bad_limit_begins_nothing(
    monkeypatch: pytest.MonkeyPatch, tiny_study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(LIMIT, "lots")
    out = tiny_study.parent / "results"
    assert main(["run", str(tiny_study), "--out", str(out)]) == 2
    assert f"{LIMIT} must be a size" in capsys.readouterr().err
    assert not out.exists()


def test_what_was_not_used_for_longest_goes_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age, name in enumerate(("new", "middle", "old")):
        path = folder / "teachers" / f"code{age % 2}" / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(1000))
        path.with_suffix(".json").write_text("{}")
        os.utime(path, (1e9 - age, 1e9 - age))
    monkeypatch.setenv(LIMIT, "2 kB")
    trim_cache()
    left = sorted(path.name for path in folder.glob("teachers/*/*"))
    assert left == ["middle.json", "middle.safetensors", "new.json", "new.safetensors"]


def test_other_versions_are_another_cache(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    here = teacher_cache.teacher_cache()
    assert here == folder / "teachers" / environment()
    monkeypatch.setattr(metadata, "version", lambda name: "another")
    environment.cache_clear()
    assert teacher_cache.teacher_cache() != here
    monkeypatch.setenv(LIMIT, "0")
    assert teacher_cache.teacher_cache() is None
    environment.cache_clear()


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache"]) == 0
    assert capsys.readouterr().out == f"{folder}: 0 kB\n"
    (folder / "teachers" / "code").mkdir(parents=True)
    (folder / "teachers" / "code" / "a.safetensors").write_bytes(bytes(12_000))
    (folder / "digits.npz").write_bytes(bytes(3_000))
    assert main(["cache"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        f"{folder}: 15 kB",
        "  digits.npz: 3 kB",
        f"  teachers: 12 kB of at most 2.00 GB ({LIMIT})",
    ]
    assert main(["cache", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == {"digits.npz": 3000, "teachers": 12000}
    assert main(["cache", "clear", "teacher"]) == 2
    assert "there is no 'teacher'; there is one of 'digits.npz', 'teachers'" in (
        capsys.readouterr().err
    )
    assert main(["cache", "show", "teachers"]) == 2
    assert "cache show takes no name, but got 'teachers'" in capsys.readouterr().err
    assert main(["cache", "clear", "--json"]) == 2
    assert "cache clear prints no JSON" in capsys.readouterr().err
    assert main(["cache", "clear", "teachers"]) == 0
    assert [path.name for path in folder.iterdir()] == ["digits.npz"]
    (folder / "stores" / "bucket").mkdir(parents=True)
    assert main(["cache", "clear"]) == 0
    assert [path.name for path in folder.iterdir()] == ["stores"]
    assert "left" in capsys.readouterr().out
    assert main(["cache", "clear", "stores"]) == 0
    assert not any(folder.iterdir())
