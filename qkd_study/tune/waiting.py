"""Time limits of runs, which exclude the time that a worker waits for another's teacher."""

from __future__ import annotations

import contextlib
import faulthandler
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from qkd_study.common.artifact_store import WAIT_SECONDS


class TimeLimit:
    """Ends this process if a run takes too long, and writes its stack to a file.

    It uses a C thread, which does not need the GIL.

    Args:
        file: for the stack; it has a descriptor.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._left: float | None = None
        self._since = 0.0

    def begin(self, seconds: float) -> None:
        """Start the time of a run."""
        self._left, self._since = seconds, time.monotonic()
        faulthandler.dump_traceback_later(seconds, exit=True, file=self._file)

    def end(self) -> None:
        """Cancel the limit: the run has ended."""
        faulthandler.cancel_dump_traceback_later()
        self._left = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock while the run waits for another worker."""
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
    """Records which workers wait, by the time stamps of files.

    Attributes:
        folder: on the driver's node.
    """

    folder: Path

    def mark(self, worker: str) -> None:
        """Record that a worker waits, on the driver's node; repeated every `WAIT_SECONDS`."""
        with contextlib.suppress(OSError):
            (self.folder / f"waits-{worker}").touch()

    def waited_recently(self, worker: str) -> bool:
        """Whether a worker has waited in the last seconds."""
        try:
            marked = (self.folder / f"waits-{worker}").stat().st_mtime
        except OSError:
            return False
        return abs(time.time() - marked) < 3 * WAIT_SECONDS
