"""The temporary folder of local Ray: the paths of the sockets in it must be short and ASCII."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator

from qkd_study.common.errors import InputError

#: Bytes that the path of a socket may have, without the zero at its end.
MAX_SOCKET_PATH = 103 if sys.platform == "darwin" else 107
#: Paths that Ray can use: it reads them as ASCII and splits them like a shell.
_PLAIN = re.compile(r"[ -&(-\[\]-~]+")
#: A private folder's name begins with this; eight random characters follow.
_PREFIX = "qkd-"
_ATTEMPTS, _PAUSE_SECONDS = 10, 0.2


def max_path_bytes() -> int:
    """Bytes that the path of Ray's temporary folder may have in this process."""
    return MAX_SOCKET_PATH - len(
        f"/ray/session_2000-01-01_00-00-00_000000_{os.getpid()}/sockets/plasma_store"
    )


@contextlib.contextmanager
def ray_folder() -> Iterator[str]:
    """Yield the folder that Ray is to use for temporary files.

    It is Ray's default, `ray` in `RAY_TMPDIR`, `TMPDIR` (on Linux) or /tmp, if that can be used;
    otherwise a private folder (mode 0700) that is removed at the end.

    Raises:
        InputError: no folder can be used; the message says which variable to set.
    """
    name, folder = _preferred()
    problem = _problem(folder)
    if problem is None:
        yield os.path.join(folder, "ray")
        return
    made = _make_folder()
    if made is None:
        tried = ", ".join(dict.fromkeys(_parents()))
        raise InputError(
            f"Ray needs a folder for its sockets, but {name} {folder} {problem}, and none can be "
            f"made in {tried} either. Set RAY_TMPDIR to a folder that you may write to, with an "
            f"ASCII path of at most {max_path_bytes()} bytes."
        )
    try:
        # Ray makes the folder that it gets writable for everybody.
        yield os.path.join(made, "ray")
    finally:
        for _ in range(_ATTEMPTS):  # Ray processes that are ending may still write
            shutil.rmtree(made, ignore_errors=True)
            if not os.path.exists(made):
                break
            time.sleep(_PAUSE_SECONDS)


def _preferred() -> tuple[str, str]:
    """Ray's default: the name of the variable that sets it, and the folder."""
    for name in ("RAY_TMPDIR", *(["TMPDIR"] if sys.platform.startswith("linux") else [])):
        if os.environ.get(name):
            return name, os.path.abspath(os.environ[name])
    return "the folder", "/tmp"


def _parents() -> list[str]:
    """Folders in which to try to make a private one."""
    return ["/tmp", "/var/tmp", os.environ.get("XDG_RUNTIME_DIR") or "/dev/shm", "/dev/shm"]


def _make_folder() -> str | None:
    """Make a private folder with a short path; `None` if that fails everywhere."""
    for parent in _parents():
        longest = os.path.join(parent, _PREFIX + "x" * 8)
        if _problem(parent) is None and len(os.fsencode(longest)) <= max_path_bytes():
            with contextlib.suppress(OSError):
                return tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
    return None


def _problem(folder: str) -> str | None:
    """Why Ray's folder cannot be in this one; `None` if it can."""
    path = os.fsencode(folder)
    if len(path) > max_path_bytes():
        return f"has a path of {len(path)} bytes, above {max_path_bytes()}"
    if not _PLAIN.fullmatch(folder):
        return "has a path with characters that Ray cannot take"
    there = os.path.join(folder, "ray")
    while not os.path.lexists(there):  # Ray makes what is missing
        there = os.path.dirname(there)
    if not os.path.isdir(there) or not os.access(there, os.W_OK | os.X_OK):
        return "cannot be written"
    return None
