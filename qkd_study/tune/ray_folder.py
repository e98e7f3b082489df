"""The folder of a Ray of our own: the paths of the sockets in it must be short and plain."""

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

#: What a socket's path may have at most, in bytes, without the zero at its end.
LONGEST = 103 if sys.platform == "darwin" else 107
#: Characters with which Ray's programs start; it reads paths as ASCII and shell words.
_PLAIN = re.compile(r"[ -&(-\[\]-~]+")
#: The name of a folder of our own: this and eight random characters.
_PREFIX = "qkd-"
_ATTEMPTS, _PAUSE_SECONDS = 10, 0.2


def room() -> int:
    """The bytes that the path of the temporary folder may have, in this process."""
    return LONGEST - len(
        f"/ray/session_2000-01-01_00-00-00_000000_{os.getpid()}/sockets/plasma_store"
    )


@contextlib.contextmanager
def ray_folder() -> Iterator[str]:
    """What Ray is to use as its temporary folder.

    `ray` in `RAY_TMPDIR`, `TMPDIR` (on Linux) or /tmp, as Ray would have it, where that works;
    otherwise a private folder (mode 0700) that is removed at the end.

    Raises:
        InputError: none can be had; the message says which variable to set.
    """
    name, wanted = _wanted()
    problem = _problem(wanted)
    if problem is None:
        yield os.path.join(wanted, "ray")
        return
    made = _made()
    if made is None:
        tried = ", ".join(dict.fromkeys(_short()))
        raise InputError(
            f"Ray needs a folder for its sockets, but {name} {wanted} {problem}, and none can be "
            f"made in {tried} either. Set RAY_TMPDIR to a folder that you may write to, with an "
            f"ASCII path of at most {room()} bytes."
        )
    try:
        # Ray lets everybody write to what it is given.
        yield os.path.join(made, "ray")
    finally:
        for _ in range(_ATTEMPTS):  # processes of Ray that are ending may write a last line
            shutil.rmtree(made, ignore_errors=True)
            if not os.path.exists(made):
                break
            time.sleep(_PAUSE_SECONDS)


def _wanted() -> tuple[str, str]:
    """Where Ray would go: the name of the variable that says so, and the folder."""
    for name in ("RAY_TMPDIR", *(["TMPDIR"] if sys.platform.startswith("linux") else [])):
        if os.environ.get(name):
            return name, os.path.abspath(os.environ[name])
    return "the folder", "/tmp"


def _short() -> list[str]:
    """Where a folder of our own may be."""
    return ["/tmp", "/var/tmp", os.environ.get("XDG_RUNTIME_DIR") or "/dev/shm", "/dev/shm"]


def _made() -> str | None:
    """A private folder with a short path; `None` if there is no place for one."""
    for parent in _short():
        longest = os.path.join(parent, _PREFIX + "x" * 8)
        if _problem(parent) is None and len(os.fsencode(longest)) <= room():
            with contextlib.suppress(OSError):
                return tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
    return None


def _problem(folder: str) -> str | None:
    """Why Ray cannot have its folder below this one, in words."""
    path = os.fsencode(folder)
    if len(path) > room():
        return f"has a path of {len(path)} bytes, above {room()}"
    if not _PLAIN.fullmatch(folder):
        return "has a path with characters that Ray cannot take"
    there = os.path.join(folder, "ray")
    while not os.path.lexists(there):  # Ray makes what is missing
        there = os.path.dirname(there)
    if not os.path.isdir(there) or not os.access(there, os.W_OK | os.X_OK):
        return "cannot be written"
    return None
