"""Gains summarised over cells, and over runs on several datasets."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from qkd_study.analysis import pooled
from qkd_study.analysis.pooled import over_cells, table_over_runs
from qkd_study.analysis.report.page import Section, Subsection, Table
from qkd_study.analysis.report.tables import ARM, Show, count, p_values, points, records, table
from qkd_study.analysis.run_tables import RunTables
from qkd_study.study.dataset_factor import DATASET

METHOD = (
    "Random effects: the spread by restricted maximum likelihood, with an interval from the "
    "generalised Q statistic; Hartung and Knapp's interval of the mean, and one of the next gain "
    "that adds the spread, both with Student's distribution. p is of no spread."
)

DATASETS_METHOD = (
    "Random effects: all datasets count the same; the spread by restricted maximum likelihood, "
    "with an interval from the generalised Q statistic; intervals of the mean and of the next gain "
    "are Student's, with one degree of freedom less than there are datasets. p is of no spread."
)


def cells_table(results: RunTables) -> Table:
    """The random-effects summary of a run over its cells."""
    note = (
        f"Gain in test accuracy over {results.baseline} in percentage points"
        f"{', averaged over datasets' if DATASET in results.factors else ''}: its mean over cells, "
        "taken for a sample of those that could have been run; how much it differs between them; "
        f"and what it would be in one more cell; with 95 % intervals. {METHOD}"
    )
    return _table("Gains over all cells", note, over_cells(results), "cell")


def datasets_of(results: RunTables) -> Subsection:
    """The random-effects summary of a run over its datasets; empty if they are no factor."""
    found = pooled.over_datasets(results)
    note = (
        f"Gain in test accuracy over {results.baseline} in percentage points, averaged over the "
        "cells of each dataset: its mean over datasets, taken for a sample of those that could "
        "have been used; how much it differs between them; and what it would be on one more "
        f"dataset of the same kind; with 95 % intervals. {DATASETS_METHOD}"
    )
    table = _table("Gains over datasets", note, found, "dataset")
    return Subsection("Over datasets", lines_of(found), [table] if table.rows else [])


def lines_of(found: pd.DataFrame) -> list[str]:
    """A line per arm of a summary over datasets."""
    return [
        f"{row.arm}: {100 * row.gain:+.1f} points on average over {row.effects} datasets (95 % "
        f"interval {100 * row.low:+.1f} to {100 * row.high:+.1f}), on one more dataset between "
        f"{100 * row.next_low:+.1f} and {100 * row.next_high:+.1f}."
        for row in records(found)
    ]


def over_datasets(runs: Sequence[RunTables]) -> Section | None:
    """The summary of several runs, if three or more datasets have an arm; else `None`.

    Args:
        runs: of any studies; runs on one dataset are not independent, and give no summary.
    """
    datasets = [str(run.manifest["dataset"]) for run in runs]
    found = table_over_runs(runs) if len(set(datasets)) == len(runs) else pd.DataFrame()
    if found.empty:
        return None
    note = (
        "Gain in test accuracy over the baseline in percentage points, in each run averaged over "
        "its cells: its mean over datasets, how much it differs between them, and what it would be "
        f"on one more dataset of the same kind; with 95 % intervals. {DATASETS_METHOD}"
    )
    lines = lines_of(found)
    part = Subsection(
        "Gains over datasets", lines, [_table("Gains over datasets", note, found, "dataset")]
    )
    return Section(
        name="All runs",
        question="Do the gains hold over datasets?",
        summary=lines,
        claims=[],
        verdicts=[],
        problems=[],
        parts=[part],
        method=[DATASETS_METHOD],
        provenance=[(run.name, name) for run, name in zip(runs, datasets, strict=True)],
        reproduce="qkd-study report " + " ".join(run.name for run in runs),
    )


def _table(title: str, note: str, frame: pd.DataFrame, effect: str) -> Table:
    shown = [
        ARM,
        count("effects", f"{effect}s"),
        points("gain", "mean gain"),
        points("low", "from"),
        points("high", "to"),
        Show("spread", f"spread between {effect}s", "{:.2f}"),
        Show("spread_low", "from", "{:.2f}"),
        Show("spread_high", "to", "{:.2f}"),
        points("next_low", f"one more {effect}: from"),
        points("next_high", "to"),
        p_values("p", "p, no spread"),
    ]
    spreads = ["spread", "spread_low", "spread_high"]
    return table(title, note, frame.assign(**{name: 100 * frame[name] for name in spreads}), shown)
