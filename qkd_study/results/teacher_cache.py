"""The folder of the user's cache of trained teachers, and its size limit."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
import re
from importlib import metadata
from pathlib import Path

import qkd_study
from qkd_study.common.errors import InputError
from qkd_study.common.paths import cache_folder, temporary_folder, writable_folder
from qkd_study.results.provenance import processor

#: The environment variable with the limit of the cache; 0 disables it.
LIMIT = "QKD_STUDY_TEACHER_CACHE"
DEFAULT_LIMIT = "2 GB"
#: The name in the user's cache folder.
NAME = "teachers"

_UNITS = {"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(B|[kKMGT]B)?\s*")
#: Packages whose version may change a teacher.
_PACKAGES = ("numpy", "pennylane", "pennylane-lightning", "scikit-learn", "scipy", "torch")


def teacher_cache() -> Path | None:
    """The cache for teachers that this code trains on this machine; `None` if it is disabled.

    Raises:
        InputError: the environment variable `LIMIT` is not a size.
    """
    if cache_limit() == 0:
        return None
    folder = writable_folder(NAME)
    if folder.is_relative_to(temporary_folder()):
        return None
    return folder / environment()


def cache_limit() -> int:
    """The limit of the cache in bytes, which is applied after a run.

    Raises:
        InputError: the environment variable `LIMIT` is not a size.
    """
    text = os.environ.get(LIMIT, DEFAULT_LIMIT)
    match = _SIZE.fullmatch(text)
    unit = (match[2] or "").upper() if match else ""
    if match is None:
        raise InputError(
            f"{LIMIT} must be a size such as '500 MB' or '2 GB', or 0 for no cache, got {text!r}."
        )
    return int(float(match[1]) * _UNITS[unit])


@functools.cache
def environment() -> str:
    """A hash of everything on which a teacher depends bit for bit, beside its recipe.

    That is the source of this package, the versions of what computes, Python, and the processor.
    """
    source = hashlib.sha256()
    for path in sorted(Path(qkd_study.__file__).parent.rglob("*.py")):
        source.update(path.read_bytes())
    parts = {
        "source": source.hexdigest(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": processor(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def trim_cache() -> None:
    """Remove the least recently used teachers until the cache is within the limit."""
    limit = cache_limit()
    found = []
    for path in (cache_folder() / NAME).glob("*/*.safetensors"):
        with contextlib.suppress(OSError):  # another command removed it
            about = path.stat()
            found.append((about.st_mtime, about.st_size, path))
    total = 0
    for _, size, path in sorted(found, reverse=True):
        total += size
        if total > limit:
            for one in (path, path.with_suffix(".json")):
                with contextlib.suppress(OSError):
                    one.unlink()
