"""Records the files that a study file's code reads, which are part of a run's identity."""

from __future__ import annotations

import contextlib
import hashlib
import os
import site
import sys
import sysconfig
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qkd_study.common.paths import cache_folder

#: Code files are not recorded: code of the study file is part of the identity by its source.
_CODE = (".py", ".pyc", ".pyd", ".so")
#: Folders of datasets, which have a digest, of caches, and of the system.
_GIVEN = ("QKD_STUDY_DATA", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR")
_SYSTEM = ("/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr")


@dataclass(frozen=True)
class FilesRead:
    """The files that are opened for reading inside `recording`.

    Not recorded are code, files that were also written, and files of Python's installation, of the
    system, of qkd-study, and in hidden folders, such as caches.

    Attributes:
        folder: of the study file, absolute.
    """

    folder: Path
    _opened: set[str] = field(default_factory=set, repr=False)
    _written: set[str] = field(default_factory=set, repr=False)

    @classmethod
    def by(cls, study_file: str | Path) -> FilesRead:
        """A recorder for a study file."""
        return cls(Path(os.path.abspath(study_file)).parent)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record every file that this thread opens in a `with` block."""
        if not _HOOKED:
            _HOOKED.append(True)
            sys.addaudithook(_audit_hook)
        _RECORDING.append((threading.get_ident(), self))
        try:
            yield
        finally:
            _RECORDING.pop()

    def digests(self) -> dict[str, str]:
        """The SHA-256 of every recorded file that still exists, by its path from `folder`."""
        excluded = [place for place in _excluded_folders() if not self.folder.is_relative_to(place)]
        paths = [path for path in map(Path, self._opened) if self._is_input(path, excluded)]
        return {
            os.path.relpath(path, self.folder): digest
            for path in sorted(paths)
            if (digest := digest_of(path)) is not None
        }

    def _record(self, name: str, flags: int) -> None:
        writes = flags & (os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        (self._written if writes else self._opened).add(name)

    def _is_input(self, path: Path, excluded: Iterable[str]) -> bool:
        if path.suffix in _CODE or str(path) in self._written:
            return False
        if any(path.is_relative_to(place) for place in excluded):
            return False
        inside = path.is_relative_to(self.folder)
        parts = (path.relative_to(self.folder) if inside else path).parts
        return not any(part.startswith(".") for part in parts[:-1])


def _excluded_folders() -> list[str]:
    """Folders of Python's installation, of the system, and of qkd-study."""
    python = [sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()]
    ours = [str(Path(__file__).parents[1]), str(cache_folder().parent)]
    places = {*python, *site.getsitepackages(), site.getusersitepackages(), *ours, *_SYSTEM}
    given = places | {os.environ.get(name) or cache_folder() for name in _GIVEN}
    return [absolute(place) for place in given for absolute in (os.path.abspath, os.path.realpath)]


#: An audit hook cannot be removed: one is used for all recordings.
_HOOKED: list[bool] = []
_RECORDING: list[tuple[int, FilesRead]] = []


def _audit_hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not _RECORDING:
        return
    thread, files = _RECORDING[-1]
    name, _, flags = arguments
    if thread == threading.get_ident() and isinstance(name, str | bytes | os.PathLike):
        with contextlib.suppress(Exception):  # an exception here would make `open` fail
            files._record(os.path.abspath(os.fsdecode(name)), flags)


def digest_of(path: Path) -> str | None:
    """The SHA-256 of a file; `None` if it cannot be read."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return None


def may_be_one_run(before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Whether rows that were made with two sets of files may be in one run.

    One set may have more files, for instance of a new arm; common files must be equal.
    """
    return before.items() <= now.items() or now.items() <= before.items()
