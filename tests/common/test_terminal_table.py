"""Tables on the terminal fit its width, and break no word."""

from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from qkd_study.common.terminal_table import TerminalTable

ARMS = ("scratch", "soft+features", "constant-features", "classical-teacher")
WORDS = {"samples", "teacher_", "soft+", "features", "constant-", "classical-", "teacher", "paired"}
SUMMARY = TerminalTable.of_cells(
    "test accuracy in %",
    ("arm", "n", "score", "gain over scratch, paired", "failed"),
    [
        (f"samples={k},teacher_samples={m}", arm, "20", "69.1 ± 1.9", "-0.1 ± 10.4", "")
        for k in (60, 1e-05)
        for m in (200, 1000)
        for arm in ARMS
    ],
    keys=2,
)
LIVE = TerminalTable.of_cells(
    "best so far",
    ARMS * 2,
    [(f"samples={k},teacher_samples={m}", *["93.1"] * 8) for k in (60, 100) for m in (200, 1000)],
)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp950"])
@pytest.mark.parametrize("width", [45, 60, 80, 120, 200])
@pytest.mark.parametrize("grid", [SUMMARY, LIVE])
def test_tables_fit(grid: TerminalTable, width: int, encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(file=stream, width=width, soft_wrap=True).print(grid)
    stream.seek(0)
    lines = stream.read().splitlines()
    assert max(map(cell_len, lines)) <= width
    assert lines == grid.lines(width, encoding)
    assert "failed" not in " ".join(lines)  # nothing has
    # Words are broken at their joints only: what stands in a table are whole pieces of them.
    inside = set(re.findall(r"[a-z]+[_+-]?", " ".join(lines[1:])))
    known = {"arm", "n", "score", "gain", "over", "scratch", "e-", *WORDS}
    assert inside <= known | {"e"}
    numbers = set(re.findall(r"(?<![\w.])[\d.e-]*\d", " ".join(lines[1:])))
    assert numbers <= {"60", "1e-05", "200", "1000", "20", "69.1", "1.9", "-0.1", "10.4", "100"} | {
        "93.1"
    }


def test_a_wide_table_is_framed_and_has_a_line_between_cells() -> None:
    grid = TerminalTable.of_cells(
        "",
        ("arm", "score"),
        [("samples=20", "scratch", "9.0 ± 1.0"), ("samples=50", "scratch", "80.1 ± 1.3")],
        keys=2,
    )
    assert grid.lines(80) == [
        "┌─────────┬─────────┬────────────┐",
        "│ samples │ arm     │      score │",
        "├─────────┼─────────┼────────────┤",
        "│ 20      │ scratch │  9.0 ± 1.0 │",
        "├─────────┼─────────┼────────────┤",
        "│ 50      │ scratch │ 80.1 ± 1.3 │",
        "└─────────┴─────────┴────────────┘",
    ]
    assert grid.lines(80, "ascii")[3:5] == [
        "| 20      | scratch |  9.0 +- 1.0 |",
        "+---------+---------+-------------+",
    ]


def test_narrower_and_narrower() -> None:
    def shape(width: int) -> tuple[bool, bool, int]:
        lines = SUMMARY.lines(width)
        return "│" in lines[2], any("constant-features" in x for x in lines), lines.count("")

    assert shape(80) == (True, True, 0)  # headings broken
    assert shape(66) == (False, True, 3)  # no frame, an empty line between cells
    assert shape(60) == (False, False, 0)  # the names of arms broken, a rule between cells
    parts = "\n".join(SUMMARY.lines(45)).split("\n\n")
    assert len(parts) == 2
    assert all(re.search("^60 +200 +constant-", part, re.MULTILINE) for part in parts)


def test_a_cell_without_factors_and_values_with_commas() -> None:
    assert TerminalTable.of_cells("", ("arm", "n"), [("all", "soft", "3")], keys=2).columns == (
        "arm",
        "n",
    )
    (row,) = TerminalTable.of_cells("", ("n",), [("device=a,b,shots=3", "1")]).rows
    assert row == ("a,b", "3", "1")


def test_without_rows_there_is_the_title_alone() -> None:
    assert TerminalTable("search space", ("parameter", "range"), []).lines(80) == ["search space"]
