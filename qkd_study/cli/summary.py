"""The table at the end of `qkd-study run`."""

from __future__ import annotations

from typing import Any

from qkd_study.planning.plan import Plan
from qkd_study.study.dataset_factor import DATASET
from qkd_study.study.search_methods import MINIMISED
from qkd_study.study.study import Study


def print_summary(study: Study, folder: Any, counted: Plan, console: Any) -> None:
    """Show test scores and gains."""
    from qkd_study.analysis.interval_text import NOTES, format_gain, format_share
    from qkd_study.analysis.summary import SUMMARISED, summarise
    from qkd_study.common.terminal_table import TerminalTable
    from qkd_study.results import read_table

    minimised = MINIMISED.get(study.minimise or "")
    columns = SUMMARISED if minimised is None else (*SUMMARISED, minimised)
    runs = read_table(folder.path, "runs", columns=columns)
    lines = summarise(
        runs,
        study.baseline,
        counted.cells,
        counted.arms,
        minimised,
        shared=counted.shared,
        searches=study.searches,
    )
    shown = [line for line in lines if line.score.count]
    entries = [
        (
            line.cell,
            line.arm,
            str(line.score.count),
            format_share(line.score),
            format_gain(line.gain) if line.gain else "",
        )
        for line in shown
    ]
    if shown:
        headings = ("arm", "n", "score", f"gain over {study.baseline}, paired")
        over = "replicates" if study.searches == 1 else "searches"
        title = f"test accuracy in %, mean and 95 % interval over {over}"
        console.print(TerminalTable.of_cells(title, headings, entries, keys=2))
    for word, note in NOTES.items():
        if any(entry.endswith(word) for row in entries for entry in row[3:]):
            console.print(note)
    if DATASET in study.factors:
        from qkd_study.analysis.pooled import over_datasets
        from qkd_study.analysis.report.pooled import lines_of
        from qkd_study.analysis.run_tables import read_run

        for text in lines_of(over_datasets(read_run(folder.path, search_curves=False))):
            console.print(text, markup=False)
    if len(shown) < len(lines):
        console.print(
            f"{len(lines) - len(shown)} of {len(lines)} cells and arms have no test accuracy: no "
            f"confirm run of theirs has ended well"
        )
