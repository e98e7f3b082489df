"""Writes the tables of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from qkd_study.common.atomic import PARTIAL, replaced
from qkd_study.results.column import Column
from qkd_study.results.reading import read_table
from qkd_study.results.rows import Record, Row
from qkd_study.results.run_schema import (
    COLUMNS_FILE,
    NO_COLUMNS,
    extended_schema,
    run_schema,
    write_options,
)
from qkd_study.results.schema import RUN_KEY, TABLES, schema
from qkd_study.study.trial import Trial

#: The tables with several rows per run; a trial's file in `runs/` is written after theirs.
DETAILS = tuple(table for table in TABLES if table != "runs")
#: The tables of what is kept of confirm runs, unless a study does without.
KEPT = ("predictions", "weights")


def start_tables(folder: Path, own: Mapping[str, Sequence[Column]] = NO_COLUMNS) -> None:
    """Make every table readable before the first row, by a file without rows.

    This also removes what a killed driver left: partial files, and files of trials in other tables
    than `runs` whose rows were not written. Call it under the run's lock.

    Args:
        folder: of the run.
        own: columns that its study declares, by table.
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
        wanted, grown = extended_schema(folder, table, own.get(table, ()))
        if grown or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace_table(path, table, wanted.empty_table())


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
        "curves": _table(run_schema(folder, "curves"), [row for r in records for row in r.curve]),
        "runs": _table(run_schema(folder, "runs"), [r.row for r in records]),
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


def _table(columns: pa.Schema, rows: Sequence[Row]) -> pa.Table:
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
    return _table(schema("weights"), rows)


def _replace_table(path: Path, table: str, data: pa.Table) -> None:
    with replaced(path) as out:
        pq.write_table(data, out, **write_options(table, data.num_rows))
