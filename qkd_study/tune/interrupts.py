"""Signals while a study runs: the first Ctrl-C finishes the runs, the second stops at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType

from qkd_study.common.exit_codes import INCOMPLETE
from qkd_study.tune.start_guard import StartGuard

_HANDLED = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Interrupts:
    """Replaces Tune's signal handlers, and restores the previous ones at the end.

    Args:
        finish: called at the first SIGINT. A second SIGINT, and SIGTERM, stop at once.
        leave: called at SIGHUP, before the process exits without output: the terminal is closed,
            and Ray's processes, which got the signal too, no longer answer.
        guard: ends the process if Ray's start does not end after an interrupt; `None` in a process
            that is not ours, such as a notebook's.
    """

    def __init__(
        self,
        finish: Callable[[], None],
        leave: Callable[[], None],
        guard: StartGuard | None = None,
    ) -> None:
        self._finish, self._leave, self._guard = finish, leave, guard
        self._finishing = self._terminated = self._installed = False
        # Read before Ray installs its handler, which ends the process at once.
        self._previous = {number: signal.getsignal(number) for number in _HANDLED}

    def __enter__(self) -> Interrupts:
        return self

    def prepare(self) -> None:
        """Record a SIGTERM until Tune can be stopped; call it when Ray has started."""
        self._end_guard()
        signal.signal(signal.SIGTERM, self._record_sigterm)

    def take_over(self) -> None:
        """Install the handlers; call it when Tune has installed its own."""
        if self._installed:
            return
        self._installed = True
        self._stop_tune = signal.getsignal(signal.SIGINT)
        ours = {signal.SIGINT: self._interrupted, signal.SIGTERM: self.stop}
        if hasattr(signal, "SIGHUP"):
            ours[signal.SIGHUP] = self._hung_up
        for number, handler in ours.items():
            if self._previous[number] is not signal.SIG_IGN or number == signal.SIGINT:
                signal.signal(number, handler)  # SIGHUP stays ignored under nohup
        if self._terminated:
            self.stop()

    def stop(self, number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
        """Make Tune stop at once, as its own handler does."""
        if callable(self._stop_tune):
            self._stop_tune(signal.SIGINT, frame)
        for end in (signal.SIGINT, signal.SIGTERM):  # Tune's shutdown must not be interrupted
            signal.signal(end, signal.SIG_IGN)

    def _record_sigterm(self, number: int, frame: FrameType | None) -> None:
        self._terminated = True

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self._finishing:
            self.stop(number, frame)
            return
        self._finishing = True
        self._finish()

    def _hung_up(self, number: int, frame: FrameType | None) -> None:
        self._leave()
        os._exit(INCOMPLETE)

    def _end_guard(self) -> None:
        if self._guard is not None:
            self._guard.end()

    def __exit__(self, *_: object) -> None:
        self._end_guard()
        for number, handler in self._previous.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: not set from Python
