"""Figures as files."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure


def save(figure: Figure, path: str | Path) -> list[Path]:
    """Write a figure as PNG (150 dpi) and as PDF (fonts embedded as TrueType).

    The bytes depend on the figure and matplotlib's version alone: no date is written.

    Args:
        figure: any of this package's.
        path: without a suffix; its folder is made.

    Returns:
        The two files.
    """
    base = Path(path)
    base.parent.mkdir(parents=True, exist_ok=True)
    png, pdf = base.with_name(base.name + ".png"), base.with_name(base.name + ".pdf")
    for axes in figure.axes:  # back to where it began: layouts start from the last one
        if (place := axes.get_subplotspec()) is not None:
            axes.set_subplotspec(place)
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(png, dpi=150, metadata={"Software": None})
        figure.savefig(pdf, metadata={"CreationDate": None})
    return [png, pdf]
