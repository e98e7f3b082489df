"""Stores of trained teachers for several processes: bytes under names, with a lock for each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from qkd_study.common.atomic import replace_file
from qkd_study.common.errors import StorageError

#: Seconds between calls of `waiting` while a process waits for a lock.
WAIT_SECONDS = 5.0


def _nothing() -> None:
    """The default of `waiting`."""


class ArtifactStore(Protocol):
    """Stores bytes under names. Methods raise `StorageError` if that fails."""

    def read(self, name: str) -> bytes | None:
        """The bytes under a name; `None` if they are missing or damaged."""

    def write(self, name: str, body: bytes, about: Mapping[str, Any]) -> None:
        """Store bytes under a name, with JSON values that describe them."""

    def lock(
        self, name: str, waiting: Callable[[], None] = _nothing
    ) -> AbstractContextManager[None]:
        """Lock a name; while another process has it, calls `waiting` every `WAIT_SECONDS`."""


@dataclass(frozen=True)
class FolderArtifactStore:
    """A folder: NAME.safetensors, and NAME.json with its checksum and description.

    Attributes:
        folder: created when it is first needed.
    """

    folder: Path

    def read(self, name: str) -> bytes | None:
        path = self._path(name)
        try:
            body = path.read_bytes()
            about = json.loads(path.with_suffix(".json").read_text())
            whole = about["sha256"] == hashlib.sha256(body).hexdigest()
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror or error}") from None
        return body if whole else None

    def write(self, name: str, body: bytes, about: Mapping[str, Any]) -> None:
        path = self._path(name)
        description = json.dumps({"sha256": hashlib.sha256(body).hexdigest(), **about}, indent=1)
        for target, content in ((path, body), (path.with_suffix(".json"), description.encode())):
            replace_file(target, content, make_folder=True)

    @contextmanager
    def lock(self, name: str, waiting: Callable[[], None] = _nothing) -> Iterator[None]:
        lock, timeout = FileLock(self.folder / f"{name}.lock"), 0.0
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            while not lock.is_locked:
                try:
                    lock.acquire(timeout=timeout)
                except Timeout:
                    waiting()
                    timeout = WAIT_SECONDS
        except OSError as error:
            raise StorageError.of(self.folder, error) from None
        try:
            yield
        finally:
            lock.release()

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"
