"""What the terminal shows while a study runs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from qkd_study.common.terminal_table import TerminalTable

#: Seconds between lines where the output is no terminal.
LINE_SECONDS = 15.0
#: Seconds over which a pace is measured, at least; and the share of the time so far, if longer.
PACE_SECONDS, RECENT = 5.0, 1 / 3
#: Lines of the live display that are no cells: bar, title, headings and frame.
FRAME_LINES = 10


class Pace:
    """How long the rest takes, from the runs that ended lately.

    The runs that end first tell nothing of the pace: before them there was the start, and after
    them the workers are all at the same point. So nothing is said before the workers had as long
    again as the first run took.

    Args:
        now: the time in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = self._first = now()
        self._ends: deque[tuple[float, int]] = deque()
        self._done = 0

    def begin(self) -> None:
        """The workers have started."""
        self._began = self._now()

    def add(self, runs: int) -> None:
        """So many runs have ended."""
        now = self._now()
        if not self._done:
            self._first = now
        self._done += runs
        self._ends.append((now, self._done))
        recent = now - max(RECENT * (now - self._first), 4 * self._least())
        while len(self._ends) > 1 and self._ends[1][0] <= recent:
            self._ends.popleft()

    def left(self, runs: int) -> float | None:
        """Seconds that so many more runs take; `None` before that is known."""
        now = self._now()
        if not self._ends or now - self._first < self._least():
            return None
        since, before = self._ends[0]
        ended = self._done - before
        return runs * (now - since) / ended if ended else None

    def _least(self) -> float:
        return max(PACE_SECONDS, self._first - self._began)


class Display:
    """Runs done of all, what goes on, time left, and the best score so far per cell and arm.

    A live table on a terminal; a line every few seconds elsewhere.

    Args:
        console: where to.
        total: runs in all.
        done: runs that earlier commands finished.
        arms: names, in order.
        now: the time in seconds.
    """

    def __init__(
        self,
        console: Console,
        total: int,
        done: int,
        arms: tuple[str, ...],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._total, self._done = total, done
        self._arms = arms
        self._best: dict[str, dict[str, float]] = {}
        self._recent: dict[str, None] = {}
        self._now, self._pace = now, Pace(now)
        self._doing = ""
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

    def doing(self, what: str) -> None:
        """Show what goes on until the first run ends."""
        self._doing, self._since = what, self._now()
        self._last_line = self._since
        self._pace.begin()
        if self._console.is_terminal:
            self._live.refresh()
        else:
            self._console.print(what, markup=False)

    def advance(self, runs: int, cell: str, arm: str, value: float | None) -> None:
        """Count finished runs, and keep a search trial's mean score if it is the best."""
        self._done += runs
        self._doing = ""
        self._pace.add(runs)
        if value is not None:
            row = self._best.setdefault(cell, {})
            self._recent[cell] = self._recent.pop(cell, None)
            row[arm] = max(value, row.get(arm, value))
        if not self._console.is_terminal and self._now() - self._last_line > LINE_SECONDS:
            self._last_line = self._now()
            best = max((v for row in self._best.values() for v in row.values()), default=None)
            tail = "" if best is None else f", best validation accuracy {100 * best:.1f} %"
            self._console.print(f"{self._done} of {self._total} runs, {self.time_left()}{tail}")

    def say(self, line: str) -> None:
        """Print a line above the table."""
        self._console.print(line, markup=False)

    def time_left(self) -> str:
        """How long the rest will take at the pace of late, in words."""
        seconds = self._pace.left(max(self._total - self._done, 0))
        return "time left not known yet" if seconds is None else f"{in_words(seconds)} left"

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
        if self._doing:
            parts.append(Text(f"{self._doing}, {in_words(self._now() - self._since)}"))
        if self._best:
            parts.append(self._table())
        return Group(*parts)

    def _table(self) -> TerminalTable:
        title = "best validation accuracy so far, in %"
        room = max(self._console.height - FRAME_LINES, 1)
        if len(self._best) > room:  # a terminal shows no more than its height
            title += f", of the last {room} cells"
        shown = set(list(self._recent)[-room:])
        rows = [
            (cell, *(f"{100 * row[arm]:.1f}" if arm in row else "" for arm in self._arms))
            for cell, row in list(self._best.items())
            if cell in shown
        ]
        return TerminalTable.of_cells(title, self._arms, rows)


def in_words(seconds: float) -> str:
    """A duration such as `45 s`, `3 min 05 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
