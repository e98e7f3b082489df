"""Gains by cell and by dataset with their random-effects summary."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from qkd_study.analysis.claims.arms import comparison
from qkd_study.analysis.figures import layout, values
from qkd_study.analysis.pooled import by_arm, over_cells
from qkd_study.analysis.run_tables import RunTables


def gains_over_cells(results: RunTables, title: str | None = None) -> Figure:
    """Per arm: the gain in each cell, their mean with its interval, and that of one more cell.

    Raises:
        InputError: no arm has enough cells and replicates.
    """
    summary = over_cells(results)
    if summary.empty:
        raise values.NothingToDraw(f"{results.name} has no arm with enough cells and replicates.")
    gains, looks = comparison(results), values.looks_of(results)
    tall = 2.2 + 1.1 * len(summary)
    figure, (axes,) = layout.sheet([""], title=title, columns=1, height=tall)
    rows: Any = summary.itertuples()
    for row, found in enumerate(rows):
        look = looks[found.arm]
        cells = 100 * gains.loc[gains["arm"] == found.arm, "gain"].dropna().to_numpy()
        at = row + 0.28 + 0.14 * np.linspace(-1, 1, len(cells))
        axes.plot(cells, at, **look.points(3))
        low, mean, high = 100 * found.low, 100 * found.gain, 100 * found.high
        ahead = 100 * found.next_low, 100 * found.next_high
        axes.hlines(row - 0.05, *ahead, color=look.colour, linewidth=1, linestyle=":")
        axes.hlines(row - 0.05, low, high, color=look.colour, linewidth=3)
        axes.plot([mean], [row - 0.05], **look.points(6))
    axes.axvline(0, color="0.6", linewidth=0.8)
    axes.set_yticks(range(len(summary)), [layout.plain(arm) for arm in summary["arm"]])
    axes.set_ylim(len(summary) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.set_xlabel(f"gain over {results.baseline}, percentage points", fontsize=layout.TEXT)
    return layout.describe(
        figure,
        f"Gains of {', '.join(summary['arm'])} over {results.baseline} in each cell, the mean "
        "over cells with its 95 % interval, and the 95 % interval of the gain in one more cell.",
    )


#: Letters in a line of a dataset's name.
NAME = 16


def gains_over_datasets(results: RunTables, title: str | None = None) -> Figure:
    """Per arm a forest: the gain on each dataset, their mean, and that on one more dataset.

    Raises:
        InputError: the run has not three datasets as a factor.
    """
    found = by_arm(results)
    if not found:
        raise values.NothingToDraw(f"{results.name} has no arm on three datasets.")
    looks = values.looks_of(results)
    names = ["\n".join(textwrap.wrap(name, NAME)) for name in next(iter(found.values())).effects]
    rows = [layout.plain(name) for name in names] + ["mean over\ndatasets", "one more\ndataset"]
    tall = 1.4 + 0.42 * sum(row.count("\n") + 1 for row in rows)
    figure, panels = layout.sheet(list(found), title=title, columns=2, height=tall)
    for axes, (arm, one) in zip(panels, found.items(), strict=True):
        colour, summary = looks[arm].colour, one.summary
        for at, effect in enumerate(one.effects.values()):
            axes.hlines(at, 100 * effect.low, 100 * effect.high, color=colour, linewidth=1)
            axes.plot([100 * effect.mean], [at], **looks[arm].points(4))
        at = len(names)
        axes.hlines(at, 100 * summary.low, 100 * summary.high, color=colour, linewidth=3)
        axes.plot([100 * summary.mean], [at], "D", color=colour, markersize=6)
        ahead = 100 * summary.next_low, 100 * summary.next_high
        axes.hlines(at + 1, *ahead, color=colour, linewidth=1.5, linestyle=":")
        axes.axvline(0, color="0.6", linewidth=0.8)
        axes.axhline(at - 0.5, color="0.8", linewidth=0.8)
        axes.set_yticks(range(len(rows)), rows)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(False, axis="y")
    layout.label(panels, f"gain over {results.baseline}, points", "")
    means = ", ".join(f"{arm} {100 * one.summary.mean:+.1f}" for arm, one in found.items())
    return layout.describe(
        figure,
        f"Forest of the gains over {results.baseline} on each of {len(names)} datasets, with their "
        f"mean over datasets ({means} points) and the 95 % interval on one more dataset.",
    )
