"""The progress display of the terminal while a study runs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from qkd_study.common.terminal_table import TerminalTable

#: Seconds between lines if the output is not a terminal.
LINE_SECONDS = 15.0
#: Seconds between updates of the cell of a notebook.
CELL_SECONDS = 0.5
#: The pace is measured over the larger of so many seconds and this share of the time so far.
PACE_SECONDS, RECENT = 5.0, 1 / 3
#: Lines of the live display beside those of cells: bar, title, headings and frame.
FRAME_LINES = 10


class Pace:
    """Estimates the remaining time from the runs that ended recently.

    The first runs include the start of the workers, which then all end at the same time. So there
    is no estimate before the time of the first run has passed a second time.

    Args:
        now: a clock in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = self._first = now()
        self._ends: deque[tuple[float, int]] = deque()
        self._done = 0

    def begin(self) -> None:
        """Set the start of the workers to now."""
        self._began = self._now()

    def add(self, runs: int) -> None:
        """Count runs that ended now."""
        now = self._now()
        if not self._done:
            self._first = now
        self._done += runs
        self._ends.append((now, self._done))
        recent = now - max(RECENT * (now - self._first), 4 * self._min_seconds())
        while len(self._ends) > 1 and self._ends[1][0] <= recent:
            self._ends.popleft()

    def left(self, runs: int) -> float | None:
        """Estimate the seconds that so many more runs take; `None` before that is known."""
        now = self._now()
        if not self._ends or now - self._first < self._min_seconds():
            return None
        since, before = self._ends[0]
        ended = self._done - before
        return runs * (now - since) / ended if ended else None

    def _min_seconds(self) -> float:
        return max(PACE_SECONDS, self._first - self._began)


class Display:
    """Shows finished runs, remaining time, and the best score so far per cell and arm.

    On a terminal or in a notebook, a live table; elsewhere, a line every `LINE_SECONDS`.

    Args:
        console: where to print.
        total: the number of runs.
        done: runs that earlier commands finished.
        arms: names, in order.
        now: a clock in seconds.
        update: shows a text in place of the last one, in the cell of a notebook.
    """

    def __init__(
        self,
        console: Console,
        total: int,
        done: int,
        arms: tuple[str, ...],
        now: Callable[[], float] = time.monotonic,
        update: Callable[[str], None] | None = None,
    ) -> None:
        self._update = update
        self._console = console
        self._total, self._done = total, done
        self._arms = arms
        self._best: dict[str, dict[str, float]] = {}
        self._recent: dict[str, None] = {}
        self._now, self._pace = now, Pace(now)
        self._activity = ""
        self._since = self._last_line = now()
        self._live = Live(
            console=console, get_renderable=self._view, refresh_per_second=2, transient=True
        )

    def __enter__(self) -> Display:
        if self._console.is_terminal:
            self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()
        elif self._update is not None:
            self._update("")

    def show_activity(self, what: str) -> None:
        """Show an activity until the first run ends."""
        self._activity, self._since = what, self._now()
        self._last_line = self._since
        self._pace.begin()
        if self._console.is_terminal:
            self._live.refresh()
        elif self._update is not None:
            self._update(self._text())
        else:
            self._console.print(what, markup=False)

    def advance(self, runs: int, cell: str, arm: str, value: float | None) -> None:
        """Count finished runs, and keep a search trial's mean score if it is the best."""
        self._done += runs
        self._activity = ""
        self._pace.add(runs)
        if value is not None:
            row = self._best.setdefault(cell, {})
            self._recent[cell] = self._recent.pop(cell, None)
            row[arm] = max(value, row.get(arm, value))
        if self._console.is_terminal:
            return
        since = self._now() - self._last_line
        if self._update is not None:
            if since > CELL_SECONDS:
                self._last_line = self._now()
                self._update(self._text())
        elif since > LINE_SECONDS:
            self._last_line = self._now()
            best = max((v for row in self._best.values() for v in row.values()), default=None)
            tail = "" if best is None else f", best validation accuracy {100 * best:.1f} %"
            self._console.print(f"{self._done} of {self._total} runs, {self.time_left()}{tail}")

    def spare(self, runs: int) -> None:
        """Leave out runs that turned out not to be needed."""
        self._total -= runs

    def print_line(self, line: str) -> None:
        """Print a line above the table."""
        self._console.print(line, markup=False)

    def time_left(self) -> str:
        """The estimated remaining time, as text."""
        seconds = self._pace.left(max(self._total - self._done, 0))
        return "time left not known yet" if seconds is None else f"{format_duration(seconds)} left"

    def _text(self) -> str:
        """The view as text, for a cell of a notebook."""
        with self._console.capture() as captured:
            self._console.print(self._view())
        return captured.get()

    def _view(self) -> Group:
        bar = Progress(
            TextColumn("runs"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            console=self._console,
        )
        bar.add_task(self.time_left(), total=self._total, completed=self._done)
        parts: list[Progress | Text | TerminalTable] = [bar]
        if self._activity:
            parts.append(Text(f"{self._activity}, {format_duration(self._now() - self._since)}"))
        if self._best:
            parts.append(self._table())
        return Group(*parts)

    def _table(self) -> TerminalTable:
        title = "best validation accuracy so far, in %"
        height = max(self._console.height - FRAME_LINES, 1)
        if len(self._best) > height:  # a terminal shows no more than its height
            title += f", of the last {height} cells"
        visible = set(list(self._recent)[-height:])
        rows = [
            (cell, *(f"{100 * row[arm]:.1f}" if arm in row else "" for arm in self._arms))
            for cell, row in list(self._best.items())
            if cell in visible
        ]
        return TerminalTable.of_cells(title, self._arms, rows)


def format_duration(seconds: float) -> str:
    """A duration such as `45 s`, `3 min 05 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
