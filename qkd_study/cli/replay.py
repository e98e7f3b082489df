"""`qkd-study replay`."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.common.exit_codes import DONE, ERROR
from qkd_study.results.schema import RUN_KEY

if TYPE_CHECKING:
    import pandas as pd

    from qkd_study.results import RunFolder


def replay(options: Namespace) -> int:
    """`qkd-study replay`: compute rows again, and compare every metric and prediction."""
    from qkd_study.results.bundle_reading import opened_run
    from qkd_study.tune.environment import WORKER

    os.environ.update(WORKER)  # the environment of the workers
    import torch

    torch.set_num_threads(1)
    with opened_run(options.run, options.out) as folder:
        return _replayed(folder, options)


def _replayed(folder: RunFolder, options: Namespace) -> int:
    from qkd_study.results import predictions_of_run, read_table
    from qkd_study.results.replay import RELATIVE_TOLERANCE, TOLERANCE, Replayer, describe_row

    rows = read_table(folder.path, "runs")
    given = {name: getattr(options, name) for name in RUN_KEY}
    rows = _chosen_rows(
        rows, {name: value for name, value in given.items() if value is not None}, folder
    )
    replayer = Replayer.of(folder)
    found, equal = [], True
    records: list[Any] = rows.astype(object).where(rows.notna(), None).to_dict("records")
    for row in records:
        differences = replayer.replay(row, predictions_of_run(folder.path, row))
        fine = all(d.tolerable and not replayer.same_machine for d in differences)
        equal = equal and fine
        found.append({"row": describe_row(row), "differences": [vars(d) for d in differences]})
        if options.json:
            continue
        print(f"{describe_row(row)}: " + ("equal to the last bit" if not differences else ""))
        for d in differences:
            print(f"  {d.column}: {d.was} then, {d.now} now")
    if options.json:
        print(json.dumps({"same_place": replayer.same_machine, "equal": equal, "rows": found}))
    elif not replayer.same_machine:
        print(
            f"Other versions or another processor than then: differences up to {TOLERANCE} are "
            f"taken as rounding, {RELATIVE_TOLERANCE:.0%} of metrics in nats."
        )
    return DONE if equal else ERROR


def _chosen_rows(rows: pd.DataFrame, given: dict[str, Any], folder: RunFolder) -> pd.DataFrame:
    """The rows that the options select.

    Raises:
        InputError: the run has no rows, no option is given, or no row matches; then the message
            lists the values.
    """
    if rows.empty:
        raise InputError(f"{folder.where} has no rows yet: nothing can be computed again.")
    if not given:
        raise InputError(
            f"{folder.where}: say which of its {len(rows)} rows with --phase, --cell, --arm, "
            f"--trial, --replicate."
        )
    chosen = []
    for name, value in given.items():
        matching = rows[rows[name] == value]
        if name == "cell":
            matching = rows[(rows[name] == value) | _shared_with(value, rows, folder)]
        chosen.append(f"--{name} {value}")
        if matching.empty:
            values = sorted(set(rows[name]))
            among = f" with {' '.join(chosen[:-1])}" if chosen[:-1] else ""
            raise InputError(
                f"{folder.where}: no row{among} has --{name} {value}. There are {_values(values)}."
            )
        rows = matching
    return rows


def _shared_with(cell: str, rows: pd.DataFrame, folder: RunFolder) -> pd.Series[bool]:
    """Which rows stand under another cell that shares them with this one."""
    shared = folder.manifest()["plan"].get("shared", {})
    under = rows["arm"].map({arm: cells[cell] for arm, cells in shared.items() if cell in cells})
    return rows["cell"].astype(object) == under.astype(object)


def _values(values: list[Any]) -> str:
    """A list of values as text; consecutive numbers as a range."""
    if isinstance(values[0], str):
        return ", ".join(map(safe_repr, values[:20])) + (", ..." if len(values) > 20 else "")
    ranges: list[list[int]] = []
    for number in values:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    texts = [str(a) if a == b else f"{a} to {b}" for a, b in ranges[:20]]
    return ", ".join(texts) + (", ..." if len(ranges) > 20 else "")
