"""Where teachers are kept for several processes: bytes under names, and a lock for each."""

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

#: How often one that waits for a lock says so.
WAIT_SECONDS = 5.0


def _nothing() -> None:
    """Where nobody needs to know of those that wait."""


class ArtifactStore(Protocol):
    """Keeps bytes. Methods raise `StorageError` where that fails."""

    def read(self, name: str) -> bytes | None:
        """What was written under a name; `None` if it is missing or damaged."""

    def write(self, name: str, body: bytes, about: Mapping[str, Any]) -> None:
        """Keep bytes under a name, with JSON values that say what they are."""

    def lock(
        self, name: str, waiting: Callable[[], None] = _nothing
    ) -> AbstractContextManager[None]:
        """Hold a name; waits while somebody else does, and tells so every `WAIT_SECONDS`."""


@dataclass(frozen=True)
class FolderArtifactStore:
    """A folder: NAME.safetensors, and NAME.json with its checksum and what it is.

    Attributes:
        folder: made when it is first needed.
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
        said = json.dumps({"sha256": hashlib.sha256(body).hexdigest(), **about}, indent=1)
        for target, content in ((path, body), (path.with_suffix(".json"), said.encode())):
            replace_file(target, content, make_folder=True)

    @contextmanager
    def lock(self, name: str, waiting: Callable[[], None] = _nothing) -> Iterator[None]:
        lock, patience = FileLock(self.folder / f"{name}.lock"), 0.0
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            while not lock.is_locked:
                try:
                    lock.acquire(timeout=patience)
                except Timeout:
                    waiting()
                    patience = WAIT_SECONDS
        except OSError as error:
            raise StorageError.of(self.folder, error) from None
        try:
            yield
        finally:
            lock.release()

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"
