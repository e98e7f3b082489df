"""Two runs side by side: what their declarations differ in, and the gains of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from qkd_study.analysis.latex import lines_of
from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.statistics.intervals import Interval
from qkd_study.common.errors import InputError, safe_repr

#: Stands in place of a value that one of two declarations lacks.
ABSENT = "-"


def declared_differences(one: RunTables, other: RunTables) -> pd.DataFrame:
    """What two runs declare differently.

    Args:
        one, other: the runs.

    Returns:
        A row per entry that differs: entry (its path in the declaration, such as
        `search.learning_rate.low`), one, other (values as text; `-` where an entry is absent).
    """
    flat = [dict(_flat(_compared(run), "")) for run in (one, other)]
    names = dict.fromkeys(name for found in flat for name in found)
    rows = [(name, *(found.get(name, ABSENT) for found in flat)) for name in names]
    different = [row for row in rows if row[1] != row[2]]
    return pd.DataFrame(different, columns=["entry", "one", "other"], dtype=object)


def _compared(run: RunTables) -> dict[str, Any]:
    manifest = run.manifest
    data = {"dataset": manifest["dataset"], "SHA-256 of the data": manifest["dataset_sha256"]}
    return {**run.declaration, **data}


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """The values in nested mappings, as text, by their path; a list is one value."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and not any(isinstance(inner, Mapping) for inner in value):
        yield name, ", ".join(map(str, value)) or ABSENT
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _flat(inner, f"{name}[{place}]")
    else:
        yield name, ABSENT if value is None or value == {} else str(value)


def compare(one: RunTables, other: object) -> pd.DataFrame:
    """Scores and paired gains of two runs, side by side.

    Each gain is over the baseline of its own run, paired by replicate within it. Nothing is tested
    between the runs: they may have been searched and drawn differently.

    Args:
        one, other: the runs.

    Returns:
        A row per cell and arm that either run has confirmed: cell, arm, then for each run n, score,
        gain, low and high (its 95 % interval), those of the other with `_other` after the name; nan
        where a run lacks them.

    Raises:
        InputError: `other` is no run.
    """
    if not isinstance(other, RunTables):
        raise InputError(
            f"compare takes the results of another run, as qkd_study.load returns them, but got "
            f"{safe_repr(other)}."
        )
    mine, others = _gains(one), _gains(other)
    columns = list(mine.columns)
    found = mine.join(others, how="outer", rsuffix="_other", sort=False)
    order = [*mine.index, *(key for key in others.index if key not in set(mine.index))]
    index = pd.MultiIndex.from_tuples(order, names=["cell", "arm"])
    wanted = [*columns, *(f"{name}_other" for name in columns)]
    return found.reindex(index)[wanted].reset_index()


def _gains(run: RunTables) -> pd.DataFrame:
    """By cell and arm: n, score, gain, low, high."""
    nothing = Interval(float("nan"), float("nan"), float("nan"), 0)
    lines = lines_of(run)
    gains = [line.gain or nothing for line in lines]
    return pd.DataFrame(
        {
            "n": [float(line.score.count) for line in lines],
            "score": [line.score.mean for line in lines],
            "gain": [gain.mean for gain in gains],
            "low": [gain.low for gain in gains],
            "high": [gain.high for gain in gains],
        },
        index=pd.MultiIndex.from_tuples(
            [(line.cell, line.arm) for line in lines], names=["cell", "arm"]
        ),
        dtype=float,
    )
