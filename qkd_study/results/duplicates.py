"""Duplicate rows of a table, as written by two drivers of one run: one of each is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from qkd_study.common.errors import InputError
from qkd_study.results.schema import RUN_KEY, RUNS

#: Of two rows the one with the better status is used, then the one that ended first.
_STATUSES = {"ok": 0, "stopped": 1, "failed": 2}
_CONFIG = [column.name for column in RUNS if column.name.startswith("config.")]
_METRICS = [column.name for column in RUNS if column.name.startswith("metric.")]
#: The columns of runs that decide which row is used.
DECIDING_COLUMNS = (*RUN_KEY, "status", "where.ended_at", *_CONFIG, *_METRICS)
_FILE = "in file"

#: Reads columns of some files of a table, unsorted.
Read = Callable[[Sequence[Path], Sequence[str] | None], pd.DataFrame]


def has_duplicates(rows: pd.DataFrame, keys: Sequence[str]) -> bool:
    """Whether two rows have the same keys.

    Args:
        rows: sorted by the keys.
        keys: columns, those that differ most often last.
    """
    same = np.arange(len(rows) - 1)
    for name in reversed(keys):
        if not len(same):
            return False
        values = rows[name].to_numpy()
        same = same[values[same] == values[same + 1]]
    return len(same) > 0


def without_duplicates(
    files: Sequence[Path], read: Read, keys: Sequence[str], columns: Sequence[str] | None,
    runs: Sequence[Path], read_runs: Read,
) -> tuple[pd.DataFrame, str]:  # fmt: skip
    """The rows of a table without duplicates.

    The row and the curve of a run are taken from the same file.

    Args:
        files: of the table.
        read: reads them.
        keys: of the table.
        columns: to return; default: all.
        runs, read_runs: the same for the table of runs, which has status and time of each run.

    Returns:
        The rows, unsorted, and a warning about those that were left out.

    Raises:
        InputError: two rows of one trial have different configurations.
    """
    rows = _with_files(runs, read_runs, DECIDING_COLUMNS)
    doubled = rows[rows.duplicated(list(RUN_KEY), keep=False)]
    _check_configurations(doubled, runs)
    order = doubled.assign(rank=doubled["status"].map(_STATUSES))
    order = order.sort_values(["rank", "where.ended_at", _FILE], kind="stable")
    chosen = order.drop_duplicates(list(RUN_KEY))
    wanted = chosen.set_index(list(RUN_KEY))[_FILE].map(lambda number: runs[number].name)

    found = _with_files(files, read, columns)
    chosen_file = found[list(RUN_KEY)].merge(
        wanted.rename("wanted").reset_index(), on=list(RUN_KEY), how="left"
    )["wanted"]  # fmt: skip
    names = np.array([path.name for path in files], dtype=object)
    listed = chosen_file.isin(set(names)).to_numpy()
    unique = found[~listed | (chosen_file.to_numpy() == names[found[_FILE]])]
    unique = unique.drop_duplicates(list(keys)).drop(columns=_FILE)
    return unique, _message(doubled, len(doubled) - len(chosen))


def _with_files(files: Sequence[Path], read: Read, columns: Sequence[str] | None) -> pd.DataFrame:
    """The rows of some files, with the number of the file that each is from."""
    parts = [read([path], columns).assign(**{_FILE: number}) for number, path in enumerate(files)]
    filled = [part for part in parts if len(part)]
    return pd.concat(filled or parts[:1], ignore_index=True)


def _check_configurations(doubled: pd.DataFrame, files: Sequence[Path]) -> None:
    for key, rows in doubled.groupby(list(RUN_KEY[:-1])):
        if len(rows[_CONFIG].drop_duplicates()) > 1:
            phase, cell, arm, trial = key
            names = " and ".join(f"runs/{files[number].name}" for number in rows[_FILE].unique())
            raise InputError(
                f"{names} hold {phase} trial {trial} of {cell}, {arm} with different "
                f"configurations: two drivers wrote to {files[0].parent.parent}. Delete one of "
                f"them where the run is kept; the same `run` command computes what is missing."
            )


def _message(doubled: pd.DataFrame, count: int) -> str:
    both = doubled[doubled["status"] == "ok"].groupby(list(RUN_KEY))
    differing = [key for key, rows in both if len(rows[_METRICS].drop_duplicates()) > 1]
    message = (
        f"{count} rows of runs/ stand there twice, as where two drivers wrote to one run: one of "
        f"each counts"
    )
    if differing:
        phase, cell, arm, trial, replicate = differing[0]
        message += (
            f". Of {len(differing)} the metrics differ, and that which ended first counts: {phase} "
            f"{cell} {arm}, trial {trial}, replicate {replicate}"
        )
    return message + "."
