"""Writes files atomically, also in case of a power failure."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from qkd_study.common.errors import StorageError

#: The end of the names of incomplete files; they begin with a dot.
PARTIAL = ".partial"


@contextlib.contextmanager
def replaced(path: Path, *, make_folder: bool = False) -> Iterator[IO[bytes]]:
    """Open a temporary file that replaces `path` at the end, unless an exception is raised.

    The content is synced to disk before the rename, and the folder after it.

    Args:
        path: of the file.
        make_folder: whether to make a missing folder. Not for the folder of a run: if it is
            missing, its rows are lost, and the run must stop.

    Raises:
        StorageError: the file cannot be written.
    """
    partial = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.replace(partial, path)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError.of(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes, *, make_folder: bool = False) -> None:
    """Write a file atomically; see `replaced`."""
    with replaced(path, make_folder=make_folder) as out:
        out.write(content)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to disk, on file systems that can."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
