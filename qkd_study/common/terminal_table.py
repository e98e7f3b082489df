"""Tables that fit the width of the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from qkd_study.common.terminal import encodable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

#: Where a long name may be broken: after a separator between two words, or at a space.
_BREAK = re.compile(r"(?<=\w[_+,-])(?=[A-Za-z])|(?<=[A-Za-z_]/)|(?<=[^±-] )(?=[^ %])")
_NUMBER = re.compile(r"[-+]?\d")
_FACTOR = re.compile(r"(\w+)=(.*?)(?=,\w+=|$)")
_GAP = 2


@dataclass(frozen=True)
class TerminalTable:
    """A table that fits the terminal; rich can print it, and `lines` returns the lines.

    Empty columns are left out; without rows there is the title alone. If the width is too small,
    headings are broken between words, then the frame is left out, then the keys are broken, then
    all entries, then the columns are shown in several parts, with the keys in each.

    Attributes:
        title: above it.
        columns: headings.
        rows: texts, one per column.
        keys: the number of leading columns that identify a row; they are aligned left. Of the
            others, columns of numbers are aligned right.
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
    ) -> TerminalTable:
        """A table whose first column is a cell, which becomes a column per factor.

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
        """The table in lines of at most `width` characters, if no word is longer."""
        rows = [[encodable(text, encoding) for text in row] for row in (self.columns, *self.rows)]
        filled = [i for i in range(len(self.columns)) if any(row[i] for row in rows[1:])]
        rows = [[row[i] for i in filled] for row in rows]
        keys = sum(i < self.keys for i in filled)
        ruled = "─" if encoding.lower().startswith("utf") else "-"
        lines = [encodable(self.title, encoding)] if self.title else []
        if not filled:
            return lines
        columns = [list(column) for column in zip(*rows, strict=True)]
        for heads, texts in ((False, 0), (True, 0), (True, keys), (True, len(filled))):
            min_widths = [_min_width(column, heads, i < texts) for i, column in enumerate(columns)]
            for framed in (True, False) if heads else (True,):
                space = width - (
                    3 * len(min_widths) + 1 if framed else _GAP * (len(min_widths) - 1)
                )
                if sum(min_widths) <= space:
                    table = _Table(_broken(columns, min_widths, space), keys, self._ends(), ruled)
                    return lines + (table.framed() if framed else table.open())
        table = _Table(_broken(columns, min_widths, 0), keys, self._ends(), ruled)
        for number, part in enumerate(table.parts(width)):
            lines += ([""] if number else []) + part.open()
        return lines

    def _ends(self) -> list[bool]:
        """For each row, whether a section ends with it; the last row ends none."""
        heads = [tuple(row[: self.sections]) for row in self.rows]
        return [one != other for one, other in pairwise(heads)] + [False]


@dataclass(frozen=True)
class _Table:
    """Entries that are broken into lines; the first row has the headings."""

    rows: list[list[list[str]]]
    keys: int
    ends: list[bool]
    rule: str

    @cached_property
    def widths(self) -> list[int]:
        return [max(map(_width, column)) for column in zip(*self.rows, strict=True)]

    @cached_property
    def numbers(self) -> set[int]:
        """Columns of numbers, without keys; they are aligned right."""
        entries = list(zip(*self.rows[1:], strict=True))
        return {
            i
            for i, column in enumerate(entries)
            if i >= self.keys and all(_NUMBER.match(entry[0]) for entry in column if entry[0])
        }

    def framed(self) -> list[str]:
        bar, corners = ("│", "┌┬┐├┼┤└┴┘") if self.rule == "─" else ("|", "+" * 9)

        def rule(left: str, middle: str, right: str) -> str:
            return left + middle.join(self.rule * (width + 2) for width in self.widths) + right

        between = rule(*corners[3:6])
        lines = [rule(*corners[:3])]
        for row, ends in zip(self.rows, [True, *self.ends], strict=True):
            lines += [f"{bar} {f' {bar} '.join(line)} {bar}" for line in self._lines(row)]
            lines += [between] if ends else []
        return [*lines, rule(*corners[6:])]

    def open(self) -> list[str]:
        gap = " " * _GAP
        under = gap.join(self.rule * width for width in self.widths)
        several = any(len(entry) > 1 for row in self.rows[1:] for entry in row)
        lines: list[str] = []
        for number, (row, ends) in enumerate(zip(self.rows, [False, *self.ends], strict=True)):
            lines += [gap.join(line).rstrip() for line in self._lines(row)]
            lines += [under] if number == 0 or (ends and several) else [""] if ends else []
        return lines

    def parts(self, width: int) -> Iterator[_Table]:
        """Tables with the keys and as many of the other columns as fit."""
        widths = self.widths
        space = width - sum(widths[: self.keys]) - _GAP * self.keys
        others = list(range(self.keys, len(widths)))
        while others:
            count = 1
            while count < len(others) and self._span(others[: count + 1]) <= space:
                count += 1
            chosen, others = [*range(self.keys), *others[:count]], others[count:]
            rows = [[row[i] for i in chosen] for row in self.rows]
            yield _Table(rows, self.keys, self.ends, self.rule)

    def _span(self, columns: list[int]) -> int:
        return sum(self.widths[i] for i in columns) + _GAP * (len(columns) - 1)

    def _lines(self, row: list[list[str]]) -> Iterator[list[str]]:
        numbers = self.numbers
        for number in range(max(map(len, row), default=0)):
            entries = [entry[number] if number < len(entry) else "" for entry in row]
            yield [
                _padded(entry, width, right=i in numbers)
                for i, (entry, width) in enumerate(zip(entries, self.widths, strict=True))
            ]


def _min_width(column: list[str], head: bool, texts: bool) -> int:
    """The minimum width of a column if its heading, or all of it, may be broken."""
    heading, *entries = column
    words = [_words(heading) if head else [heading]]
    words += [_words(entry) if texts else [entry] for entry in entries]
    return max(_length(word) for some in words for word in some)


def _broken(columns: list[list[str]], min_widths: list[int], space: int) -> list[list[list[str]]]:
    """Rows of entries in lines: the widest columns are made narrower until all fit the room."""
    widths = [max(map(_length, column)) for column in columns]
    while sum(widths) > space and widths != min_widths:
        wide = max((i for i, w in enumerate(widths) if w > min_widths[i]), key=lambda i: widths[i])
        widths[wide] -= 1
    broken = [
        [_filled(entry, width) for entry in column]
        for column, width in zip(columns, widths, strict=True)
    ]
    return [list(row) for row in zip(*broken, strict=True)]


def _words(text: str) -> list[str]:
    return [word.rstrip(" ") for word in _BREAK.split(text)]


def _filled(text: str, width: int) -> list[str]:
    """A text in lines, broken between words where necessary."""
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
