"""Gains by cell with their random-effects summary."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from qkd_study.analysis.claims.arms import comparison
from qkd_study.analysis.figures import layout, values
from qkd_study.analysis.pooled import over_cells
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
