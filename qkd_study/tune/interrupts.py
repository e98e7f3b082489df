"""Signals while a study runs: the first Ctrl-C finishes what runs, the second stops at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from qkd_study.cli import INCOMPLETE


class Interrupts:
    """Takes over from Tune, whose own handler stops at once, cleanly.

    Args:
        finish: called at the first SIGINT. A second one and SIGTERM stop at once.
        leave: called at SIGHUP, before the process ends without a word: the terminal is closed,
            and Ray's processes, which were told too, no longer answer.
    """

    def __init__(self, finish: Callable[[], None], leave: Callable[[], None]) -> None:
        self._finish, self._leave = finish, leave
        self._asked = False
        self._before: dict[int, Any] = {}

    def take_over(self) -> None:
        """Install the handlers; call it when Tune has installed its own."""
        if self._before:
            return
        self._stop_tune = signal.getsignal(signal.SIGINT)
        ours = {signal.SIGINT: self._interrupted, signal.SIGTERM: self.stop}
        if hasattr(signal, "SIGHUP"):
            ours[signal.SIGHUP] = self._hung_up
        for number, handler in ours.items():
            self._before[number] = signal.signal(number, handler)

    def stop(self, number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
        """Make Tune stop at once, as its own handler does."""
        if callable(self._stop_tune):
            self._stop_tune(signal.SIGINT, frame)
        for end in (signal.SIGINT, signal.SIGTERM):  # what follows must not be cut short
            signal.signal(end, signal.SIG_IGN)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            self.stop(number, frame)
            return
        self._asked = True
        self._finish()

    def _hung_up(self, number: int, frame: FrameType | None) -> None:
        self._leave()
        os._exit(INCOMPLETE)

    def restore(self) -> None:
        """Put back what was there."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
