"""Compaction: joins the files of a complete run; thousands of small ones are slow to read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pyarrow.parquet as pq

from qkd_study.common.atomic import replace_file, replaced, sync_folder
from qkd_study.common.errors import InputError, StorageError
from qkd_study.results.reading import (
    BATCH,
    PLAN,
    files_of,
    joined,
    plan_of,
    read_once,
    temp_path,
)
from qkd_study.results.run_schema import run_schema, write_options
from qkd_study.results.schema import RUN_KEY, TABLES
from qkd_study.results.tables import KEPT
from qkd_study.study.trial import Phase

#: A phase with fewer files is not compacted.
COMPACT_FROM = 200
#: Rows, and bytes, that are in memory at a time.
GROUP, GROUP_BYTES = 2**16, 2**26


def compact_tables(folder: Path, min_files: int = COMPACT_FROM) -> None:
    """Join the files of each phase, if there are many; the rows stay the same.

    At any moment `read_table` reads each row once, and another reader at most once. If the process
    dies, `finish_compaction` completes its work. If a file cannot be read or written, nothing
    changes. Call it under the run's lock.

    Args:
        folder: of the run.
        min_files: compact phases with at least so many files.
    """
    for phase in get_args(Phase):
        names = sorted(path.name for path in (folder / "runs").glob(f"{phase}-*.parquet"))
        if len(names) < min_files:
            continue
        digest = hashlib.sha256("/".join(names).encode()).hexdigest()[:16]
        target = f"{phase}-packed-{digest}.parquet"
        try:
            if read_once(folder, "runs", files_of(folder, "runs"), RUN_KEY)[1] is not None:
                return  # duplicates are told apart by their files
            for table in TABLES:
                _concatenate([folder / table / name for name in names], folder / table, target)
            _write_plan(folder, target, names)
        except (InputError, StorageError, OSError, pa.ArrowException):
            for table in TABLES:
                with contextlib.suppress(OSError):
                    temp_path(folder / table, target).unlink(missing_ok=True)
            return
        finish_compaction(folder)


def finish_compaction(folder: Path) -> None:
    """Replace files by the joined file, if a compaction was planned.

    Raises:
        InputError: the plan is damaged.
        StorageError: files cannot be removed or renamed.
    """
    path = folder / PLAN
    try:
        if not path.exists():
            return
        plan = plan_of(folder, path.read_bytes().decode(errors="replace"))
        for table in TABLES:
            whole = temp_path(folder / table, plan["target"])
            for name in plan["names"]:
                (folder / table / name).unlink(missing_ok=True)
            if whole.exists():
                os.replace(whole, folder / table / plan["target"])
            sync_folder(folder / table)
        path.unlink()
    except OSError as error:
        raise StorageError.of(path, error) from None


def _concatenate(files: list[Path], folder: Path, target: str) -> None:
    """Write the rows of some files into one that readers ignore; some may have no file."""
    there = [path for path in files if path.exists()]
    columns = run_schema(folder.parent, folder.name)
    options = write_options(folder.name, GROUP)
    with (
        replaced(temp_path(folder, target)) as out,
        pq.ParquetWriter(out, columns, **options) as writer,
    ):
        parts: list[pa.Table] = []
        step = 1 if folder.name in KEPT else BATCH  # large files
        for first in range(0, len(there), step):
            last = first + step
            parts.append(joined(there[first:last], columns))
            full = sum(map(len, parts)) >= GROUP or sum(p.nbytes for p in parts) >= GROUP_BYTES
            if last >= len(there) or full:
                writer.write_table(pa.concat_tables(parts).combine_chunks())
                parts = []
                pa.default_memory_pool().release_unused()


def _write_plan(folder: Path, target: str, names: list[str]) -> None:
    replace_file(folder / PLAN, json.dumps({"target": target, "names": names}).encode())
