"""Joining the files of a run that is complete: thousands of small ones are slow to read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from qkd_study.common.atomic import replace_file, replaced, sync_folder
from qkd_study.common.errors import InputError, StorageError
from qkd_study.results.doubles import KEYS
from qkd_study.results.schema import TABLES, schema
from qkd_study.results.tables import BATCH, PLAN, files_of, joined, plan_of, read_once, temp_path

#: Fewer files of a phase than this are left as they are.
COMPACT_FROM = 200
PHASES = ("search", "confirm")
#: Rows that are held at a time.
GROUP = 2**16


def compact_tables(folder: Path, least: int = COMPACT_FROM) -> None:
    """Join the files of each phase, if they are many; the rows stay the same.

    `read_table` meets each row once at any moment, another reader at most once, and a process that
    dies here leaves a run that `finish_compaction` completes. What cannot be read or written is
    left as it was. Call it under the run's lock.

    Args:
        folder: of the run.
        least: the number of files from which on it is worth it.
    """
    for phase in PHASES:
        names = sorted(path.name for path in (folder / "runs").glob(f"{phase}-*.parquet"))
        if len(names) < least:
            continue
        digest = hashlib.sha256("/".join(names).encode()).hexdigest()[:16]
        target = f"{phase}-packed-{digest}.parquet"
        try:
            if read_once(folder, "runs", files_of(folder, "runs"), KEYS)[1] is not None:
                return  # their files are what tells doubled rows apart
            for table in TABLES:
                _join([folder / table / name for name in names], folder / table, target)
            _write_plan(folder, target, names)
        except (InputError, StorageError, OSError, pa.ArrowException):
            for table in TABLES:
                with contextlib.suppress(OSError):
                    temp_path(folder / table, target).unlink(missing_ok=True)
            return
        finish_compaction(folder)


def finish_compaction(folder: Path) -> None:
    """Put joined files in the place of those they hold, if a plan says so.

    Raises:
        InputError: the plan is damaged.
        StorageError: the folder does not let files be removed or renamed.
    """
    plan = folder / PLAN
    try:
        if not plan.exists():
            return
        said = plan_of(folder, plan.read_bytes().decode(errors="replace"))
        for table in TABLES:
            whole = temp_path(folder / table, said["target"])
            for name in said["names"]:
                (folder / table / name).unlink(missing_ok=True)
            if whole.exists():
                os.replace(whole, folder / table / said["target"])
            sync_folder(folder / table)
        plan.unlink()
    except OSError as error:
        raise StorageError.of(plan, error) from None


def _join(files: list[Path], folder: Path, target: str) -> None:
    """Write the rows of some files into one that no reader sees yet; curves may have no file."""
    there = [path for path in files if path.exists()]
    columns = schema(folder.name)
    with replaced(temp_path(folder, target)) as out, pq.ParquetWriter(out, columns) as writer:
        parts: list[pa.Table] = []
        for first in range(0, len(there), BATCH):
            last = first + BATCH
            parts.append(joined(there[first:last], columns))
            if last >= len(there) or sum(map(len, parts)) >= GROUP:
                writer.write_table(pa.concat_tables(parts).combine_chunks())
                parts = []
                pa.default_memory_pool().release_unused()


def _write_plan(folder: Path, target: str, names: list[str]) -> None:
    replace_file(folder / PLAN, json.dumps({"target": target, "names": names}).encode())
