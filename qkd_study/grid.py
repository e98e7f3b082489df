"""Tables on the terminal, which fit its width."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from qkd_study.terminal import takes

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

#: Where a long name may be broken: behind a joint between two words, or at a space.
_BREAK = re.compile(r"(?<=[A-Za-z0-9][_+/,-])(?=[A-Za-z])|(?<=[^±-] )(?=[^ ])")
_FACTOR = re.compile(r"(\w+)=(.*?)(?=,\w+=|$)")
_GAP = 2


@dataclass(frozen=True)
class Grid:
    """A table that fits the terminal: rich can print it, and `lines` says what it prints.

    Columns without content are left out. If the width is short, headings are broken between words,
    then the frame is left out, then the keys are broken, then all entries, then columns are shown
    a part at a time, with the keys in every part.

    Attributes:
        title: above it.
        columns: headings.
        rows: texts, one per column.
        keys: leading columns, which say what a row is about: aligned left, and in every part.
        sections: leading columns; where one of them changes, a line is drawn.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    keys: int = 1
    sections: int = 0

    @classmethod
    def of_cells(
        cls, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], keys: int = 1
    ) -> Grid:
        """A table whose first column is a cell: that becomes a column per factor.

        Args:
            title: above it.
            columns: headings of the columns after the first.
            rows: the key of a cell, such as `samples=20,depth=2`, then the other entries.
            keys: leading columns, the cell counted as one.
        """
        named = [dict(_FACTOR.findall(row[0])) for row in rows]
        factors = list(dict.fromkeys(name for values in named for name in values))
        return cls(
            title,
            (*factors, *columns),
            [
                (*(values.get(name, "") for name in factors), *row[1:])
                for values, row in zip(named, rows, strict=True)
            ],
            keys=len(factors) + keys - 1,
            sections=len(factors) if keys > 1 else 0,
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        from rich.text import Text

        for line in self.lines(options.max_width, options.encoding):
            yield Text(line, no_wrap=True, overflow="ignore")

    def lines(self, width: int, encoding: str = "utf-8") -> list[str]:
        """The table in lines of at most `width` characters, if the words in it are not longer."""
        rows = [[takes(text, encoding) for text in row] for row in (self.columns, *self.rows)]
        filled = [i for i in range(len(self.columns)) if any(row[i] for row in rows[1:])]
        rows = [[row[i] for i in filled] for row in rows]
        keys = sum(i < self.keys for i in filled)
        ruled = "─" if encoding.lower().startswith("utf") else "-"
        said = [takes(self.title, encoding)] if self.title else []
        for heads, texts in ((False, 0), (True, 0), (True, keys), (True, len(filled))):
            table = _Table(_broken(rows, heads, texts), keys, self._ends(), ruled)
            if table.framed_width <= width:
                return said + table.framed()
            if heads and table.open_width <= width:
                return said + table.open()
        for number, part in enumerate(table.parts(width)):
            said += ([""] if number else []) + part.open()
        return said

    def _ends(self) -> list[bool]:
        """For each row, whether a section ends with it; the last row ends none."""
        heads = [tuple(row[: self.sections]) for row in self.rows]
        return [one != other for one, other in pairwise(heads)] + [False]


@dataclass(frozen=True)
class _Table:
    """Entries in lines, the first row of them the headings."""

    rows: list[list[list[str]]]
    keys: int
    ends: list[bool]
    rule: str

    @property
    def widths(self) -> list[int]:
        return [max(map(_width, column)) for column in zip(*self.rows, strict=True)]

    @property
    def framed_width(self) -> int:
        return sum(self.widths) + 3 * len(self.widths) + 1

    @property
    def open_width(self) -> int:
        return sum(self.widths) + _GAP * (len(self.widths) - 1)

    def framed(self) -> list[str]:
        bar, corners = ("│", "┌┬┐├┼┤└┴┘") if self.rule == "─" else ("|", "+" * 9)

        def rule(left: str, middle: str, right: str) -> str:
            return left + middle.join(self.rule * (width + 2) for width in self.widths) + right

        between = rule(*corners[3:6])
        said = [rule(*corners[:3])]
        for row, ends in zip(self.rows, [True, *self.ends], strict=True):
            said += [f"{bar} {f' {bar} '.join(line)} {bar}" for line in self._lines(row)]
            said += [between] if ends else []
        return [*said, rule(*corners[6:])]

    def open(self) -> list[str]:
        gap = " " * _GAP
        under = gap.join(self.rule * width for width in self.widths)
        several = any(len(entry) > 1 for row in self.rows[1:] for entry in row)
        said: list[str] = []
        for number, (row, ends) in enumerate(zip(self.rows, [False, *self.ends], strict=True)):
            said += [gap.join(line).rstrip() for line in self._lines(row)]
            said += [under] if number == 0 or (ends and several) else [""] if ends else []
        return said

    def parts(self, width: int) -> Iterator[_Table]:
        """Tables of the keys and as many of the other columns as there is room for."""
        widths = self.widths
        room = width - sum(widths[: self.keys]) - _GAP * self.keys
        others = list(range(self.keys, len(widths)))
        while others:
            count = 1
            while count < len(others) and self._span(others[: count + 1]) <= room:
                count += 1
            chosen, others = [*range(self.keys), *others[:count]], others[count:]
            rows = [[row[i] for i in chosen] for row in self.rows]
            yield _Table(rows, self.keys, self.ends, self.rule)

    def _span(self, columns: list[int]) -> int:
        return sum(self.widths[i] for i in columns) + _GAP * (len(columns) - 1)

    def _lines(self, row: list[list[str]]) -> Iterator[list[str]]:
        for number in range(max(map(len, row), default=0)):
            entries = [entry[number] if number < len(entry) else "" for entry in row]
            yield [
                _padded(entry, width, right=i >= self.keys)
                for i, (entry, width) in enumerate(zip(entries, self.widths, strict=True))
            ]


def _broken(rows: list[list[str]], heads: bool, texts: int) -> list[list[list[str]]]:
    """Entries in lines: headings, if they are to be, and those of so many leading columns."""
    columns = []
    for number, (head, *entries) in enumerate(zip(*rows, strict=True)):
        broken = number < texts
        words = [_words(head) if heads else [head]]
        words += [_words(entry) if broken else [entry] for entry in entries]
        narrow = max(_length(word) for some in words for word in some)
        columns.append(
            [
                _filled(head, narrow) if heads else [head],
                *(_filled(entry, narrow) if broken else [entry] for entry in entries),
            ]
        )
    return [list(row) for row in zip(*columns, strict=True)]


def _words(text: str) -> list[str]:
    return [word.rstrip(" ") for word in _BREAK.split(text)]


def _filled(text: str, width: int) -> list[str]:
    """A text in lines, broken between words where it must."""
    lines = [""]
    for word in _BREAK.split(text):
        if lines[-1] and _length((lines[-1] + word).rstrip(" ")) > width:
            lines.append("")
        lines[-1] += word
    return [line.rstrip(" ") for line in lines]


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - _length(text))
    return space + text if right else text + space


def _width(entry: list[str]) -> int:
    return max(map(_length, entry))


def _length(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)
