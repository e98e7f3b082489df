"""`qkd-study list`, `status` and `report`."""

from __future__ import annotations

import json
import logging
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qkd_study.common.errors import InputError
from qkd_study.common.exit_codes import DONE
from qkd_study.common.terminal import console
from qkd_study.common.terminal_table import TerminalTable

#: Headings of the list of runs; times are UTC.
LISTED = (
    *("run", "dataset", "started", "state", "runs", "failed"),
    *("best test accuracy, %", "of cell and arm"),
)


def list_runs(options: Namespace) -> int:
    """`qkd-study list`: the runs in the results folder."""
    from qkd_study.analysis.status import score_of, status_of
    from qkd_study.results import ResultsLocation, fetch_run

    rows = []
    for found in ResultsLocation.of(options.out, "read").runs():
        try:
            manifest = found.manifest()
        except InputError as error:
            print(f"warning: {error}", file=sys.stderr)
            continue
        now = score = None
        try:
            here = fetch_run(found)
            now, score = status_of(here), score_of(here)
        except InputError as error:  # its tables are damaged
            print(f"warning: {error}", file=sys.stderr)
        rows.append(
            {
                "study": found.path.parent.name,
                "run_id": found.run_id,
                "dataset": manifest["dataset"],
                "started_at": manifest["sessions"][0].get("started_at"),
                "state": "damaged" if now is None else now.state,
                "runs": None if now is None else now.counts,
                "score": None if score is None else score.as_json(),
            }
        )
    if options.json:
        print(json.dumps(rows, indent=1))
    elif not rows:
        print(f"no runs in {options.out}")
    else:
        console().print(TerminalTable("", LISTED, [_table_row(row) for row in rows]))
    return DONE


def _table_row(row: dict[str, Any]) -> tuple[str, ...]:
    """A run as a row of the table."""
    runs, score = row["runs"], row["score"]
    started = (row["started_at"] or "")[: len("2026-01-01T00:00")].replace("T", " ")
    return (
        f"{row['study']}/{row['run_id']}",
        row["dataset"],
        started,
        row["state"],
        *((f"{runs['done']}/{runs['declared']}", str(runs["failed"] or "")) if runs else ("", "")),
        *(
            (f"{100 * score['mean']:.1f}", f"{score['cell']} {score['arm']} (n = {score['n']})")
            if score
            else ("", "")
        ),
    )


def status(options: Namespace) -> int:
    """`qkd-study status`: the progress of a run, its scores so far, and what failed and why."""
    from qkd_study.analysis.status import status_of
    from qkd_study.cli.formatting import status_lines, status_table
    from qkd_study.results import find_run

    found = status_of(find_run(options.run, options.out))
    if options.json:
        print(json.dumps(found.as_json(), indent=1))
    else:
        print(*status_lines(found), sep="\n")
        console().print(status_table(found))
    return DONE


def report(options: Namespace) -> int:
    """`qkd-study report`: a page, Markdown and figures of one run, or of several compared."""
    # Matplotlib warns if it cannot write its list of fonts to the home folder.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from qkd_study.analysis import load
    from qkd_study.analysis.report import write_report

    runs = [load(run, options.out, search_curves=False) for run in options.runs]
    folder = _report_folder(options, runs)
    try:
        written = write_report(runs, folder)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"{folder} cannot be written: {reason}. Choose another with --to."
        ) from None
    for run in runs:
        for problem in run.problems:
            print(f"{run.name}: {problem}", file=sys.stderr)
    others = (
        f"{written.markdown.name}, {written.verdicts.name}, {len(written.figures)} figure files"
    )
    print(f"{written.html} (and {others})")
    return DONE


def _report_folder(options: Namespace, runs: Sequence[Any]) -> Path:
    from qkd_study.results import is_address

    if options.to:
        return Path(options.to)
    if any(map(is_address, (options.out, *options.runs))):  # the page is written to this machine
        return Path("results") / (runs[0].name if len(runs) == 1 else "")
    return Path(runs[0].path) if len(runs) == 1 else Path(options.out)
