"""Figures as files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure


def png(figure: Figure) -> bytes:
    """A figure as PNG (150 dpi)."""
    return _rendered(figure, "png", dpi=150, metadata={"Software": None})


def save(figure: Figure, path: str | Path, drawn: bytes | None = None) -> list[Path]:
    """Write a figure as PNG (150 dpi) and as PDF (fonts embedded as TrueType).

    The bytes depend on the figure and matplotlib's version alone: no date is written.

    Args:
        figure: any of this package's.
        path: without a suffix; its folder is made.
        drawn: what `png` gave for it, which takes a while.

    Returns:
        The two files.
    """
    base = Path(path)
    base.parent.mkdir(parents=True, exist_ok=True)
    files = [base.with_name(base.name + suffix) for suffix in (".png", ".pdf")]
    files[0].write_bytes(png(figure) if drawn is None else drawn)
    files[1].write_bytes(_rendered(figure, "pdf", metadata={"CreationDate": None}))
    return files


def _rendered(figure: Figure, form: str, **options: Any) -> bytes:
    for axes in figure.axes:  # back to where it began: layouts start from the last one
        if (place := axes.get_subplotspec()) is not None:
            axes.set_subplotspec(place)
    out = io.BytesIO()
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(out, format=form, **options)
    return out.getvalue()
