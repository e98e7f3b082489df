"""Scaling laws with their predictions for sizes that were not run."""

from __future__ import annotations

import pandas as pd

from qkd_study.analysis.report.page import Subsection, Table
from qkd_study.analysis.report.tables import (
    ARM,
    SHOW_WHERE,
    Show,
    count,
    percent,
    points,
    records,
    table,
)
from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.scaling.cost_table import cost_laws
from qkd_study.analysis.scaling.data import error_laws

#: Costs that laws are fitted to, what they are called, and their unit.
COST_UNITS = {
    "cost.seconds_train": ("Time to train a student", "s"),
    "cost.peak_rss_mb": ("Peak memory of the worker", "MB"),
}


def scaling(results: RunTables) -> Subsection:
    """Error against samples, and cost against qubits, depth and samples."""
    errors = error_laws(results)
    tables, lines = [], []
    if not errors.empty:
        lines += _predicted(errors, results.baseline)
        tables.append(_errors(errors))
    for cost, (name, unit) in COST_UNITS.items():
        frame = cost_laws(results, cost)
        if not frame.empty:
            lines += _cost_lines(frame, name, unit, results.baseline)
            tables.append(_costs(frame, name, unit))
    return Subsection("Scaling laws", lines, tables)


def _errors(frame: pd.DataFrame) -> Table:
    (k,) = set(frame["samples"]) if frame["samples"].nunique() == 1 else ("",)
    run = ["not run" if outside else "run" for outside in frame["extrapolated"]]
    holds = ["" if holds else "no power law fits" for holds in frame["law_holds"]]
    shown = [
        SHOW_WHERE,
        ARM,
        percent("floor", "floor, %"),
        percent("floor_low", "from"),
        percent("floor_high", "to"),
        Show("exponent", "exponent b", "{:.2f}"),
        Show("exponent_low", "from", "{:.2f}"),
        Show("exponent_high", "to", "{:.2f}"),
        Show("r_squared", "R2", "{:.3f}"),
        points("residual", "largest residual, points"),
        *([] if k else [count("samples", "K")]),
        percent("error", f"error at K = {k:g}, %" if k else "error there, %"),
        percent("error_low", "from"),
        percent("error_high", "to"),
        Show("run", "that K was"),
        count("n", "replicates"),
        count("left_out", "left out"),
        Show("holds", "note"),
    ]
    note = (
        "Test error as floor + a K^-b, fitted to means over the replicates that all K share, with "
        "95 % intervals, too short where errors have no floor. R2 is 1 by construction "
        "with three K. A prediction for a K that was not run supposes that the law goes on: the "
        "interval does not cover that it may not."
    )
    return table("Error against training samples", note, frame.assign(run=run, holds=holds), shown)


def _predicted(frame: pd.DataFrame, baseline: str | None) -> list[str]:
    own = frame[(frame["arm"] == baseline) & frame["law_holds"]]
    return [
        f"{row.arm}{'' if row.where == 'all' else ' (' + row.where + ')'}: if its law goes on, its "
        f"error at K = {row.samples:g}, which was not run, is {100 * row.error:.1f} % (95 % "
        f"interval {100 * row.error_low:.1f} to {100 * row.error_high:.1f})."
        for row in records(own)
    ][:1]


def _costs(frame: pd.DataFrame, name: str, unit: str) -> Table:
    shown = [
        SHOW_WHERE,
        ARM,
        count("runs", "runs"),
        count("trials", "trials"),
        Show("overhead", f"overhead, {unit}", "{:.3g}"),
        Show("overhead_low", "from", "{:.3g}"),
        Show("overhead_high", "to", "{:.3g}"),
        Show("ratio", "factor per qubit", "{:.2f}"),
        Show("ratio_low", "from", "{:.2f}"),
        Show("ratio_high", "to", "{:.2f}"),
        Show("r_squared", "R2 of logs", "{:.2f}"),
        Show("spread", "spread, factor", "{:.2f}"),
        Show("at", "predicted at (not run)"),
        Show("predicted", unit, "{:.3g}"),
        Show("predicted_low", "from", "{:.3g}"),
        Show("predicted_high", "to", "{:.3g}"),
    ]
    if frame["ratio"].isna().all():
        shown = [show for show in shown if not str(show.key).startswith("ratio")]
    note = (
        "Law: overhead + unit x depth x samples x factor^qubits, over all runs that ended well, "
        "with 95 % t intervals over trials, whose replicates cost alike; sizes that did not vary "
        "are part of the unit. Two thirds of the trials lie within the spread around it: where R2 "
        "is low or the spread wide, it says little. The prediction is for a size that was not run "
        "and supposes that the law goes on."
    )
    if unit == "MB":
        note += (
            " Memory is the most that the worker process had used so far, its libraries and "
            "earlier runs included."
        )
    return table(name, note, frame, shown)


def _cost_lines(frame: pd.DataFrame, name: str, unit: str, baseline: str | None) -> list[str]:
    own = frame[frame["arm"] == baseline] if baseline in set(frame["arm"]) else frame
    row = records(own)[0]
    where = "" if row.where == "all" else f" ({row.where})"
    text = f"{name}, {row.arm}{where}: "
    if row.r_squared < 0.5:
        return [text + f"the law explains little of it (R2 = {row.r_squared:.2f})."]
    if row.ratio == row.ratio:
        text += (
            f"one more qubit multiplies it by {row.ratio:.2f} (95 % interval {row.ratio_low:.2f} "
            f"to {row.ratio_high:.2f}); "
        )
    return [
        text + f"at {row.at}, which was not run, the law says {row.predicted:.3g} {unit} (95 % "
        f"interval {row.predicted_low:.3g} to {row.predicted_high:.3g})."
    ]
