"""Signals while a study runs: the first Ctrl-C finishes what runs, the second stops at once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

_ENDS = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


class Interrupts:
    """Takes over from Tune, whose own handler stops at once, cleanly.

    Args:
        finish: called at the first SIGINT. A second one, SIGTERM, and SIGHUP (a closed terminal)
            stop at once.
    """

    def __init__(self, finish: Callable[[], None]) -> None:
        self._finish = finish
        self._asked = False
        self._before: dict[int, Any] = {}

    def take_over(self) -> None:
        """Install the handlers; call it when Tune has installed its own."""
        if self._before:
            return
        self._stop_tune = signal.getsignal(signal.SIGINT)
        for number in (signal.SIGINT, *_ENDS):
            self._before[number] = signal.getsignal(number)
        signal.signal(signal.SIGINT, self._interrupted)
        for number in _ENDS:
            signal.signal(number, self.stop)

    def stop(self, number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
        """Make Tune stop at once, as its own handler does."""
        for end in (signal.SIGINT, *_ENDS):  # what follows must not be cut short
            signal.signal(end, signal.SIG_IGN)
        if callable(self._stop_tune):
            self._stop_tune(signal.SIGINT, frame)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            self.stop(number, frame)
            return
        self._asked = True
        self._finish()

    def restore(self) -> None:
        """Put back what was there."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
