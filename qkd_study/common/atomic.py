"""Writing files whole or not at all, also where the power fails."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from qkd_study.common.errors import StorageError

#: What the names of files end in that are not whole yet; they begin with a dot.
PARTIAL = ".partial"


@contextlib.contextmanager
def replaced(path: Path, *, make_folder: bool = False) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of `path` at the end, unless something is raised.

    It is synced to disk first, and its new name after that.

    Args:
        path: of the file.
        make_folder: whether its folder is made where it lacks. That of a run must not be: a run
            whose folder is gone has lost its rows, and stops.

    Raises:
        StorageError: the folder does not take it.
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
    """Write a file, whole or not at all; see `replaced`."""
    with replaced(path, make_folder=make_folder) as out:
        out.write(content)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a power failure, on file systems that can."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
