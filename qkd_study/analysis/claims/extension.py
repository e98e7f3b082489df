"""Replicates that were added with results in sight, which no verdict counts.

Testing again at 5 % after each extension errs more often than at 5 %: of two equal arms that are
compared at 10, 20, 40 and 80 replicates, one is called better or worse in 14 % of studies. So the
verdicts are those of the replicates declared before there were results. Looks that are declared
beforehand have levels that allow for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from qkd_study.analysis.run_tables import RunTables
from qkd_study.study.replicates import FIRST_CONFIRM_REPLICATE


def declared_replicates(results: RunTables) -> tuple[RunTables, int | None]:
    """A run without the confirm replicates that were added with results in sight.

    Claims that were themselves declared with results in sight do not count. Runs of earlier
    versions did not write the number down: they are returned as they are.

    Returns:
        The run, and the number of replicates that it was cut to; `None` if it was not.
    """
    entries: Sequence[Mapping[str, Any]] = [
        *results.manifest.get("claims", []),
        *results.manifest.get("withdrawn", []),
    ]
    numbers = [
        _most(entry["replicates"])
        for entry in entries
        if entry.get("replicates") and not entry.get("confirm_rows")
    ]
    if not numbers or min(numbers) >= _most(results.declaration["replicates"]["confirm"]):
        return results, None
    return _first(results, min(numbers)), min(numbers)


def fixed_replicates(results: RunTables) -> tuple[RunTables, int | None]:
    """A run without the confirm replicates whose number depends on results.

    Beside those that `declared_replicates` leaves out, these are the replicates after the first
    look of a run with looks, which only open claims have. So a test at 5 % that knows of no looks
    keeps its level.

    Returns:
        As `declared_replicates`.
    """
    declared, number = declared_replicates(results)
    looks = results.declaration["replicates"].get("looks")
    if not looks or (number is not None and number <= looks[0]):
        return declared, number
    return _first(declared, int(looks[0])), int(looks[0])


def _first(results: RunTables, number: int) -> RunTables:
    """A run with so many confirm replicates."""
    late = FIRST_CONFIRM_REPLICATE + number
    runs, curves = (
        table[(table["phase"] != "confirm") | (table["replicate"] < late)]
        for table in (results.runs, results.curves)
    )
    return replace(results, runs=runs, curves=curves)


def _most(replicates: int | Sequence[int]) -> int:
    """The number of replicates, at the last look."""
    return replicates if isinstance(replicates, int) else max(replicates)
