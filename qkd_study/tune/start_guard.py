"""Ends a process in which Ray's start does not end after an interrupt."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time

from qkd_study.common.exit_codes import INCOMPLETE

#: How long a start may take to end after an interrupt. It usually ends at once.
LEAVE_SECONDS = 20.0


class StartGuard:
    """Ends the process if it is still starting some seconds after a SIGINT or SIGTERM.

    Python raises an interrupt when its main thread runs Python code again. Ray's start waits in
    C++ for processes that the same interrupt may have ended. Create it in the main thread.

    Args:
        seconds: from the first signal to the end of the process.
    """

    def __init__(self, seconds: float = LEAVE_SECONDS) -> None:
        self._seconds = seconds
        self._signals, self._signalled = os.pipe()
        self._stops, self._stop = os.pipe()
        os.set_blocking(self._signalled, False)
        self._previous = signal.set_wakeup_fd(self._signalled, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Watch no longer: the start is over. A second call does nothing."""
        if self._stop < 0:
            return
        signal.set_wakeup_fd(self._previous)
        os.close(self._stop)
        self._stop = -1
        self._thread.join()
        for descriptor in (self._signals, self._signalled, self._stops):
            os.close(descriptor)

    def _watch(self) -> None:
        deadline: float | None = None
        while deadline is None or time.monotonic() < deadline:
            left = None if deadline is None else deadline - time.monotonic()
            ready, _, _ = select.select([self._signals, self._stops], [], [], left)
            if self._stops in ready:
                return
            if ready:
                numbers = set(os.read(self._signals, 64))
                if deadline is None and numbers & {signal.SIGINT, signal.SIGTERM}:
                    deadline = time.monotonic() + self._seconds
        with contextlib.suppress(OSError):
            message = "qkd-study: interrupted while Ray was starting. The same command goes on."
            print(message, file=sys.stderr, flush=True)
        os._exit(INCOMPLETE)
