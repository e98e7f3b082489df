"""Writes a run with its data, and the files that its study reads, as a .zip file."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import qkd_study
from qkd_study.common.atomic import replaced
from qkd_study.common.errors import InputError, safe_repr
from qkd_study.data import SOURCES, Dataset, name_of, whole
from qkd_study.results.bundle_reading import (
    ARRAYS,
    CONTENTS,
    DATA,
    FILES,
    VERSION,
    is_safe,
    unpack,
)
from qkd_study.results.folder import RunFolder
from qkd_study.results.replay import Replayer
from qkd_study.results.schema import TABLES
from qkd_study.study.files import FilesRead

#: What is in a bundle of a run's folder; trained teachers are not: a replay trains them.
_ENTRIES = ("study.json", "study.py", "optuna.journal", *TABLES)
#: The date of all entries, so that bundles of the same run are equal.
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Bundled:
    """What a bundle has.

    Attributes:
        files: how many.
        size: of the .zip file, in bytes.
        licences: of the datasets that are in it: under which they are passed on.
        left_out: the datasets that are not, as their authors state no licence.
    """

    files: int
    size: int
    licences: dict[str, str]
    left_out: tuple[str, ...]


def write_bundle(run: RunFolder, path: Path) -> Bundled:
    """Write a bundle, and open it again to see that its rows can be replayed.

    Its data are those of datasets whose licence permits to pass them on, and the user's own.

    Args:
        run: with all of its files here.
        path: of a new .zip file.

    Raises:
        InputError: the file exists or cannot be written; the run goes on; its data or files have
            changed; or a file of the study is outside of its folder.
        StorageError: writing failed.
    """
    if path.suffix.lower() != ".zip":
        raise InputError(f"--to must be a file that ends in .zip, but got {path}.")
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be written: {path.parent} is no folder.")
    if path.exists():
        raise InputError(f"{path} exists already. Remove it, or choose another name.")
    if run.is_locked():
        raise InputError(f"{run.where} is being run: wait for its end, or stop it, first.")
    replayer = Replayer.of(run)
    entries = _datasets(replayer)
    root = f"{run.path.parent.name}/{run.run_id}"
    files: dict[str, dict[str, Any]] = {}
    with replaced(path) as out:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in _contents_of(run, replayer.dataset.parts, entries):
                files[name] = {
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "bytes": len(content),
                }
                _add(archive, f"{root}/{name}", content)
            about = {
                "version": VERSION,
                "qkd_study": qkd_study.__version__,
                "datasets": entries,
                "files": files,
            }
            _add(archive, f"{root}/{CONTENTS}", json.dumps(about, indent=1).encode() + b"\n")
        out.flush()
        _try_out(Path(out.name))
        size = out.tell()
    return Bundled(
        files=len(files),
        size=size,
        licences={n: e["licence"] for n, e in entries.items() if e["file"] is not None},
        left_out=tuple(name for name, entry in entries.items() if entry["file"] is None),
    )


def _try_out(path: Path) -> None:
    """Open a bundle as a replay would.

    Raises:
        InputError: its rows could not be replayed.
    """
    with tempfile.TemporaryDirectory(prefix="qkd-study-") as folder:
        read = FilesRead(Path(folder))
        try:
            run = unpack(path, Path(folder))
            with read.recording():
                Replayer.of(run)
        except InputError as error:
            raise InputError(
                f"rows of the bundle could not be computed again, so it was not written: {error}"
            ) from None
        if outside := [name for name in read.digests() if name.startswith("..")]:
            where = os.path.abspath(Path(folder, outside[0]))
            raise InputError(
                f"the study reads {where} by an absolute path, which another machine does not "
                f"have. Write Path(__file__).with_name({Path(where).name!r}), and run it again."
            )


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)


def _datasets(replayer: Replayer) -> dict[str, dict[str, Any]]:
    """What the contents say of each dataset."""
    declared = {name_of(entry): whole(entry) for entry in replayer.study.datasets}
    entries = {}
    for number, part in enumerate(replayer.dataset.parts):
        base = declared.get(part.name, part.name)
        licence = SOURCES[base].licence if isinstance(base, str) else "your own data"
        entries[part.name] = {
            "file": f"{DATA}/{number}.npz" if licence else None,
            "licence": licence,
            "sha256": part.digest,
            "classes": part.classes,
            "max_value": part.max_value,
            "class_names": list(part.class_names),
            "mean": list(part.mean),
            "spread": list(part.spread),
        }
    return entries


def _contents_of(
    run: RunFolder, parts: tuple[Dataset, ...], entries: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, bytes]]:
    """The files of a bundle by name in the run's folder, but its contents."""
    for entry in _ENTRIES:
        place = run.path / entry
        for path in sorted(place.rglob("*.parquet")) if place.is_dir() else [place]:
            if path.is_file():
                yield path.relative_to(run.path).as_posix(), path.read_bytes()
    manifest = run.manifest()
    original = manifest["sessions"][-1].get("study_file")
    for name in manifest.get("files", {}) if original else ():
        inside = Path(name).as_posix()
        if not is_safe(inside):
            raise InputError(
                f"the study reads {safe_repr(name)}, outside of its folder, where a bundle has no "
                f"place for it. Put it beside the study file, and run the study from there."
            )
        yield f"{FILES}/{inside}", (Path(original).parent / name).read_bytes()
    for part in parts:
        if entries[part.name]["file"] is not None:
            content = io.BytesIO()
            np.savez(content, allow_pickle=False, **{name: getattr(part, name) for name in ARRAYS})
            yield entries[part.name]["file"], content.getvalue()
