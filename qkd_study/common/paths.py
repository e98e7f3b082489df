"""The user's cache folder, and a temporary one if that cannot be used."""

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
    """The folder of downloads and of measurements of this machine, per user."""
    try:
        return Path(platformdirs.user_cache_dir("qkd-study")).expanduser()
    except RuntimeError:  # a user without a home, as in some containers
        return Path(tempfile.gettempdir()) / f"qkd-study-{os.getuid()}"


@functools.cache
def temporary_folder() -> Path:
    """A replacement for the cache folder in this process: not made yet, removed at its end."""
    folder = Path(tempfile.gettempdir()) / f"qkd-study-{secrets.token_hex(8)}"
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def writable_folder(name: str) -> Path:
    """A folder in the cache folder, or, with a `StudyWarning`, in `temporary_folder`.

    The latter if the cache folder cannot be written.
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


def read_cached(name: str) -> bytes | None:
    """Read what `write_cached` wrote; `None` if it is missing or damaged."""
    try:
        digest, content = (cache_folder() / name).read_bytes().split(b"\n", 1)
    except (OSError, ValueError):
        return None
    return content if digest == _digest(content) else None


def write_cached(name: str, content: bytes) -> None:
    """Write a file with a checksum in the cache folder, atomically.

    If that fails, there is a `StudyWarning`.
    """
    try:
        replace_file(cache_folder() / name, _digest(content) + b"\n" + content, make_folder=True)
    except StorageError as error:
        warn_of_cache(error.__cause__)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def warn_of_cache(error: BaseException | None) -> None:
    """Warn that the cache folder cannot be used, and why; a command shows it once."""
    why = getattr(error, "strerror", None) or error
    warnings.warn(
        f"the cache folder {cache_folder()} cannot be used ({why}); going on without it",
        StudyWarning,
        stacklevel=1,
    )
