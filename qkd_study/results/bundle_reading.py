"""Reads bundles: a run in a .zip file, with its data and the files that its study reads."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from qkd_study.common.errors import InputError, StorageError, format_error, safe_repr
from qkd_study.data import Dataset
from qkd_study.results.folder import RunFolder
from qkd_study.results.locations import find_run

VERSION = 1
#: Inside of a run's folder: the contents, data, and the files that the study reads.
CONTENTS, DATA, FILES = "bundle/bundle.json", "bundle/data", "bundle/files"
ARRAYS = ("pool_raw", "pool_labels", "test_raw", "test_labels")
#: Bytes of the contents, at most.
_MOST_CONTENTS = 2**26
_CHUNK = 2**20
_BROKEN = (OSError, EOFError, ValueError, KeyError, TypeError, NotImplementedError, RuntimeError)
_DAMAGED = (*_BROKEN, zipfile.BadZipFile, zlib.error, RecursionError)


@contextmanager
def opened_run(name: str, out: str | Path) -> Iterator[RunFolder]:
    """The run that a name or a bundle has, for a `with` block.

    Args:
        name: the .zip file of a bundle, which is unpacked into a temporary folder; or see
            `find_run`.
        out: the results folder; see `find_run`.

    Raises:
        InputError: there is none, or the bundle is damaged; see `unpack`.
    """
    if not name.lower().endswith(".zip") or not Path(name).is_file():
        yield find_run(name, out)
        return
    with tempfile.TemporaryDirectory(prefix="qkd-study-") as folder:
        yield unpack(Path(name), Path(folder))


def unpack(bundle: Path, folder: Path) -> RunFolder:
    """Unpack a bundle; nothing of it is executed, and nothing is written outside of the folder.

    Args:
        bundle: the .zip file.
        folder: an empty one.

    Raises:
        InputError: it is no bundle; an entry is not among its contents, has a path that leads out
            of the folder or another checksum, or one is missing; or there is not enough space.
    """
    try:
        with zipfile.ZipFile(bundle) as archive:
            return _unpack(archive, bundle, folder)
    except _DAMAGED as error:
        raise InputError(
            f"{bundle} cannot be read as a bundle: {format_error(error)}. `qkd-study bundle RUN "
            f"--to FILE.zip` writes one."
        ) from None


def _unpack(archive: zipfile.ZipFile, bundle: Path, folder: Path) -> RunFolder:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    for entry in entries:
        if not is_safe(entry.filename) or (entry.external_attr >> 16) & 0o170000 == 0o120000:
            raise InputError(
                f"{bundle} has an entry that could write elsewhere: {safe_repr(entry.filename)}. A "
                f"bundle has regular files below STUDY/RUN_ID only. Nothing was unpacked."
            )
    if len(set(map(str.lower, names))) < len(names):
        raise InputError(f"{bundle} has two entries of one name. Nothing was unpacked.")
    found = [name for name in names if re.fullmatch(rf"[^/]+/[^/]+/{CONTENTS}", name)]
    if len(found) != 1:
        raise InputError(
            f"{bundle} is no bundle: it has {len(found)} entries STUDY/RUN_ID/{CONTENTS}. "
            f"`qkd-study bundle RUN --to FILE.zip` writes one."
        )
    root = found[0].removesuffix(f"/{CONTENTS}")
    contents = _contents(archive, found[0], bundle)
    listed = {f"{root}/{name}": about for name, about in contents["files"].items()}
    if odd := sorted(set(names) ^ {*listed, found[0]}):
        what = "lacks" if odd[0] in listed else "has, beside its contents,"
        raise InputError(f"{bundle} {what} {safe_repr(odd[0])}. Nothing was unpacked.")
    needed = sum(entry.file_size for entry in entries)
    if needed > (free := shutil.disk_usage(folder).free):
        raise InputError(
            f"{bundle} needs {needed:,} bytes, but {folder} has {free:,}. Set TMPDIR to a folder "
            f"with more."
        )
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with archive.open(name) as source, path.open("wb") as target:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                target.write(chunk)
        if name in listed and digest.hexdigest() != listed[name]["sha256"]:
            raise InputError(
                f"{bundle}: {name} has SHA-256 {digest.hexdigest()}, but {listed[name]['sha256']} "
                f"was recorded. It is damaged: copy or make the bundle again."
            )
    return RunFolder(folder / root)


def is_safe(name: str) -> bool:
    """Whether a name in a .zip file is that of a file below a folder, on every system."""
    path = PurePosixPath(name)
    parts = name.split("/")
    odd = any(part in ("", ".", "..") for part in parts) or any(c in name for c in '\\:*?"<>|')
    return not (odd or path.is_absolute() or not name.isprintable() or len(name) > 1000)


def _contents(archive: zipfile.ZipFile, name: str, bundle: Path) -> Mapping[str, Any]:
    """The contents, of which `version` and `files` are checked."""
    with archive.open(name) as file:
        text = file.read(_MOST_CONTENTS + 1)
    contents = json.loads(text) if len(text) <= _MOST_CONTENTS else None
    if not isinstance(contents, dict) or not isinstance(contents.get("files"), dict):
        raise InputError(f"{bundle}: {name} does not list files. Make the bundle again.")
    if contents.get("version") != VERSION:
        raise InputError(
            f"{bundle} is of version {safe_repr(contents.get('version'))}, but this qkd-study "
            f"reads version {VERSION}."
        )
    return contents


def study_file_of(run: RunFolder) -> str | None:
    """The place from which a bundled study's relative paths are resolved; `None`: no bundle."""
    return str(run.path / FILES / "study.py") if (run.path / CONTENTS).is_file() else None


def bundled_dataset(run: RunFolder, name: str) -> Dataset | None:
    """A dataset that is in the folder of a run that was in a bundle; `None` if it is not.

    The caller compares its digest with that of the run.

    Raises:
        InputError: it is damaged.
    """
    try:
        contents = json.loads((run.path / CONTENTS).read_bytes())
    except FileNotFoundError:
        return None
    except (*_DAMAGED, StorageError) as error:
        raise InputError(
            f"{run.path / CONTENTS} is damaged: {format_error(error)}. Unpack the bundle again."
        ) from None
    try:
        about = contents["datasets"][name]
        if about["file"] is None:
            return None
        if not is_safe(about["file"]):
            raise ValueError(f"{safe_repr(about['file'])} is no file of the bundle")
        with np.load(run.path / about["file"], allow_pickle=False) as arrays:
            pool, labels, test, test_labels = (arrays[array] for array in ARRAYS)
        return Dataset(
            name,
            pool,
            labels,
            test,
            test_labels,
            classes=about["classes"],
            max_value=about["max_value"],
            class_names=tuple(about["class_names"]),
            mean=tuple(about["mean"]),
            spread=tuple(about["spread"]),
        )
    except _DAMAGED as error:
        raise InputError(
            f"{run.path / CONTENTS}: the data of {name!r} are damaged: {format_error(error)}. "
            f"Unpack the bundle again."
        ) from None
