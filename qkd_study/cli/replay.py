"""`qkd-study replay`."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from qkd_study.common.errors import InputError, shown
from qkd_study.common.exit_codes import DONE, ERROR

if TYPE_CHECKING:
    import pandas as pd

    from qkd_study.results import RunFolder


def replay(options: Namespace) -> int:
    """`qkd-study replay`: compute rows again, and compare every metric."""
    from qkd_study.results import find_run, read_table
    from qkd_study.results.replay import RELATIVE_TOLERANCE, TOLERANCE, Replayer, describe_row
    from qkd_study.tune.environment import WORKER

    os.environ.update(WORKER)  # as the workers had it
    import torch

    torch.set_num_threads(1)
    folder = find_run(options.run, options.out)
    rows = read_table(folder.path, "runs")
    asked = {
        name: getattr(options, name) for name in ("phase", "cell", "arm", "trial", "replicate")
    }
    rows = _meant(rows, {name: value for name, value in asked.items() if value is not None}, folder)
    replayer = Replayer.of(folder)
    found, equal = [], True
    records: list[Any] = rows.astype(object).where(rows.notna(), None).to_dict("records")
    for row in records:
        differences = replayer.replay(row)
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


def _meant(rows: pd.DataFrame, asked: dict[str, Any], folder: RunFolder) -> pd.DataFrame:
    """The rows that the options choose.

    Raises:
        InputError: the run has no rows, all are meant, or none; then it says which values there
            are.
    """
    if rows.empty:
        raise InputError(f"{folder.where} has no rows yet: nothing can be computed again.")
    if not asked:
        raise InputError(
            f"{folder.where}: say which of its {len(rows)} rows with --phase, --cell, --arm, "
            f"--trial, --replicate."
        )
    chosen = []
    for name, value in asked.items():
        kept = rows[rows[name] == value]
        chosen.append(f"--{name} {value}")
        if kept.empty:
            there = sorted(set(rows[name]))
            among = f" with {' '.join(chosen[:-1])}" if chosen[:-1] else ""
            raise InputError(
                f"{folder.where}: no row{among} has --{name} {value}. There are {_values(there)}."
            )
        rows = kept
    return rows


def _values(there: list[Any]) -> str:
    """Some values in words; whole numbers in a row as a range."""
    if isinstance(there[0], str):
        return ", ".join(map(shown, there[:20])) + (", ..." if len(there) > 20 else "")
    ranges: list[list[int]] = []
    for number in there:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    few = [str(a) if a == b else f"{a} to {b}" for a, b in ranges[:20]]
    return ", ".join(few) + (", ..." if len(ranges) > 20 else "")
