"""Groups failed runs by the reason of the failure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from qkd_study.results.rows import Row
from qkd_study.results.schema import RUN_KEY

#: Numbers may differ between two runs that fail for the same reason: sizes, limits, losses.
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Reason:
    """Why some runs failed.

    Attributes:
        text: the reason of the first run: one line, and the end of the traceback if there is one.
        count: how many runs failed for it.
        example: phase, cell, arm, trial and replicate of the first.
    """

    text: str
    count: int
    example: dict[str, Any]

    @property
    def line(self) -> str:
        """The reason without its traceback."""
        return self.text.splitlines()[0] if self.text else "no reason was given"

    @property
    def traceback(self) -> list[str]:
        """The end of the traceback; empty if there is none."""
        return self.text.splitlines()[1:]

    @property
    def run(self) -> str:
        """The first run, as text."""
        of = self.example
        where = f"{of['phase']} {of['cell']} {of['arm']}"
        return f"{where} trial {of['trial']} replicate {of['replicate']}"


def reason_key(text: str) -> str:
    """The key by which reasons are grouped: the first line, with `#` for each number."""
    return _NUMBER.sub("#", (text or "").partition("\n")[0])


def failed_share(runs: pd.DataFrame) -> str:
    """How many of the runs that were not stopped have failed, as text.

    Args:
        runs: the `runs` table, or its column `status`.
    """
    ran = int((runs["status"] != "stopped").sum())
    failed = int((runs["status"] == "failed").sum())
    share = 100 * failed / max(ran, 1)
    percent = f"{share:.0f}" if share >= 10 or not failed else f"{share:.2g}"
    return f"{failed:,} of {ran:,} runs failed ({percent} %)"


def reasons(rows: Iterable[Row] | Iterable[Mapping[Any, Any]]) -> tuple[Reason, ...]:
    """The reasons of the failed rows, the most frequent first.

    Args:
        rows: with `status`, `reason` and the keys of a run.
    """
    groups: dict[str, list[Mapping[Any, Any]]] = {}
    for row in rows:
        if row["status"] == "failed":
            groups.setdefault(reason_key(str(row["reason"])), []).append(row)
    found = [
        Reason(str(own[0]["reason"]), len(own), {name: own[0][name] for name in RUN_KEY})
        for own in groups.values()
    ]
    return tuple(sorted(found, key=lambda reason: -reason.count))
