"""The journal of finished runs whose trials have not ended; it survives a killed driver."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import numpy as np

from qkd_study.common.atomic import replaced
from qkd_study.common.errors import StorageError
from qkd_study.common.predictions import Predictions
from qkd_study.results.rows import Record, Row
from qkd_study.study.trial import Trial

#: The journal is rewritten when it has more bytes.
MAX_BYTES = 4 * 2**20
_TIMES = ("where.started_at", "where.ended_at")
_Key = tuple[str, str, str, int]


class RunJournal:
    """`pending.jsonl` in the folder of a run: one line per finished run.

    A trial is written to the tables when all its replicates have ended. Until then its finished
    runs are here, so that a killed driver loses none of them. Use it under the run's lock.

    Args:
        folder: of the run.
        superseded: whether a row is to be ignored: it is in the tables already, or its run is to be
            tried again.

    Raises:
        StorageError: it cannot be read or written.
    """

    def __init__(self, folder: Path, superseded: Callable[[Row], bool]) -> None:
        self._path = folder / "pending.jsonl"
        self._file: IO[str] | None = None
        self._records: dict[_Key, dict[int, Record]] = {}
        for record in self._read():
            if not superseded(record.row):
                self._store(record)
        self._rewrite()

    def add(self, record: Record) -> None:
        """Append a finished run. It survives the end of the process, but not a power failure."""
        self._store(record)
        assert self._file is not None
        try:
            self._file.write(_line(record))
            self._file.flush()
        except OSError as error:
            raise StorageError.of(self._path, error) from None

    def of(self, trial: Trial) -> dict[int, Record]:
        """The finished runs of a trial, by replicate, if they have its configuration."""
        found = self._records.get((trial.phase, trial.cell.key, trial.arm.name, trial.number), {})
        config = {f"config.{name}": value for name, value in vars(trial.config).items()}
        return {
            replicate: record
            for replicate, record in found.items()
            if replicate in trial.replicates
            and all(record.row.get(name) == value for name, value in config.items())
        }

    @property
    def rows(self) -> list[Row]:
        """The rows of all runs in the journal."""
        return [record.row for found in self._records.values() for record in found.values()]

    def forget(self, trial: Trial) -> None:
        """Remove a trial that has been written to the tables."""
        key = (trial.phase, trial.cell.key, trial.arm.name, trial.number)
        found = self._records.get(key, {})
        for replicate in trial.replicates:
            found.pop(replicate, None)
        if not found:
            self._records.pop(key, None)
        if self._file is not None and self._file.tell() > MAX_BYTES:
            self._rewrite()

    def close(self) -> None:
        """Remove what is no longer needed; the file too, if nothing is left."""
        self._rewrite()
        if self._file is not None:
            self._file.close()
        if not self._records:
            self._path.unlink(missing_ok=True)

    def _store(self, record: Record) -> None:
        self._records.setdefault(_key(record.row), {})[record.row["replicate"]] = record

    def _read(self) -> Iterable[Record]:
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(f"{self._path} cannot be read: {error}.") from None
        for line in lines:
            try:
                entry = json.loads(line)
                row: Row = entry["row"]
                for name in _TIMES:  # null if the run killed its worker
                    if row.get(name) is not None:
                        row[name] = datetime.fromisoformat(row[name])
                weights = entry.get("weights")
                record = Record(
                    row,
                    entry["curve"],
                    _predictions(entry.get("predictions")),
                    None if weights is None else base64.b64decode(weights, validate=True),
                )
                hash((_key(row), row["replicate"]))
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # cut off when the driver was killed, or damaged
            yield record

    def _rewrite(self) -> None:
        """Replace the file by one with only the records that are still needed."""
        with replaced(self._path) as out:
            for found in self._records.values():
                out.writelines(_line(record).encode() for record in found.values())
        try:
            if self._file is not None:
                self._file.close()
            self._file = self._path.open("a")
        except OSError as error:
            raise StorageError.of(self._path, error) from None


def _key(row: Row) -> _Key:
    return row["phase"], row["cell"], row["arm"], row["trial"]


def _line(record: Record) -> str:
    entry: dict[str, Any] = {"row": record.row, "curve": record.curve}
    if record.predictions is not None:
        found = record.predictions
        entry["predictions"] = {
            "label": found.label.tolist(),
            "predicted": found.predicted.tolist(),
            "probabilities": _encoded(found.probabilities.astype("<f4").tobytes()),
        }
    if record.weights is not None:
        entry["weights"] = _encoded(record.weights)
    return json.dumps(entry, default=_text, separators=(",", ":")) + "\n"


def _encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()


def _predictions(values: dict[str, Any] | None) -> Predictions | None:
    """Predictions as `_line` writes them.

    Raises:
        KeyError, TypeError, ValueError: they are damaged.
    """
    if values is None:
        return None
    label, predicted = (np.array(values[name], dtype=np.int32) for name in ("label", "predicted"))
    if label.shape != predicted.shape or label.ndim != 1:
        raise ValueError("as many labels as predictions are needed")
    body = base64.b64decode(values["probabilities"], validate=True)
    probabilities = np.frombuffer(body, "<f4").astype(np.float32)
    return Predictions(label, predicted, probabilities.reshape(len(label), -1))


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} cannot stand in a table")
