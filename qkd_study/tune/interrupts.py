"""Signals while a study runs: the first Ctrl-C finishes what runs, the second stops at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType

from qkd_study.common.exit_codes import INCOMPLETE

_HANDLED = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Interrupts:
    """Takes over from Tune, whose own handler stops at once, cleanly; leaves as it came.

    Args:
        finish: called at the first SIGINT. A second one and SIGTERM stop at once.
        leave: called at SIGHUP, before the process ends without a word: the terminal is closed,
            and Ray's processes, which were told too, no longer answer.
    """

    def __init__(self, finish: Callable[[], None], leave: Callable[[], None]) -> None:
        self._finish, self._leave = finish, leave
        self._asked = self._told = self._in_charge = False
        # Before Ray puts in its own, which ends the process wherever it is.
        self._before = {number: signal.getsignal(number) for number in _HANDLED}

    def __enter__(self) -> Interrupts:
        return self

    def prepare(self) -> None:
        """Keep a SIGTERM in mind until Tune can be stopped; call it when Ray has started."""
        signal.signal(signal.SIGTERM, self._heard)

    def take_over(self) -> None:
        """Install the handlers; call it when Tune has installed its own."""
        if self._in_charge:
            return
        self._in_charge = True
        self._stop_tune = signal.getsignal(signal.SIGINT)
        ours = {signal.SIGINT: self._interrupted, signal.SIGTERM: self.stop}
        if hasattr(signal, "SIGHUP"):
            ours[signal.SIGHUP] = self._hung_up
        for number, handler in ours.items():
            if self._before[number] is not signal.SIG_IGN or number == signal.SIGINT:
                signal.signal(number, handler)  # nohup has SIGHUP ignored: it stays so
        if self._told:
            self.stop()

    def stop(self, number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
        """Make Tune stop at once, as its own handler does."""
        if callable(self._stop_tune):
            self._stop_tune(signal.SIGINT, frame)
        for end in (signal.SIGINT, signal.SIGTERM):  # what follows must not be cut short
            signal.signal(end, signal.SIG_IGN)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self._told = True

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            self.stop(number, frame)
            return
        self._asked = True
        self._finish()

    def _hung_up(self, number: int, frame: FrameType | None) -> None:
        self._leave()
        os._exit(INCOMPLETE)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: a handler not of Python
