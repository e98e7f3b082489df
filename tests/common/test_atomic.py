"""Files are replaced whole, on disk before they have their name."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest

from qkd_study.common import atomic
from qkd_study.common.atomic import replace_file, replaced
from qkd_study.common.errors import StorageError


def test_content_and_name_are_synced_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    target = tmp_path / "below" / "file"

    def fsync(number: int) -> None:
        name = Path(os.readlink(f"/proc/self/fd/{number}")).name
        calls.append("content" if name.endswith(atomic.PARTIAL) else name)

    def replace(source: Any, destination: Any, do: Any = os.replace) -> None:
        calls.append("rename")
        do(source, destination)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    replace_file(target, b"new", make_folder=True)
    assert calls == ["content", "rename", "below"]
    assert target.read_bytes() == b"new"


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "file"
    replace_file(target, b"old")
    with contextlib.suppress(KeyError), replaced(target) as out:
        out.write(b"half")
        raise KeyError
    with pytest.raises(StorageError, match="file cannot be written: No space"), replaced(target):
        raise OSError(28, "No space left on device")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        replace_file(tmp_path / "file" / "below", b"", make_folder=True)


def test_a_folder_that_is_gone_is_not_made_again_unasked(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written: No such file"):
        replace_file(tmp_path / "gone" / "file", b"")
    assert not (tmp_path / "gone").exists()
