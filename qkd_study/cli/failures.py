"""The messages of `qkd-study run` about failed runs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from qkd_study.results import Reason, failed_share, reasons
from qkd_study.results.schema import RUN_KEY

#: Columns of `runs` that this module reads.
COLUMNS = (*RUN_KEY, "status", "reason")
#: Reasons, or cells and arms, that are named at most.
MOST_SHOWN = 10


def failed_lines(runs: pd.DataFrame, confirm: int) -> list[str]:
    """Each reason once, with its count and an example; empty if no run failed.

    Args:
        runs: the `runs` table.
        confirm: declared confirm replicates.
    """
    failed = runs[runs["status"] == "failed"]
    if failed.empty:
        return []
    found = reasons(failed.to_dict("records"))
    lines = [f"{failed_share(runs)}:"]
    lines += [f"  {r.count} x {r.line}; first: {r.run}" for r in found[:MOST_SHOWN]]
    if len(found) > MOST_SHOWN:
        lines.append(f"  and {len(found) - MOST_SHOWN} more reasons")
    if (failed["phase"] == "confirm").any():
        lines.append(f"Where n is less than {confirm}, the score is that of the survivors.")
    return lines


def unsearched_lines(names: Sequence[str], total: int) -> list[str]:
    """The cells and arms, and teachers, without a successful configuration, if there are any.

    Args:
        names: their names.
        total: searches in all.
    """
    if not names:
        return []
    if len(names) == 1:
        return [f"no configuration of {names[0]} ended well"]
    named = ", ".join(names[:MOST_SHOWN])
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return [f"no configuration ended well in {len(names)} of {total} searches: {named}{more}"]


def fault_lines(fault: Reason, command: str, where: str) -> list[str]:
    """Why the run was stopped, and what to do.

    Args:
        fault: why the first runs failed.
        command: continues the run.
        where: its folder.
    """
    return [
        f"Stopped: all runs so far failed, {fault.count} of them for the same reason, and so would "
        "the rest.",
        f"{fault.run}:",
        *(f"  {line}" for line in fault.text.splitlines()),
        "Mend what it names: the study file, its data or what is installed. Nothing was thrown "
        f"away: rows and reasons are in {where}. This goes on, and runs again what failed (in a "
        "new run, if a model, loss or ansatz of your own was changed):",
        f"  {command}",
    ]
