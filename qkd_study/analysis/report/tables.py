"""Converts data frames to tables of the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from qkd_study.analysis.report.page import Table, TableCell, TableColumn, number, word


@dataclass(frozen=True)
class Show:
    """How the report shows a column of a frame.

    Attributes:
        key: its name in the frame.
        name: its heading.
        form: of a number; empty for text.
        scale: what numbers are multiplied with.
    """

    key: Any
    name: str
    form: str = ""
    scale: float = 1.0


CELL, ARM = Show("cell", "cell"), Show("arm", "arm")
#: The column of the combination of factors.
SHOW_WHERE = Show("where", "where")


def points(key: Any, name: str) -> Show:
    """A difference of shares, in percentage points."""
    return Show(key, name, "{:+.1f}", 100)


def percent(key: Any, name: str, form: str = "{:.1f}") -> Show:
    """A share, in per cent."""
    return Show(key, name, form, 100)


def count(key: Any, name: str) -> Show:
    """A whole number."""
    return Show(key, name, "{:.0f}")


def p_values(key: Any, name: str) -> Show:
    """p values, with few digits."""
    return Show(key, name, "p")


def table(title: str, note: str, frame: pd.DataFrame, shown: Sequence[Show]) -> Table:
    """A table of some columns; `where` is left out if it is always `all`."""
    if "where" in frame and set(frame["where"]) <= {"all"}:
        shown = [show for show in shown if show is not SHOW_WHERE]
    columns = [TableColumn(show.name, text=not show.form) for show in shown]
    lines = frame.to_dict("records")
    return Table(title, note, columns, [[_cell(line[s.key], s) for s in shown] for line in lines])


def records(frame: pd.DataFrame) -> list[Any]:
    """The rows of a frame, columns as attributes."""
    return list(frame.itertuples(index=False))


def _cell(value: Any, show: Show) -> TableCell:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    if missing or not show.form:
        return word("" if missing else str(value)) if not show.form else number(None)
    if show.form == "p":
        return number(value, "< 0.001" if value < 0.001 else "{:.3f}")
    if math.isinf(value):
        return TableCell("open", value)
    return number(show.scale * value, show.form)
