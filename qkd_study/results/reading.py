"""Reads the tables of a run, also while they are written."""

from __future__ import annotations

import contextlib
import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from qkd_study.common.atomic import PARTIAL
from qkd_study.common.errors import InputError, StudyWarning, format_error
from qkd_study.results.duplicates import has_duplicates, without_duplicates
from qkd_study.results.run_schema import run_schema
from qkd_study.results.schema import ROW_KEYS, RUN_KEY, TABLE_VERSION

T = TypeVar("T")

#: In the folder of a run: the plan of a compaction; see `compact_tables`.
PLAN = ".packing.json"
#: Attempts to read a table while its files are being joined.
ATTEMPTS = 10
#: Files that are joined at a time: a table in many pieces costs far more time and memory.
BATCH = 64


class BrokenFile(InputError):
    """A file of a table cannot be read."""


class VanishedFile(BrokenFile):
    """A file of a table no longer exists: it was joined with others, or removed."""


def read_table(
    folder: Path,
    table: str,
    files: Sequence[Path] = (),
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read a table of the run in `folder`, sorted by its keys, without duplicate rows.

    Warns about duplicates.

    Args:
        folder: `results/<study>/<run id>`.
        table: its name.
        files: to read; default: all (`files_of`).
        columns: to read, the keys among them; default: all. Reading a few is five times faster.

    Raises:
        InputError: the folder has no such table, or one of another version, a broken file, or
            different configurations of one trial.
    """
    if not files:
        return retry_read(lambda: read_table(folder, table, files_of(folder, table), columns))
    rows, message = read_once(folder, table, files, columns)
    if message is not None and table == "runs":
        warnings.warn(message, StudyWarning, stacklevel=2)
    return rows


def read_once(
    folder: Path, table: str, files: Sequence[Path], columns: Sequence[str] | None = None
) -> tuple[pd.DataFrame, str | None]:
    """As `read_table`, but returns the warning, if any."""
    keys = list(ROW_KEYS[table])
    rows = _frame(folder, table, files, columns).sort_values(keys, ignore_index=True)
    if not has_duplicates(rows, keys):
        return rows, None
    runs = files if table == "runs" else files_of(folder, "runs")
    rows, message = without_duplicates(
        files,
        partial(_frame, folder, table),
        keys,
        columns,
        runs,
        partial(_frame, folder, "runs"),
    )
    return rows.sort_values(keys, ignore_index=True), message


def _frame(
    folder: Path, table: str, files: Sequence[Path], columns: Sequence[str] | None
) -> pd.DataFrame:
    """The rows of some files, unsorted and with duplicates."""
    wanted = run_schema(folder, table)
    if columns is not None:
        wanted = pa.schema([wanted.field(name) for name in dict.fromkeys(columns)])
    data = joined(files, wanted)
    try:
        frame: pd.DataFrame = data.to_pandas()
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise BrokenFile(f"{folder / table} has a broken file: {format_error(error)}.") from None
    for name in [*ROW_KEYS[table], *(["status"] if table == "runs" else [])]:
        if name in frame and frame[name].isna().any():
            raise InputError(f"{folder / table} has a broken file: a row in it has no {name}.")
        if name in frame and isinstance(frame[name].dtype, pd.CategoricalDtype):
            frame[name] = frame[name].cat.reorder_categories(sorted(frame[name].cat.categories))
    return frame


def predictions_of_run(folder: Path, row: Mapping[str, Any]) -> list[int]:
    """The predicted classes of a run of `runs`, by test sample; empty if none were kept."""
    if not (folder / "predictions").is_dir():
        return []
    key = [(name, "==", row[name]) for name in RUN_KEY]
    columns = ["sample", "predicted"]
    found = retry_read(
        lambda: pq.read_table(files_of(folder, "predictions"), columns=columns, filters=key)
    )
    frame = found.to_pandas().drop_duplicates("sample").sort_values("sample")
    return [int(value) for value in frame["predicted"]]


def weights_of_run(folder: Path, row: Mapping[str, Any]) -> tuple[bytes, str] | None:
    """The student of a run of `runs` as a safetensors file, and its SHA-256 when it was written.

    Returns:
        `None` if its weights were not kept.

    Raises:
        InputError: a file of the table is broken.
    """
    if not any((folder / "weights").glob("[!.]*.parquet")):
        return None
    key = [(name, "==", row[name]) for name in RUN_KEY]
    columns = ["sha256", "weights"]
    try:
        found = retry_read(
            lambda: pq.read_table(files_of(folder, "weights"), columns=columns, filters=key)
        ).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise BrokenFile(
            f"{folder / 'weights'} has a broken file: {format_error(error)}."
        ) from None
    return (found[0]["weights"], found[0]["sha256"]) if found else None


def files_of(folder: Path, table: str) -> list[Path]:
    """The files of a table, with each row once, also while `compact_tables` joins them.

    Raises:
        InputError: there are none: this is not the folder of a run.
    """
    before, after, found = "", "plan", []
    while before != after:  # a compaction began or ended in between
        before = _plan(folder)
        found = sorted((folder / table).glob("[!.]*.parquet"))
        after = _plan(folder)
    if before:
        plan = plan_of(folder, before)
        whole = temp_path(folder / table, plan["target"])
        gone = set(plan["names"])
        found = [path for path in found if path.name not in gone]
        if whole.exists():
            found.append(whole)
        elif (target := folder / table / plan["target"]) not in found:
            found.append(target)  # it was renamed after the listing
    if not found:
        raise InputError(f"{folder} holds no {table}: it is not the folder of a run.")
    return found


def retry_read(read: Callable[[], T]) -> T:
    """Call `read`, again if a file was joined with others between listing and reading."""
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(VanishedFile):
            return read()
        time.sleep(0.2)
    return read()


def temp_path(folder: Path, target: str) -> Path:
    """The temporary file of `target`, in the folder of its table."""
    return folder / f".{target}{PARTIAL}"


def plan_of(folder: Path, content: str) -> dict[str, Any]:
    """Parse the plan of a compaction: `names` of files, and the `target` that they are joined to.

    Raises:
        InputError: it is damaged.
    """
    try:
        plan: dict[str, Any] = json.loads(content)
        is_plan = isinstance(plan["target"], str) and all(isinstance(n, str) for n in plan["names"])
    except (ValueError, KeyError, TypeError):
        is_plan = False
    if not is_plan:
        raise InputError(
            f"{folder / PLAN} is broken: it does not say which files are being joined. If you "
            f"delete it, the same `run` command computes again what is missing then."
        )
    return plan


def _plan(folder: Path) -> str:
    try:
        return (folder / PLAN).read_bytes().decode(errors="replace")
    except OSError:
        return ""


def joined(files: Sequence[Path], wanted: pa.Schema) -> pa.Table:
    """The rows of some files, with the columns of `wanted`."""
    parts: list[pa.Table] = []
    for first in range(0, len(files), BATCH):
        few = [_read(path, wanted) for path in files[first : first + BATCH]]
        parts.append(pa.concat_tables(few).combine_chunks())
    return pa.concat_tables(parts)


def _read(path: Path, wanted: pa.Schema) -> pa.Table:
    """One file, with nulls in the columns that it lacks."""
    try:
        with pq.ParquetFile(pa.BufferReader(path.read_bytes()), pre_buffer=False) as file:
            held = file.schema_arrow  # a property that is computed at each access
            version = (
                (held.metadata or {}).get(b"qkd_study.version", b"none").decode(errors="replace")
            )
            if version != str(TABLE_VERSION):
                raise InputError(
                    f"{path} has a table of version {version}, but this qkd-study reads version "
                    f"{TABLE_VERSION}. Read it with the version that wrote it."
                )
            there = [name for name in wanted.names if held.get_field_index(name) >= 0]
            found = file.read(columns=there, use_threads=False)
        if found.schema.equals(wanted):
            return found
        columns = [
            found[f.name].cast(f.type) if f.name in there else pa.nulls(len(found), f.type)
            for f in wanted
        ]
        return pa.table(columns, schema=wanted)
    except FileNotFoundError:
        raise VanishedFile(f"{path} was there, but is gone.") from None
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise BrokenFile(
            f"{path} is broken: {format_error(error)}. If you delete it, the same `run` command "
            f"computes its rows again."
        ) from None
