"""Where teachers are kept for several processes: bytes under names, and a lock for each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock

from qkd_study.atomic import replace_file
from qkd_study.errors import StorageError


class Shelf(Protocol):
    """Keeps bytes. Methods raise `StorageError` where that fails."""

    def read(self, name: str) -> bytes | None:
        """What was written under a name; `None` if it is missing or damaged."""

    def write(self, name: str, body: bytes, about: Mapping[str, Any]) -> None:
        """Keep bytes under a name, with JSON values that say what they are."""

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Hold a name; waits while somebody else does."""


@dataclass(frozen=True)
class FolderShelf:
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
            replace_file(target, content)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        lock = FileLock(self.folder / f"{name}.lock")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise StorageError.of(self.folder, error) from None
        try:
            yield
        finally:
            lock.release()

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"
