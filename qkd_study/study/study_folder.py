"""The folder of the study file that is being loaded, from which relative paths are resolved."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_FOLDER: ContextVar[str | None] = ContextVar("study_folder", default=None)


@contextmanager
def study_folder(folder: Path) -> Iterator[None]:
    """Resolve relative paths from `folder` in a `with` block."""
    token = _FOLDER.set(os.path.abspath(folder))
    try:
        yield
    finally:
        _FOLDER.reset(token)


def from_study_folder(path: str | Path) -> Path:
    """An absolute path; a relative one is from the study file's folder, else the working folder."""
    return Path(os.path.abspath(Path(_FOLDER.get() or "", path)))
