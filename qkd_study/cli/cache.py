"""`qkd-study cache`."""

from __future__ import annotations

import json
import shutil
import sys
from argparse import Namespace
from pathlib import Path

from qkd_study.cli.formatting import size
from qkd_study.common.errors import InputError
from qkd_study.common.exit_codes import DONE, ERROR
from qkd_study.common.paths import cache_folder
from qkd_study.results.teacher_cache import LIMIT, NAME, cache_limit

#: Local copies of runs in object stores, which may have rows that were not sent yet.
_COPIES = "stores"


def cache(options: Namespace) -> int:
    """`qkd-study cache`: show the files in the user's cache, or remove them."""
    folder = cache_folder()
    parts = {path.name: path for path in sorted(folder.iterdir())} if folder.is_dir() else {}
    if options.action == "show" and options.name is not None:
        raise InputError(
            f"cache show takes no name, but got {options.name!r}. `qkd-study cache clear "
            f"{options.name}` removes that part."
        )
    if options.action == "clear" and options.json:
        raise InputError("--json belongs to `qkd-study cache`; cache clear prints no JSON.")
    if options.action == "clear":
        return _clear(parts, options.name)
    sizes = {name: _size(path) for name, path in parts.items()}
    limit = cache_limit()
    if options.json:
        print(json.dumps({"folder": str(folder), "bytes": sizes, "teacher_limit": limit}, indent=1))
        return DONE
    print(f"{folder}: {size(sum(sizes.values()))}")
    for name, count in sizes.items():
        most = f" of at most {size(limit)} ({LIMIT})" if name == NAME else ""
        print(f"  {name}: {size(count)}{most}")
    return DONE


def _clear(parts: dict[str, Path], name: str | None) -> int:
    if name is not None and name not in parts:
        there = f"one of {', '.join(map(repr, parts))}" if parts else "nothing, the cache is empty"
        raise InputError(f"cache clear: there is no {name!r}; there is {there}.")
    for path in parts.values() if name is None else [parts[name]]:
        if name is None and path.name == _COPIES:
            print(
                f"left {path}: copies of runs in object stores, which may hold rows that were not "
                f"sent. `qkd-study cache clear {_COPIES}` removes them."
            )
            continue
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError as error:
            why = error.strerror or error
            print(f"qkd-study: {path} cannot be removed: {why}", file=sys.stderr)
            return ERROR
        print(f"removed {path}")
    return DONE


def _size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    total = 0
    for file in files:
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:  # removed meanwhile
            continue
    return total
