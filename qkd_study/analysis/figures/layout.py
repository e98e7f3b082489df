"""Figures with panels: sizes, fonts, axes and the key below them.

Sheets are 12 cm wide, so that their text is still 6 pt high when they are printed at 8 cm.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from qkd_study.analysis.figures.style import Style

WIDTH = 12 / 2.54
TEXT, SMALL = 9.0, 8.5
GREY = "0.45"
_POINTS = 72 * WIDTH  # width in points
_LETTER = 0.56  # mean width of a letter, in font sizes


def plain(text: object) -> str:
    """Escape text, so that matplotlib neither typesets it as mathematics nor hides it in a key."""
    text = str(text).replace("$", r"\$")
    return f"\u2009{text}" if text.startswith("_") else text


def sheet(
    panels: Sequence[str],
    *,
    title: str | None,
    columns: int = 2,
    height: float = 5.2,
    share: bool = True,
    sharey: bool = True,
) -> tuple[Figure, list[Axes]]:
    """A figure with a panel per title.

    Args:
        panels: their titles; empty for none.
        title: of the whole figure.
        columns: panels beside each other, at most.
        height: of a row, in cm.
        share, sharey: whether panels share their axes.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    tall = rows * height / 2.54 * (1.25 if columns == 1 and rows == 1 else 1.0)
    figure = Figure(figsize=(WIDTH, tall), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=sharey)
    used: list[Axes] = list(grid.flat)[: len(panels)]
    for axes in list(grid.flat)[len(panels) :]:
        axes.remove()
    for axes, text in zip(used, panels, strict=True):
        axes.tick_params(labelsize=SMALL)
        axes.grid(True, color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        if text:
            width = int(0.8 * _POINTS / columns / (_LETTER * SMALL))
            axes.set_title(textwrap.fill(plain(text), width), fontsize=SMALL)
    for axes in used[-columns:]:
        axes.tick_params(labelbottom=True)
    if title:
        text = textwrap.fill(plain(title), int(_POINTS / (_LETTER * (TEXT + 1))))
        figure.suptitle(text, fontsize=TEXT + 1)
        grow(figure, text.count("\n") + 1)
    return figure, used


def label(panels: Sequence[Axes], x: str, y: str, columns: int = 2) -> None:
    """Axis labels: x below the lowest panels, y beside the leftmost of `columns`."""
    columns = min(columns, len(panels))
    for axes in panels[::columns]:
        axes.set_ylabel(y, fontsize=TEXT)
    for axes in panels[-columns:]:
        axes.set_xlabel(x, fontsize=TEXT)


def columns_for(names: Sequence[str]) -> int:
    """Panels beside each other that leave room for categories: short ones can be turned."""
    return 2 if _fit(names, 2) or max(map(len, names)) <= 12 else 1


def _broken(name: str) -> str:
    return plain(name).replace("-", "-\n")


def _fit(names: Sequence[str], columns: int) -> bool:
    longest = max(len(line) for name in names for line in _broken(name).split("\n"))
    return longest * _LETTER * SMALL < 0.78 * _POINTS / columns / len(names)


def words(axes: Axes, names: Sequence[str], columns: int) -> None:
    """Categories on the x axis at 0, 1, ...; turned if they would overlap."""
    broken, turned = [_broken(name) for name in names], not _fit(names, columns)
    shown = [plain(name) for name in names] if turned else broken
    axes.set_xticks(range(len(names)), shown)
    axes.set_xlim(-0.5, len(names) - 0.5)
    if turned:
        axes.tick_params(axis="x", rotation=35)
        for tick in axes.get_xticklabels():
            tick.set_horizontalalignment("right")
            tick.set_rotation_mode("anchor")
    axes.grid(False, axis="x")


def amounts(axes: Axes, values: Iterable[float], *, doubling: bool) -> None:
    """A tick at each of few values, on a logarithmic axis of base 2 if `doubling`."""
    ticks = sorted(set(values))
    if doubling:
        axes.set_xscale("log", base=2)
    if len(ticks) <= 8:
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())


def logarithmic(axes: Axes, which: str, values: Iterable[float]) -> None:
    """A logarithmic `x` or `y` axis with ticks in plain numbers."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    numbers = np.asarray([v for v in values if np.isfinite(v) and v > 0])
    ratio = numbers.max() / numbers.min() if len(numbers) else 1.0
    few = np.unique(numbers)
    gaps = np.diff(np.log(few))
    if 1 < len(few) <= 5 and gaps.min() > 0.15 * gaps.sum():
        axis.set_major_locator(FixedLocator(few.tolist()))
    elif ratio < 4:
        axis.set_major_locator(MaxNLocator(4))
    else:
        subs = (
            (1.0, 2.0, 3.0, 5.0, 7.0) if ratio < 20 else (1.0, 2.0, 5.0) if ratio < 200 else (1.0,)
        )
        axis.set_major_locator(LogLocator(10, subs=subs, numticks=12))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def key(figure: Figure, entries: Iterable[tuple[str, Line2D]], notes: Sequence[str] = ()) -> None:
    """The key below all panels, under lines of notes."""
    lines = list(entries)
    names = [plain(name) for name, _ in lines]
    handle = max((2.8 if line.get_linestyle() != "None" else 1.2 for _, line in lines), default=1)
    width = (max((len(name) for name in names), default=1) * _LETTER + handle + 1.6) * SMALL
    wide = int(_POINTS / (0.5 * SMALL))
    note = "\n".join(part for text in notes for part in textwrap.wrap(plain(text), wide))
    if not lines and not note:
        return
    columns = max(1, min(len(lines), int(_POINTS // width)))
    grow(figure, -(-len(lines) // columns) + (note.count("\n") + 1 if note else 0))
    figure.legend(
        [line for _, line in lines],
        names,
        loc="outside lower center",
        ncols=columns,
        fontsize=SMALL,
        title=note or None,
        title_fontsize=SMALL - 0.5,
        frameon=False,
        handlelength=handle,
        columnspacing=1.0,
    )


def grow(figure: Figure, lines: int) -> None:
    """Enlarge a figure by lines of text."""
    wide, tall = figure.get_size_inches()
    figure.set_size_inches(wide, tall + lines * 1.45 * SMALL / 72)


def arm_key(
    figure: Figure, looks: dict[str, Style], notes: Sequence[str] = (), *, lines: bool = True
) -> None:
    """The key of the arms, with a note on what marks controls."""
    entries = [
        (arm, Line2D([], [], **(look.line() if lines else look.points())))
        for arm, look in looks.items()
    ]
    all_notes = list(notes)
    if any(look.control for look in looks.values()):
        all_notes.insert(0, f"{'Dashed, hollow' if lines else 'Hollow'} markers: control arms")
    key(figure, entries, all_notes)


def describe(figure: Figure, text: str) -> Figure:
    """Store a figure's description in it."""
    figure.set_label(text)
    return figure


def alt_text(figure: Figure) -> str:
    """The description of a figure, for readers who cannot see it."""
    text: Any = figure.get_label()
    return str(text)
