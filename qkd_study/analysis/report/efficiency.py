"""The size of gains: in samples, per doubling of samples, in epochs, and in replicates."""

from __future__ import annotations

import math

import pandas as pd

from qkd_study.analysis.claims.arms import power
from qkd_study.analysis.report.page import Subsection, Table
from qkd_study.analysis.report.tables import (
    ARM,
    CELL,
    SHOW_WHERE,
    Show,
    count,
    p_values,
    percent,
    points,
    records,
    table,
)
from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.scaling.data import efficiency, slopes
from qkd_study.analysis.scaling.time_to_target import epochs

#: The names of amounts that may be factors.
AMOUNTS = {"samples": "training samples K", "teacher_samples": "samples of the teacher"}


def in_samples(results: RunTables) -> Subsection:
    """The data-efficiency factor, and the gain per doubling of an amount."""
    tables: list[Table] = []
    lines: list[str] = []
    factors = efficiency(results)
    if not factors.empty:
        lines += _most_efficient(factors, results.baseline)
        tables.append(_efficiency(factors, results.baseline))
    for factor in (name for name in AMOUNTS if name in results.factors):
        found = slopes(results, factor)
        if not found.empty:
            lines += _growing(found, AMOUNTS[factor])
            tables.append(_slopes(found, AMOUNTS[factor]))
    return Subsection("What a gain is worth in samples", lines, tables)


def _efficiency(frame: pd.DataFrame, baseline: str | None) -> Table:
    shown = [
        SHOW_WHERE,
        ARM,
        count("samples", "K"),
        Show("shown", "factor"),
        Show("low", "from", "{:.2f}"),
        Show("high", "to", "{:.2f}"),
        count("n", "replicates"),
        count("left_out", "left out"),
    ]
    bounded = zip(frame["bound"], frame["factor"], strict=True)
    factors = [f"{'' if bound == '=' else bound + ' '}{factor:.2f}" for bound, factor in bounded]
    note = (
        f"How many times K {baseline} needs for the accuracy that an arm has with K samples: 2 "
        "says that the arm saves half of them, below 1 it costs some. From means over replicates "
        "that all K share (the others are left out), with 95 % intervals; > and < and "
        f"open ends: the curve of {baseline} does not reach so far, and nothing is extrapolated."
    )
    return table("Data-efficiency factor", note, frame.assign(shown=factors), shown)


def _most_efficient(frame: pd.DataFrame, baseline: str | None) -> list[str]:
    lines = []
    for arm, own in frame.groupby("arm", sort=False):
        more, less = int((own["low"] > 1).sum()), int((own["high"] < 1).sum())
        if more or less:
            lines.append(
                f"{arm}: of {len(own)} data-efficiency factors, {more} have an interval above 1 "
                f"(it saves samples) and {less} one below (it costs samples), without correction "
                "for being many."
            )
    return lines or [
        f"No arm is shown to need fewer or more samples than {baseline}: every interval of the "
        "data-efficiency factor holds 1 or is open."
    ]


def _slopes(frame: pd.DataFrame, amount: str) -> Table:
    shown = [
        SHOW_WHERE,
        ARM,
        points("slope", "points per doubling"),
        points("low", "from"),
        points("high", "to"),
        p_values("p_holm", "p, Holm"),
        count("n", "replicates"),
        count("left_out", "left out"),
    ]
    note = (
        f"Slope of the gain in accuracy on the logarithm of the {amount}, per doubling, fitted "
        "within each replicate and averaged, with 95 % t intervals. p is corrected over this table."
    )
    return table(f"Gain per doubling of the {amount}", note, frame, shown)


def _growing(frame: pd.DataFrame, amount: str) -> list[str]:
    sure = frame[frame["p_holm"] < 0.05]
    if sure.empty:
        return [f"No gain is shown to grow or shrink with the {amount}."]
    return [
        f"{row.arm}{'' if row.where == 'all' else ' (' + row.where + ')'}: the gain "
        f"{'grows' if row.slope > 0 else 'falls'} by {100 * abs(row.slope):.1f} points per "
        f"doubling of the {amount}."
        for row in records(sure)
    ]


def in_epochs(results: RunTables) -> Subsection:
    """Epochs to a target."""
    frame = epochs(results)
    if frame.empty:
        return Subsection("How soon a target is reached")
    declared = bool(frame["declared"].all())
    which = (
        "the target of a claim"
        if declared
        else f"95 % of the best mean that {results.baseline} had in the cell; no claim names a "
        "target, so this one was not fixed before the run"
    )
    note = (
        f"Epochs until the validation accuracy first reaches a target: {which}. Runs that never "
        "got there count with the epochs that all had (restricted means). Differences are paired, "
        "arm minus baseline, negative if the arm is faster, with 95 % t intervals; p of the paired "
        "t test, as of claims, is corrected over this table. The search chose learning rates for "
        "accuracy, not for speed: an arm may be faster only by a higher one."
    )
    shown = [
        CELL,
        ARM,
        percent("target", "target, %"),
        count("pairs", "pairs"),
        percent("reached", "reached it, %", "{:.0f}"),
        percent("base_reached", f"{results.baseline} did, %", "{:.0f}"),
        Show("epochs", "epochs", "{:.1f}"),
        Show("base_epochs", f"epochs of {results.baseline}", "{:.1f}"),
        Show("difference", "difference", "{:+.1f}"),
        Show("low", "from", "{:+.1f}"),
        Show("high", "to", "{:+.1f}"),
        p_values("p_holm", "p, Holm"),
        count("limit", "epochs run"),
    ]
    lines = []
    for arm, own in frame.groupby("arm", sort=False):
        sure = own[own["p_holm"] < 0.05]
        faster, slower = int((sure["difference"] < 0).sum()), int((sure["difference"] > 0).sum())
        if len(sure):
            lines.append(
                f"{arm} reaches the target sooner than {results.baseline} in {faster} and later in "
                f"{slower} of {len(own)} comparisons, after Holm's correction."
            )
    if not lines:
        lines = [f"No arm is shown to reach the target sooner or later than {results.baseline}."]
    return Subsection(
        "How soon a target is reached", lines, [table("Epochs to a target", note, frame, shown)]
    )


def in_replicates(results: RunTables) -> Subsection:
    """The differences that the replicates can detect, and the replicates that others need."""
    frame = power(results)
    title = "What the replicates could find"
    if frame.empty:
        return Subsection(title)
    low, high = 100 * frame["detectable"].min(), 100 * frame["detectable"].max()
    pairs = sorted({int(n) for n in frame["pairs"]})
    each = str(pairs[0]) if len(pairs) == 1 else f"{pairs[0]} to {pairs[-1]}"
    between = f"{low:.1f}" if math.isclose(low, high) else f"{low:.1f} to {high:.1f}"
    line = (
        f"With {each} pairs, a single test finds a true difference of {between} points, depending "
        "on cell and arm, four times in five. Smaller ones are likely to be missed."
    )
    wanted = [name for name in frame.columns if isinstance(name, float)]
    shown = [
        CELL,
        ARM,
        count("pairs", "pairs"),
        Show("sd", "sd of differences, points", "{:.2f}", 100),
        Show("detectable", "found with so many, points", "{:.2f}", 100),
        *(count(w, f"pairs to find {100 * w:g}") for w in wanted),
    ]
    note = (
        "Pairs with which a paired t test at 5 % finds a true difference to the baseline with a "
        "chance of 80 %, if differences spread as they did here. Correction for many tests needs "
        "more. Arms whose differences are all equal are left out."
    )
    return Subsection(title, [line], [table("Power", note, frame, shown)])
