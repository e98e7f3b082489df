"""What the terminal shows while a study runs."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

#: Seconds between lines where the output is no terminal.
LINE_SECONDS = 15.0


class Display:
    """Runs done of all, time left, and the best score so far per cell and arm.

    A live table on a terminal; a line every few seconds elsewhere.

    Args:
        console: where to.
        total: runs in all.
        done: runs that earlier commands finished.
        arms: names, in order.
    """

    def __init__(self, console: Console, total: int, done: int, arms: tuple[str, ...]) -> None:
        self._console = console
        self._total, self._done, self._before = total, done, done
        self._arms = arms
        self._best: dict[str, dict[str, float]] = {}
        self._start = self._last_line = time.monotonic()
        self._bar = Progress(
            TextColumn("[bold]runs"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
        )
        self._task = self._bar.add_task("", total=total, completed=done, left="")
        self._live = Live(console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> Display:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def advance(self, runs: int, cell: str, arm: str, value: float | None) -> None:
        """Count finished runs, and keep a search trial's mean score if it is the best."""
        self._done += runs
        if value is not None:
            row = self._best.setdefault(cell, {})
            row[arm] = max(value, row.get(arm, value))
        left = self.time_left()
        if self._console.is_terminal:
            self._bar.update(self._task, completed=self._done, left=left)
            self._live.update(Group(self._bar, self._table()))
        elif time.monotonic() - self._last_line > LINE_SECONDS:
            self._last_line = time.monotonic()
            best = max((v for row in self._best.values() for v in row.values()), default=None)
            tail = "" if best is None else f", best validation accuracy {best:.3f}"
            self._console.print(f"{self._done} of {self._total} runs, {left}{tail}")

    def say(self, line: str) -> None:
        """Print a line above the table."""
        self._console.print(line, markup=False)

    def time_left(self) -> str:
        """How long the rest will take at the pace so far, in words."""
        ran = self._done - self._before
        if ran <= 0:
            return "time left unknown"
        seconds = (time.monotonic() - self._start) / ran * max(self._total - self._done, 0)
        return f"{in_words(seconds)} left"

    def _table(self) -> Table:
        table = Table(title="best validation accuracy so far", title_justify="left")
        table.add_column("cell")
        for arm in self._arms:
            table.add_column(arm, justify="right")
        for cell, row in self._best.items():
            table.add_row(cell, *(_number(row, arm) for arm in self._arms))
        return table


def _number(row: Mapping[str, float], arm: str) -> str:
    return f"{row[arm]:.3f}" if arm in row else ""


def in_words(seconds: float) -> str:
    """A duration such as `45 s`, `3 min 05 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
