"""Converts data frames to tables of the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
        folds: whether it is said in the note, in place of a column, if all rows have one value.
    """

    key: Any
    name: str
    form: str = ""
    scale: float = 1.0
    folds: bool = False


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


def folded(show: Show) -> Show:
    """The same, but said in the note if all rows have one value."""
    return replace(show, folds=True)


def table(title: str, note: str, frame: pd.DataFrame, shown: Sequence[Show]) -> Table:
    """A table of some columns; `where` is left out if it is always `all`.

    A column that folds is left out if no row has a value, and said in the note if all rows that
    have one have the same.
    """
    if "where" in frame and set(frame["where"]) <= {"all"}:
        shown = [show for show in shown if show is not SHOW_WHERE]
    lines = frame.to_dict("records")
    same = []
    for show in [show for show in shown if show.folds and lines]:
        texts = {_cell(line[show.key], show).shown for line in lines} - {""}
        if len(texts) < 2:
            shown = [other for other in shown if other is not show]
            same += [f"{show.name} {text}" for text in texts]
    if same:
        note += f" The same in all rows: {', '.join(same)}."
    columns = [TableColumn(show.name, text=not show.form) for show in shown]
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
