"""Learning curves."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qkd_study.analysis.figures import layout, values
from qkd_study.analysis.figures.style import Style
from qkd_study.analysis.run_tables import RunTables


def learning_curves(
    results: RunTables, cell: str, loss: str = "loss.cross_entropy", title: str | None = None
) -> Figure:
    """Validation accuracy (per cent) against the epoch for every arm, and a loss below.

    Means over the confirm replicates of the chosen configuration with 95 % intervals. The
    default loss is the cross-entropy on the training samples (nats), which all arms share;
    `loss.total` is what each minimised, with its own terms and weights.

    Raises:
        InputError: no confirmed configuration of the cell has curves.
    """
    rows = results.confirmed_curves[results.confirmed_curves["cell"] == cell]
    if rows.empty:
        raise values.NothingToDraw(f"no confirm run of {cell} in {results.name} has curves.")
    looks = {a: v for a, v in values.looks_of(results).items() if a in set(rows["arm"])}
    upper, lower = "metric.val_accuracy", loss
    figure, (top, bottom) = layout.sheet(["", ""], title=title or cell, columns=1, sharey=False)
    for axes, column in ((top, upper), (bottom, lower)):
        for i, (arm, look) in enumerate(looks.items()):
            own = rows.loc[rows["arm"] == arm, ["epoch", column]].dropna()
            if not own.empty:
                _curve(axes, own, column, arm, look, i / len(looks))
    top.tick_params(labelbottom=False)
    top.set_ylabel(values.axis_of(upper), fontsize=layout.TEXT)
    words = f"training {values.name_of(lower)}"
    unit = values.axis_of(lower).removeprefix(values.name_of(lower))
    bottom.set_ylabel(words + unit, fontsize=layout.TEXT)
    bottom.set_xlabel("epoch", fontsize=layout.TEXT)
    figure.align_ylabels([top, bottom])
    layout.arm_key(figure, looks)
    last = rows[rows["epoch"] == rows["epoch"].max()].groupby("arm")[upper].mean() * 100
    ends = ", ".join(f"{arm} {last[arm]:.1f} %" for arm in looks if arm in last)
    return layout.describe(
        figure,
        f"Lines: validation accuracy, and {words} below, against the epoch in {cell}. "
        f"Mean validation accuracy after the last epoch: {ends}.",
    )


def _curve(axes: Axes, own: pd.DataFrame, column: str, arm: str, look: Style, shift: float) -> None:
    ranges = {
        epoch: values.interval(group, column) for epoch, group in own.groupby("epoch")[column]
    }
    epochs = np.array(list(ranges), dtype=float)
    mid, low, high = np.array(list(ranges.values())).T
    # Markers at different places on every line, so that none hides another.
    step = max(1, len(epochs) // 8)
    every = (int(shift * step), step)
    axes.plot(epochs, mid, label=arm, markevery=every, **{**look.line(4.5), "linewidth": 1.2})
    axes.fill_between(
        epochs,
        low,
        high,
        where=np.isfinite(low),
        color=look.colour,
        alpha=0.12,
        linewidth=0,
        label=arm,
    )
