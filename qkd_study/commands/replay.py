"""`qkd-study replay`."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from typing import Any

from qkd_study.errors import InputError
from qkd_study.exit_codes import DONE, ERROR


def replay(options: Namespace) -> int:
    """`qkd-study replay`: compute rows again, and compare every metric."""
    from qkd_study.replay import RELATIVE_TOLERANCE, TOLERANCE, Replayer, said
    from qkd_study.results import find_run, read_table
    from qkd_study.tune.environment import WORKER

    os.environ.update(WORKER)  # as the workers had it
    import torch

    torch.set_num_threads(1)
    folder = find_run(options.run, options.out)
    rows = read_table(folder.path, "runs")
    asked = {
        name: getattr(options, name) for name in ("phase", "cell", "arm", "trial", "replicate")
    }
    for name, value in asked.items():
        if value is not None:
            rows = rows[rows[name] == value]
    if rows.empty or all(value is None for value in asked.values()):
        raise InputError(
            f"{folder.where}: say which rows with --phase, --cell, --arm, --trial, --replicate; "
            + ("none is meant so far." if rows.empty else f"all {len(rows)} are meant so far.")
        )
    replayer = Replayer.of(folder)
    found, equal = [], True
    records: list[Any] = rows.astype(object).where(rows.notna(), None).to_dict("records")
    for row in records:
        differences = replayer.replay(row)
        fine = all(d.tolerable and not replayer.same_place for d in differences)
        equal = equal and fine
        found.append({"row": said(row), "differences": [vars(d) for d in differences]})
        if options.json:
            continue
        print(f"{said(row)}: " + ("equal to the last bit" if not differences else ""))
        for d in differences:
            print(f"  {d.column}: {d.was} then, {d.now} now")
    if options.json:
        print(json.dumps({"same_place": replayer.same_place, "equal": equal, "rows": found}))
    elif not replayer.same_place:
        print(
            f"Other versions or another processor than then: differences up to {TOLERANCE} are "
            f"taken as rounding, {RELATIVE_TOLERANCE:.0%} of metrics in nats."
        )
    return DONE if equal else ERROR
