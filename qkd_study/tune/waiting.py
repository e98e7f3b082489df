"""Workers that wait for another's teacher: their time is not that of their run."""

from __future__ import annotations

import contextlib
import faulthandler
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from qkd_study.distill.artifact_store import WAIT_SECONDS


class TimeLimit:
    """Ends this process where a run takes too long, and leaves its stack in a file.

    A thread of C does, which needs no lock of Python's.

    Args:
        file: for the stack; it has a descriptor.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._left: float | None = None
        self._since = 0.0

    def begin(self, seconds: float) -> None:
        """A run begins that may take so long."""
        self._left, self._since = seconds, time.monotonic()
        faulthandler.dump_traceback_later(seconds, exit=True, file=self._file)

    def end(self) -> None:
        """The run has ended."""
        faulthandler.cancel_dump_traceback_later()
        self._left = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The run waits for something that others do."""
        if self._left is None:
            yield
            return
        left = self._left - (time.monotonic() - self._since)
        self.end()
        try:
            yield
        finally:
            self.begin(max(left, 1e-3))


@dataclass(frozen=True)
class Waiting:
    """Which workers wait, as files that they touch.

    Attributes:
        folder: on the driver's node.
    """

    folder: Path

    def tell(self, worker: str) -> None:
        """A worker waits now, and says so again every `WAIT_SECONDS`; only on the driver's node."""
        with contextlib.suppress(OSError):
            (self.folder / f"waits-{worker}").touch()

    def lately(self, worker: str) -> bool:
        """Whether a worker has waited in the last seconds."""
        try:
            told = (self.folder / f"waits-{worker}").stat().st_mtime
        except OSError:
            return False
        return abs(time.time() - told) < 3 * WAIT_SECONDS
