"""Folders outside of a study's own: the user's cache, and what takes its place."""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import secrets
import shutil
import tempfile
import warnings
from pathlib import Path

import platformdirs

from qkd_study.common.atomic import replace_file
from qkd_study.common.errors import StorageError, StudyWarning


def cache_folder() -> Path:
    """Where downloads and measurements of this machine are kept between runs, for one user."""
    try:
        return Path(platformdirs.user_cache_dir("qkd-study")).expanduser()
    except RuntimeError:  # a user without a home, as in some containers
        return Path(tempfile.gettempdir()) / f"qkd-study-{os.getuid()}"


@functools.cache
def temporary_folder() -> Path:
    """In place of the cache folder, for this process alone: not there yet, removed at its end."""
    folder = Path(tempfile.gettempdir()) / f"qkd-study-{secrets.token_hex(8)}"
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def writable_folder(name: str) -> Path:
    """A folder in the cache folder; where it cannot be written to, in `temporary_folder`.

    A `StudyWarning` says so then.
    """
    folder = cache_folder() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
    except OSError as error:
        warn_of_cache(error)
        return temporary_folder() / name
    return folder


def kept(name: str) -> bytes | None:
    """What `keep` wrote under a name; `None` if it is missing or any bit of it has changed."""
    try:
        digest, content = (cache_folder() / name).read_bytes().split(b"\n", 1)
    except (OSError, ValueError):
        return None
    return content if digest == _digest(content) else None


def keep(name: str, content: bytes) -> None:
    """Write a file in the cache folder, whole or not at all, with a checksum.

    Where that fails, later commands do without it, and a `StudyWarning` says so.
    """
    try:
        replace_file(cache_folder() / name, _digest(content) + b"\n" + content, make_folder=True)
    except StorageError as error:
        warn_of_cache(error.__cause__)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def warn_of_cache(error: BaseException | None) -> None:
    """Say that the cache folder cannot be used, and why; a command shows the same warning once."""
    why = getattr(error, "strerror", None) or error
    warnings.warn(
        f"the cache folder {cache_folder()} cannot be used ({why}); going on without it",
        StudyWarning,
        stacklevel=1,
    )
