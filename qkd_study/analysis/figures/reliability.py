"""Calibration: expected calibration error and likelihood."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from qkd_study.analysis.figures import layout, values
from qkd_study.analysis.run_tables import RunTables

#: Rows of dots, at most: cells times arms.
DOTS = 60
CALIBRATION_METRICS = ("metric.test_ece", "metric.test_nll")


def calibration(results: RunTables, title: str | None = None) -> Figure:
    """Expected calibration error (per cent) and negative log-likelihood (nats), less is better.

    Per cell and arm: means over confirm replicates with 95 % intervals. The likelihood's axis is
    logarithmic where it spans a factor of 10.

    Raises:
        InputError: no confirm run has either.
    """
    found = {metric: values.scores(results, metric) for metric in CALIBRATION_METRICS}
    measured = {cell for ranges in found.values() for cell, _ in ranges}
    cells = [cell for cell in results.cells if cell in measured]
    if not cells:
        raise values.NothingToDraw(f"no confirm run of {results.name} is in a declared cell.")
    looks = values.looks_of(results)
    shown = cells[: min(12, max(3, DOTS // len(looks)))]
    tall = 1.8 + len(shown) * max(0.9, 0.26 * len(looks), 0.45 * max(1, len(results.factors)))
    figure, panels = layout.sheet(["", ""], title=title, height=tall, share=False, sharey=True)
    for axes, metric in zip(panels, CALIBRATION_METRICS, strict=True):
        drawn = found[metric]
        for i, (arm, look) in enumerate(looks.items()):
            own = [
                (row, drawn[cell, arm]) for row, cell in enumerate(shown) if (cell, arm) in drawn
            ]
            if not own:
                continue
            mid, low, high = np.array([r for _, r in own], dtype=float).T
            at = np.array([row for row, _ in own]) + 0.75 * ((i + 0.5) / len(looks) - 0.5)
            sure = np.isfinite(low)
            axes.hlines(at[sure], low[sure], high[sure], color=look.colour, linewidth=1, label=arm)
            axes.plot(mid, at, label=arm, **look.points(4.5))
        mids = [r.mid for r in drawn.values()]
        if min(mids) > 0 and max(mids) > 10 * min(mids):
            layout.logarithmic(axes, "x", mids)
        elif min(mids) < max(mids) / 2:
            axes.set_xlim(left=0)
        text = (
            values.axis_of(metric)
            .replace("calibration", "calibration\n")
            .replace("e log", "e\nlog")
        )
        axes.set_xlabel(text, fontsize=layout.TEXT)
        axes.grid(False, axis="y")
        for edge in range(1, len(shown)):
            axes.axhline(edge - 0.5, color="0.85", linewidth=0.6)
    panels[0].set_yticks(
        range(len(shown)), [layout.plain(cell.replace(",", "\n")) for cell in shown]
    )
    panels[0].set_ylim(len(shown) - 0.5, -0.5)
    panels[1].tick_params(left=False)
    notes = [f"The first {len(shown)} of {len(cells)} cells are shown"]
    layout.arm_key(figure, looks, notes if len(shown) < len(cells) else [], lines=False)
    return layout.describe(
        figure,
        "Dots with intervals: expected calibration error and negative log-likelihood on the test "
        f"set of {', '.join(looks)} in {len(shown)} cells.",
    )
