"""What is shown while a study runs: at once, in per cent, and no time left that is made up."""

from __future__ import annotations

import contextlib
import heapq
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from qkd_study.tune.progress import Display, Pace

ARMS = ("scratch", "soft+features", "classical-teacher")
CELLS = [f"samples={k},teacher_samples={m}" for k in (60, 100) for m in (200, 400)]


SHOWN = """
from qkd_study.common.terminal_table import TerminalTable
from qkd_study.common.terminal import console
from qkd_study.tune.progress import Display

shown = console()
with Display(shown, 4, 0, ("soft",)) as display:
    display.show_activity("starting Ray")
    display.advance(2, "all", "soft", 0.5)
    display.print_line("runs")
shown.print(TerminalTable("", ("n",), [("1",)]))
"""


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.mark.parametrize("start", [12.0, 60.0])
@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("seconds", [0.2, 3.0, 40.0])
def test_the_time_left_leaves_the_start_out(start: float, workers: int, seconds: float) -> None:
    """Workers that start one after the other, with trainings of slightly different length."""
    free = [start + 0.3 * worker for worker in range(workers)]
    ends = []
    for number in range(240):
        heapq.heappush(free, end := heapq.heappop(free) + seconds * (1 + 0.1 * (number % 3)))
        ends.append(end)
    ends.sort()
    clock = Clock()
    pace = Pace(clock)
    clock.time += start
    pace.begin()
    known = 0
    for number, end in enumerate(ends[:-1], 1):
        clock.time = 100 + end
        pace.add(1)
        left = pace.left(len(ends) - number)
        if left is not None:
            known += 1
            truth = ends[-1] - end
            assert truth / 2 - 3 * seconds < left < 2 * truth + 3 * seconds
    assert known > len(ends) / 2 or ends[-1] - ends[0] < 10


def test_a_pace_that_changes_is_seen() -> None:
    clock = Clock()
    pace = Pace(clock)
    for seconds, runs in ((0.1, 600), (1.0, 200)):
        for _ in range(runs):
            clock.time += seconds
            pace.add(1)
    assert pace.left(10) == pytest.approx(10, rel=0.05)
    clock.time += 500  # nothing ends any more
    assert (pace.left(10) or 0) > 30


def displayed(width: int, live: bool) -> tuple[Display, io.StringIO, Clock]:
    shown, clock = io.StringIO(), Clock()
    console = Console(
        file=shown, width=width, height=40, force_terminal=live, highlight=False, soft_wrap=True
    )
    return Display(console, 40, 0, ARMS, now=clock), shown, clock


@pytest.mark.parametrize("width", [60, 70, 120])
def test_the_live_table(width: int) -> None:
    display, shown, clock = displayed(width, live=True)
    with display:
        display.show_activity("starting Ray")
        clock.time += 7
        first = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown.getvalue())
        assert "starting Ray, 0 s" in first
        assert "time left not known yet" in first
        for number, cell in enumerate(CELLS):
            for arm in ARMS:
                clock.time += 2
                display.advance(2, cell, arm, 0.5 + number / 100)
        display.advance(2, CELLS[0], "scratch", 0.123456)
        shown.truncate(shown.seek(0))
        display.show_activity("")
        lines = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown.getvalue()).splitlines()
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "26/40" in text
    assert re.search(r"\d s left", text)
    assert "in %" in text
    assert re.search(r"60 .*200 .*50.0 .*50.0", text)
    assert "samples=6" not in text
    assert "0.5" not in text


def test_the_live_table_of_many_cells_shows_those_of_late() -> None:
    display, shown, _ = displayed(120, live=True)
    with display:
        for number in range(300):
            display.advance(1, f"samples={1000 + number}", "scratch", 0.5)
        display.advance(1, "samples=1007", "scratch", 0.6)
        shown.truncate(shown.seek(0))
        display.show_activity("")
        rows = re.findall(r"│ (\d+)  +│ +(\d+\.\d)", shown.getvalue())
    assert "of the last 30 cells" in shown.getvalue()
    assert rows == [("1007", "60.0"), *((str(k), "50.0") for k in range(1271, 1300))]


def test_lines_where_the_output_is_no_terminal() -> None:
    display, shown, clock = displayed(200, live=False)
    with display:
        display.show_activity("starting Ray")
        display.show_activity("running the first trainings")
        for _ in range(10):
            clock.time += 4
            display.advance(2, CELLS[0], "scratch", 0.5)
        display.print_line("[not markup]")
    assert shown.getvalue().splitlines() == [
        "starting Ray",
        "running the first trainings",
        "8 of 40 runs, 1 min 04 s left, best validation accuracy 50.0 %",
        "16 of 40 runs, 48 s left, best validation accuracy 50.0 %",
        "[not markup]",
    ]


@pytest.mark.usefixtures("kernel")
def test_a_notebook_shows_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its own process, and in commands of a cell, which have a terminal there."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    (tmp_path / "shown.py").write_text(SHOWN)
    cells = [
        f"!{sys.executable} shown.py",
        f"import subprocess\nprint(subprocess.getoutput('{sys.executable} shown.py'))",
        SHOWN,
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    resources = {"metadata": {"path": str(tmp_path)}}
    done = nbclient.NotebookClient(notebook, timeout=120, resources=resources).execute()
    for cell in done.cells:
        text = "".join(output.text for output in cell.outputs).replace("\r\n", "\n")
        assert re.fullmatch("starting Ray\nruns\n┌─+┐\n│ n │\n├─+┤\n│ 1 │\n└─+┘\n+", text)


def test_a_terminal_shows_it_live(tmp_path: Path) -> None:
    (tmp_path / "shown.py").write_text(SHOWN)
    hidden = {"JPY_PARENT_PID", "FORCE_COLOR", "NO_COLOR", "PAGER", "GIT_PAGER", "COLUMNS"}
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    ours, its = os.openpty()
    command = [sys.executable, str(tmp_path / "shown.py")]
    with subprocess.Popen(command, stdout=its, env=kept | {"TERM": "xterm"}):
        os.close(its)
        shown = b""
        with contextlib.suppress(OSError):  # Linux says so at the end
            while new := os.read(ours, 10_000):
                shown += new
    os.close(ours)
    text = shown.decode()
    assert "\x1b[" in text
    assert "starting Ray, 0 s" in text
    assert text.index("0/4") < text.index("│ 1 │")
