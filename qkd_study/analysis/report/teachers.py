"""The report on the teachers that were searched."""

from __future__ import annotations

from qkd_study.analysis.report.page import Subsection
from qkd_study.analysis.report.tables import CELL, Show, count, percent, table
from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.teachers import teachers


def tuned_teachers(results: RunTables) -> Subsection:
    """The teachers that were searched; empty if the study searches none."""
    title = "The teachers"
    frame = teachers(results)
    if not frame["configurations"].sum():
        return Subsection(title)
    declared = results.declaration
    replicates = declared["replicates"]["search"]
    lines = [
        f"Every kind of teacher had the same budget, {declared['teacher_trials']} configurations "
        f"of {replicates} {'replicate' if replicates == 1 else 'replicates'}, scored on validation "
        f"samples alone. "
        f"All students of a teacher were trained by its best configuration."
    ]
    edges = sorted({name for names in frame["at_edge"] for name in names})
    if edges:
        lines.append(f"Chosen near an end of their range, somewhere: {', '.join(edges)}.")
    frame = frame.assign(edges=[", ".join(names) for names in frame["at_edge"]])
    shown = [CELL, Show("teacher", "teacher"), count("configurations", "configurations")]
    shown += [count(name, name) for name in ("complete", "failed") if frame[name].nunique() > 1]
    for name in declared["teacher_search"]:
        words = frame[f"config.{name}"].map(lambda value: isinstance(value, str)).any()
        shown.append(Show(f"config.{name}", name, "" if words else "{:.3g}"))
    shown += [
        percent("val_accuracy", "validation accuracy, %"),
        percent("val_ece", "validation ECE, %"),
        Show("entropy", "entropy of soft targets, nats", "{:.2f}"),
        percent("test_accuracy", "test accuracy, %"),
        count("test_n", "replicates tested"),
        Show("seconds", "seconds", "{:.4g}"),
        Show("edges", "at the edge of its range"),
    ]
    if set(frame["cell"]) == {"all"}:
        shown.remove(CELL)
    note = (
        "The best configuration of each kind of teacher and the data that it is trained on: `own` "
        "is the setting's, the others are controls. Accuracy and expected calibration error on "
        "validation samples are means over the search replicates, of the best of several, so a "
        "little too high. The teachers of confirm replicates are trained anew; the entropy, at the "
        "temperature of each student, and the test accuracy are theirs."
    )
    return Subsection(title, lines, [table("Best configuration per teacher", note, frame, shown)])
