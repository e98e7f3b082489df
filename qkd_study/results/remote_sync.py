"""Copies the files of a run between its local folder and an object store."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
from pyarrow import ArrowException

from qkd_study.common.atomic import replace_file
from qkd_study.common.errors import StorageError
from qkd_study.results.lease import HEARTBEAT_SECONDS, Lease
from qkd_study.results.object_store import ObjectStore, Stamp
from qkd_study.results.schema import TABLES

_THREADS = 8
#: Seconds between copies of files that grow or that workers write: Optuna's journal, the run
#: journal, teachers.
GROWING_SECONDS = 30.0
_GROWING = ("optuna.journal", "pending.jsonl")
#: All that is sent: what a driver needs to continue, and what readers need.
_PARTS = ("study.json", "study.py", *TABLES, "teachers", *_GROWING)
#: In the local folder: size and time of each file that was copied; the id of this copy.
INDEX, _PLACE = ".mirror.jsonl", ".place"

_Local = tuple[int, int]  # bytes, mtime in ns


class RemoteSync:
    """Sends the files of a run to a store, and fetches them.

    Files that are not part of the run (logs, reports), hidden files and locks are not copied.

    Args:
        store: at the run's folder.
        folder: the local folder of the run.
    """

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self.store = store
        self._folder = folder
        self._index: dict[str, tuple[_Local, int | None]] = {}
        self._error: str | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._lease: Lease | None = None
        self._index_lock = threading.Lock()
        for line in _index_of(folder):
            with contextlib.suppress(ValueError, TypeError):  # an incomplete line
                name, size, modified, there = json.loads(line)
                self._index[name] = ((size, modified), there)

    def place(self) -> str:
        """The random id of this local copy, which is stored in it."""
        path, name_of_copy = self._folder / _PLACE, b""
        with contextlib.suppress(OSError):
            name_of_copy = path.read_bytes()
        if not re.fullmatch(rb"[0-9a-f]{32}", name_of_copy):
            name_of_copy = uuid.uuid4().hex.encode()
            replace_file(path, name_of_copy)
        return name_of_copy.decode()

    def repair(self) -> None:
        """Fetch tables that were lost or damaged locally since they were copied.

        Raises:
            StorageError: the store or the folder fails.
        """
        here = self._local_files()
        for name, stamp in self.store.stamps().items():
            if not _is_table(name) or _is_local(name):
                continue
            if name not in here:
                if name in self._index or not self._index:  # else another driver wrote it
                    self._fetch(name, stamp)
            elif self._index.get(name, (None,))[0] != here[name]:  # not sent yet, or damaged
                try:
                    pq.read_table(self._folder / name)
                except (OSError, ArrowException):
                    self._fetch(name, stamp)

    def pull(self, wanted: Callable[[str], bool] = lambda name: True) -> None:
        """Fetch the files of the store, and remove local tables that it does not have.

        Args:
            wanted: whether to fetch, or to remove, a file, by its name in the run's folder.

        Raises:
            StorageError: the store or the folder fails.
        """
        there = {n: s for n, s in self.store.stamps().items() if not _is_local(n) and wanted(n)}
        here = self._local_files()
        for name in here.keys() - there.keys():
            if _is_table(name) and wanted(name):
                (self._folder / name).unlink(missing_ok=True)
        stale = [
            (name, stamp)
            for name, stamp in there.items()
            if name not in here or self._index.get(name) != (here[name], stamp.modified)
        ]
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(lambda entry: self._fetch(*entry), stale))

    def push(self) -> None:
        """Send new and changed files, and remove tables from the store that are not here.

        Raises:
            StorageError: the store fails.
        """
        there = {n: s for n, s in self.store.stamps().items() if not _is_local(n)}
        here = self._local_files()
        fresh = [
            name
            for name, local in here.items()
            if name not in there
            or there[name].size != local[0]
            or self._index.get(name, (None,))[0] != local
        ]
        gone = [name for name in there.keys() - here.keys() if _is_table(name)]
        # In this order the store may have curves without rows for a moment, but not the reverse.
        self._in_parallel(self._send, [name for name in fresh if not name.startswith("runs/")])
        self._in_parallel(self._send, [name for name in fresh if name.startswith("runs/")])
        self._in_parallel(self._delete, [name for name in gone if name.startswith("runs/")])
        self._in_parallel(self._delete, [name for name in gone if not name.startswith("runs/")])

    def put(self, paths: Iterable[Path]) -> None:
        """Send files one after the other; within `in_background`, without waiting for it.

        Raises:
            StorageError: an earlier file could not be sent.
        """
        names = [path.relative_to(self._folder).as_posix() for path in paths]
        if self._error is not None:
            raise StorageError(self._error)
        if self._pool is None:
            self._send_all(names)
        else:
            self._pool.submit(self._attempt, lambda: self._send_all(names))

    def sync_error(self) -> str | None:
        """Return why nothing can be sent any more, if so; never blocks."""
        return self._error

    @contextmanager
    def in_background(self, lease: Lease) -> Iterator[None]:
        """Renew the lease and send in the background; at the end, wait until all is sent.

        Raises:
            StorageError: at the end, if not all could be sent.
        """
        stop = threading.Event()

        def keep_lease() -> None:
            sent = time.monotonic()
            while self._error is None and not stop.wait(HEARTBEAT_SECONDS):
                self._attempt(lease.renew)
                if time.monotonic() - sent > GROWING_SECONDS:
                    self._attempt(self._send_growing)
                    sent = time.monotonic()

        thread = threading.Thread(target=keep_lease, name="lease", daemon=True)
        self._pool = ThreadPoolExecutor(_THREADS, "sync")
        self._lease = lease
        thread.start()
        try:
            yield
        finally:
            self._pool.shutdown(wait=True)
            stop.set()
            thread.join()
            self._pool = None
            self._attempt(self._send_growing)
            self._attempt(self._remove_foreign)
            self._attempt(lease.release)
            self._lease = None
        if self._error is not None:
            raise StorageError(self._error)

    def _attempt(self, work: Callable[[], None]) -> None:
        if self._error is not None:
            return
        try:
            work()
        except (StorageError, OSError) as error:
            self._error = self._error or str(error)

    def _in_parallel(self, work: Callable[[str], None], names: list[str]) -> None:
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(work, names))

    def _send_all(self, names: Iterable[str]) -> None:
        for name in names:
            self._send(name)

    def _send_growing(self) -> None:
        teachers = [
            path.relative_to(self._folder).as_posix() for path in self._folder.glob("teachers/*.*")
        ]
        for name in (*_GROWING, *(name for name in teachers if not _is_local(name))):
            path = self._folder / name
            if not path.exists():
                if name in self._index:
                    self._delete(name)
                    del self._index[name]
            elif self._index.get(name, (None,))[0] != _local(path):
                self._send(name)

    def _send(self, name: str) -> None:
        path = self._folder / name
        try:
            local, content = _local(path), path.read_bytes()
        except FileNotFoundError:
            return
        self.store.write(name, content, self._check)
        self._record(name, local, None)

    def _delete(self, name: str) -> None:
        self.store.delete(name, self._check)

    def _check(self) -> None:
        if self._lease is not None:
            self._lease.check()

    def _remove_foreign(self) -> None:
        """Remove tables that were never here: a driver sent them after it had lost its lease."""
        for name in self.store.stamps():
            if _is_table(name) and not _is_local(name) and name not in self._index:
                self._delete(name)

    def _fetch(self, name: str, stamp: Stamp) -> None:
        content = self.store.read(name)
        if content is None:
            return
        path = self._folder / name
        replace_file(path, content, make_folder=True)
        self._record(name, _local(path), stamp.modified)

    def _record(self, name: str, local: _Local, there: int | None) -> None:
        with self._index_lock, (self._folder / INDEX).open("a") as file:
            self._index[name] = (local, there)
            file.write(json.dumps([name, *local, there]) + "\n")

    def _local_files(self) -> dict[str, _Local]:
        found: dict[str, _Local] = {}
        for path in self._folder.rglob("*"):
            name = path.relative_to(self._folder).as_posix()
            if not _is_local(name) and path.is_file():
                found[name] = _local(path)
        return found


def was_sent(folder: Path, name: str) -> bool:
    """Whether a file of the copy in `folder` was ever in the store."""
    return any(line.startswith(f"[{json.dumps(name)},") for line in _index_of(folder))


def _index_of(folder: Path) -> list[str]:
    try:
        return (folder / INDEX).read_bytes().decode(errors="replace").splitlines()
    except OSError:
        return []


def _local(path: Path) -> _Local:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _is_local(name: str) -> bool:
    first, _, rest = name.partition("/")
    return first not in _PARTS or rest.startswith(".") or name.endswith(".lock")


def _is_table(name: str) -> bool:
    return name.startswith(tuple(f"{table}/" for table in TABLES))
