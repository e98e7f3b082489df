"""Writes and reads the tables of a run."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from qkd_study.common.atomic import PARTIAL, replaced
from qkd_study.common.errors import InputError, StudyWarning, format_error
from qkd_study.results.duplicates import has_duplicates, without_duplicates
from qkd_study.results.rows import Record, Row
from qkd_study.results.schema import ROW_KEYS, RUN_KEY, TABLE_VERSION, TABLES, schema
from qkd_study.study.trial import Trial

T = TypeVar("T")

#: In the folder of a run: the plan of a compaction; see `compact_tables`.
PLAN = ".packing.json"
#: A file without rows that gives a table its columns.
COLUMNS_FILE = "columns.parquet"
#: The tables with several rows per run; a trial's file in `runs/` is written after theirs.
DETAILS = tuple(table for table in TABLES if table != "runs")
#: The tables of what is kept of confirm runs, unless a study does without.
KEPT = ("predictions", "weights")
#: Attempts to read a table while its files are being joined.
ATTEMPTS = 10


class BrokenFile(InputError):
    """A file of a table cannot be read."""


class VanishedFile(BrokenFile):
    """A file of a table no longer exists: it was joined with others, or removed."""


def start_tables(folder: Path) -> None:
    """Make every table readable before the first row, by a file without rows.

    This also removes what a killed driver left: partial files, and files of trials in other tables
    than `runs` whose rows were not written. Call it under the run's lock.
    """
    for pattern in (f".*{PARTIAL}", f"*/.*{PARTIAL}"):
        for path in folder.glob(pattern):
            path.unlink()
    for table in DETAILS:
        for path in folder.glob(f"{table}/*.parquet"):
            if not (folder / "runs" / path.name).exists():
                path.unlink()
    for table in TABLES:
        path = folder / table / COLUMNS_FILE
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace_table(path, table, schema(table).empty_table())


def write_records(
    folder: Path, trials: Sequence[Trial], records: Sequence[Record]
) -> tuple[Path, ...]:
    """Write ended trials: a file in each table, in `runs/` last, each atomically.

    Without predictions there is no file in `predictions/`, without weights none in `weights/`.

    Args:
        folder: of the run.
        trials: of one phase, at least one.
        records: of all their replicates.

    Returns:
        The files, in this order.

    Raises:
        StorageError: the folder cannot be written.
    """
    name = file_name(*trials)
    content = {
        "weights": _weights(records),
        "predictions": _predictions(records),
        "curves": _table("curves", [row for r in records for row in r.curve]),
        "runs": _table("runs", [r.row for r in records]),
    }
    paths = [folder / table / name for table in content if table not in KEPT or content[table]]
    for path in paths:
        _replace_table(path, path.parent.name, content[path.parent.name])
    return tuple(paths)


def may_be_retried(row: Mapping[Any, Any]) -> bool:
    """Whether a run failed for another reason than divergence, which would recur."""
    return row["status"] == "failed" and not str(row["reason"]).startswith("diverged")


def drop_retryable(folder: Path) -> None:
    """Remove the rows of failed runs that may be retried.

    All rows of a search trial are removed, because it has one score. Those of a teacher stay where
    another configuration of it ended well: students may have been trained by that. Call it under
    the run's lock.
    """
    rows = read_table(folder, "runs")
    failed = rows[[may_be_retried(row) for row in rows[["status", "reason"]].to_dict("records")]]
    keys = ["phase", "cell", "arm", "trial"]
    good = rows.groupby(keys)["status"].agg(lambda s: bool((s == "ok").all()))
    trained = {key[:3] for key in good[good.astype(bool)].index if key[0] == "teacher"}
    of = failed[keys[:3]].itertuples(index=False, name=None)
    failed = failed[[key not in trained for key in of]]
    whole = failed.loc[failed["phase"] != "confirm", keys]
    search = set(whole.itertuples(index=False, name=None))
    confirm = set(failed[[*keys, "replicate"]].itertuples(index=False, name=None))

    def stays(table: pa.Table) -> list[bool]:
        rows = table.select([*keys, "replicate"]).to_pandas()
        runs = rows.drop_duplicates()  # a table of predictions has thousands of rows of each
        of = list(runs.itertuples(index=False, name=None))
        kept = runs.assign(stays=[key not in confirm and key[:-1] not in search for key in of])
        found: list[bool] = rows.merge(kept, how="left")["stays"].tolist()
        return found

    for path in (folder / "runs").glob("[!.]*.parquet"):
        table = pq.read_table(path)
        details = [found for name in DETAILS if (found := folder / name / path.name).exists()]
        stay = stays(table)
        if stay and not any(stay):
            path.unlink()
            for detail in details:
                detail.unlink()
        elif not all(stay):
            for detail in details:
                points = pq.read_table(detail)
                kept = points.filter(pa.array(stays(points), pa.bool_()))
                _replace_table(detail, detail.parent.name, kept)
            _replace_table(path, "runs", table.filter(pa.array(stay)))


def file_name(trial: Trial, *more: Trial) -> str:
    """The name of the files of some trials, which depends on trials and replicates only."""
    if more:
        names = [file_name(one) for one in (trial, *more)]
        digest = hashlib.sha256("/".join(names).encode()).hexdigest()[:16]
        return f"{trial.phase}-{len(names)}-trials-{digest}.parquet"
    name = f"{quote(trial.cell.key, safe='=,.')}-{quote(trial.arm.name, safe='+.')}"
    if len(name) > 120:
        name = name[:100] + hashlib.sha256(name.encode()).hexdigest()[:16]
    first, last = trial.replicates[0], trial.replicates[-1]
    if len(trial.replicates) == last - first + 1:
        which = f"{first}-{last}"
    else:
        which = ",".join(map(str, trial.replicates))
    return f"{trial.phase}-{name}-{trial.number:05d}-r{which}.parquet"


def _table(table: str, rows: Sequence[Row]) -> pa.Table:
    columns = schema(table)
    data = pa.table({f.name: pa.array([row.get(f.name) for row in rows], f.type) for f in columns})
    return data.cast(columns)


def _predictions(records: Sequence[Record]) -> pa.Table:
    """The predictions of some runs as a table; of those that have any."""
    columns = schema("predictions")
    kept = [(r.row, r.predictions) for r in records if r.predictions is not None]
    if not kept:
        return columns.empty_table()
    sizes = [len(predictions.label) for _, predictions in kept]
    values: dict[str, list[NDArray[Any]]] = {
        "sample": [np.arange(size) for size in sizes],
        "label": [predictions.label for _, predictions in kept],
        "predicted": [predictions.predicted for _, predictions in kept],
    }
    repeated = pa.array(np.repeat(np.arange(len(kept)), sizes))
    data = {
        name: pa.array([row[name] for row, _ in kept], columns.field(name).type).take(repeated)
        for name in RUN_KEY
    } | {name: pa.array(np.concatenate(parts), pa.int32()) for name, parts in values.items()}
    shares = np.concatenate([predictions.probabilities for _, predictions in kept])
    ends = np.arange(len(shares) + 1, dtype=np.int32) * shares.shape[1]
    data["probabilities"] = pa.ListArray.from_arrays(ends, shares.reshape(-1))
    return pa.table(data).cast(columns)


def _weights(records: Sequence[Record]) -> pa.Table:
    """The weights of some runs as a table; of those that have any."""
    rows = [
        {
            **{name: record.row[name] for name in RUN_KEY},
            "bytes": len(record.weights),
            "sha256": hashlib.sha256(record.weights).hexdigest(),
            "weights": record.weights,
        }
        for record in records
        if record.weights is not None
    ]
    return _table("weights", rows)


def _replace_table(path: Path, table: str, data: pa.Table) -> None:
    with replaced(path) as out:
        pq.write_table(data, out, **write_options(table, data.num_rows))


def write_options(table: str, rows: int) -> dict[str, Any]:
    """How a Parquet file of a table is written, so that it is small.

    Args:
        table: its name.
        rows: how many it will have.
    """
    if table == "weights":  # statistics would hold the least and the largest of small ones again
        with_statistics = [name for name in schema(table).names if name != "weights"]
        return {
            "use_dictionary": False,
            "compression": "zstd",
            "write_statistics": with_statistics,
        }
    if table != "predictions":
        return {"use_dictionary": rows > 100}  # with few, dictionaries cost more than they save
    numbers = ("sample", "probabilities")
    return {
        "compression": "zstd",
        "use_dictionary": [name for name in schema(table).names if name not in numbers],
        "column_encoding": {
            "sample": "DELTA_BINARY_PACKED",
            "probabilities.list.element": "BYTE_STREAM_SPLIT",
        },
    }


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
    wanted = schema(table)
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


#: Files that are joined at a time: a table in many pieces costs far more time and memory.
BATCH = 64


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
