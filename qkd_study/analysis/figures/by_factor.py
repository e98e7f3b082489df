"""Scores and gains along a factor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qkd_study.analysis.figures import layout, values
from qkd_study.analysis.figures.style import Style
from qkd_study.analysis.run_tables import RunTables

PANELS = 6
#: With more arms, intervals are bars instead of bands, which would hide each other.
BANDS = 6


def score_by_factor(
    results: RunTables,
    factor: str,
    metric: str = "metric.test_accuracy",
    title: str | None = None,
) -> Figure:
    """A metric of every arm along a factor: means over confirm replicates, 95 % intervals.

    Shares are in per cent, other metrics in their unit.

    Raises:
        InputError: it is no factor, or no confirm run has the metric.
    """
    found = values.scores(results, metric)
    y = values.axis_of(metric)
    figure = _along(results, factor, found, values.looks_of(results), y, title)
    if values.scale_of(metric) == 100:
        for axes in figure.axes:  # margins leave what a share can be
            low, high = axes.get_ylim()
            axes.set_ylim(max(low, -1), min(high, 101))
    what = f"{values.name_of(metric)} against {values.name_of(factor)} for every arm"
    return layout.describe(figure, _description(what, found))


def gain_by_factor(results: RunTables, factor: str, title: str | None = None) -> Figure:
    """The gain in test accuracy over the baseline along a factor, in percentage points.

    Means of differences paired by replicate, with 95 % t intervals.

    Raises:
        InputError: it is no factor, or nothing can be compared with a baseline.
    """
    found = values.gains(results)
    looks = {a: look for a, look in values.looks_of(results).items() if a != results.baseline}
    y = f"gain over {layout.plain(results.baseline)}\n(percentage points)"
    figure = _along(results, factor, found, looks, y, title, zero=True)
    what = f"gain over {results.baseline} in points against {values.name_of(factor)}"
    return layout.describe(figure, _description(what, found))


def _along(
    results: RunTables,
    factor: str,
    found: values.PlotIntervals,
    looks: dict[str, Style],
    y: str,
    title: str | None,
    *,
    zero: bool = False,
) -> Figure:
    every = values.slices(results, factor)
    cells = {cell for cell, _ in found}
    some = [part for part in every if any(cell in cells for _, cell in part[1])]
    shown = some[:PANELS]
    if not shown:
        raise values.NothingToDraw(f"no confirm run of {results.name} is in a declared cell.")
    positions = results.factors[factor]
    numbers = values.numeric(positions)
    columns = 2 if numbers else layout.columns_for([str(p) for p in positions])
    columns = min(columns, len(shown))
    figure, panels = layout.sheet(
        [label for label, _ in shown],
        title=title,
        columns=columns,
        height=5.2 if columns > 1 else 4.2,
    )
    for axes, (_, along) in zip(panels, shown, strict=True):
        if zero:
            axes.axhline(0, color=layout.GREY, linewidth=0.9, zorder=1.5)
        for i, (arm, look) in enumerate(looks.items()):
            own = [(value, found[cell, arm]) for value, cell in along if (cell, arm) in found]
            if not own:
                continue
            ranges = [drawn for _, drawn in own]
            if numbers:
                at = [float(value) for value, _ in own]
                line(axes, at, ranges, arm, look, filled=len(looks) <= BANDS)
            else:
                shift = 0.7 * ((i + 0.5) / len(looks) - 0.5)
                points(axes, [positions.index(v) + shift for v, _ in own], ranges, arm, look)
        if numbers:
            layout.amounts(axes, positions, doubling=values.doubling(factor, positions))
        else:
            layout.words(axes, [str(p) for p in positions], columns)
    layout.label(panels, values.axis_of(f"config.{factor}"), y, columns)
    layout.arm_key(figure, looks, _left_out(len(every), len(some), len(shown)), lines=numbers)
    return figure


def line(
    axes: Axes,
    x: Sequence[float],
    ranges: Sequence[values.PlotInterval],
    arm: str,
    look: Style,
    *,
    filled: bool = True,
) -> None:
    """A line through means with a band, or with bars if it is not filled or has no width."""
    order = np.argsort(x)
    mid, low, high = np.array(ranges, dtype=float)[order].T
    at = np.asarray(x, dtype=float)[order]
    axes.plot(at, mid, label=arm, **look.line())
    sure = np.isfinite(low) & np.isfinite(high)
    if filled and sure.sum() > 1:
        axes.fill_between(
            at, low, high, where=sure, color=look.colour, alpha=0.14, linewidth=0, label=arm
        )
    else:
        axes.vlines(at[sure], low[sure], high[sure], color=look.colour, linewidth=1, label=arm)


def points(
    axes: Axes, x: Sequence[float], ranges: Sequence[values.PlotInterval], arm: str, look: Style
) -> None:
    """Means as points with bars."""
    mid, low, high = np.array(ranges, dtype=float).T
    at = np.asarray(x, dtype=float)
    sure = np.isfinite(low) & np.isfinite(high)
    axes.vlines(at[sure], low[sure], high[sure], color=look.colour, linewidth=1.2, label=arm)
    axes.plot(at, mid, label=arm, **look.points())


def _left_out(every: int, some: int, shown: int) -> list[str]:
    notes = []
    if shown < some:
        notes.append(f"The first {shown} of {every} combinations of the other factors are shown")
    if some < every:
        notes.append(f"{every - some} of {every} combinations have no confirm runs yet")
    return notes


def _description(what: str, found: values.PlotIntervals) -> str:
    mids = {key: value.mid for key, value in found.items()}
    most, least = max(mids, key=mids.__getitem__), min(mids, key=mids.__getitem__)
    return (
        f"Chart: {what}, panels by the other factors. Highest {mids[most]:.3g} ({most[1]}, "
        f"{most[0]}), lowest {mids[least]:.3g} ({least[1]}, {least[0]})."
    )
