"""A run's folder here, and its copy in an object store."""

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

_THREADS = 8
#: How often files that grow or come on their own are sent: Optuna's journal, the log of trials that
#: have not ended, teachers.
LOOSE_SECONDS = 30.0
_LOOSE = ("optuna.journal", "pending.jsonl")
#: All that is sent: what a driver needs to go on, and a reader to read.
_PARTS = ("study.json", "study.py", "runs", "curves", "teachers", *_LOOSE)
#: In the folder here: what is known of each file; the name of this copy.
INDEX, _PLACE = ".mirror.jsonl", ".place"

_Local = tuple[int, int]  # bytes, mtime in ns


class RemoteSync:
    """Sends files of a run to its place in a store, or brings them here.

    What is no part of the run (logs, reports), hidden or a lock stays where it is.

    Args:
        store: at the run's folder.
        folder: the run's folder here.
    """

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self.store = store
        self._folder = folder
        self._index: dict[str, tuple[_Local, int | None]] = {}
        self._trouble: str | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._lease: Lease | None = None
        self._guard = threading.Lock()
        for line in _index_of(folder):
            with contextlib.suppress(ValueError, TypeError):  # cut off
                name, size, modified, there = json.loads(line)
                self._index[name] = ((size, modified), there)

    def place(self) -> str:
        """The name of this copy: made up once, and gone with it."""
        path, said = self._folder / _PLACE, b""
        with contextlib.suppress(OSError):
            said = path.read_bytes()
        if not re.fullmatch(rb"[0-9a-f]{32}", said):
            said = uuid.uuid4().hex.encode()
            replace_file(path, said)
        return said.decode()

    def repair(self) -> None:
        """Bring tables that were lost or damaged here since they were sent or brought.

        Raises:
            StorageError: the store or the folder fails.
        """
        here = self._here()
        for name, stamp in self.store.stamps().items():
            if not _is_table(name) or _stays(name):
                continue
            if name not in here:
                if name in self._index or not self._index:  # otherwise another's
                    self._bring(name, stamp)
            elif self._index.get(name, (None,))[0] != here[name]:  # not sent yet, or damaged
                try:
                    pq.read_table(self._folder / name)
                except (OSError, ArrowException):
                    self._bring(name, stamp)

    def pull(self, wanted: Callable[[str], bool] = lambda name: True) -> None:
        """Bring what the store has, and remove tables that it has not.

        Args:
            wanted: whether a file, by its name in the run's folder, is to be brought.

        Raises:
            StorageError: the store or the folder fails.
        """
        there = {n: s for n, s in self.store.stamps().items() if not _stays(n) and wanted(n)}
        here = self._here()
        for name in here.keys() - there.keys():
            if _is_table(name):
                (self._folder / name).unlink(missing_ok=True)
        stale = [
            (name, stamp)
            for name, stamp in there.items()
            if name not in here or self._index.get(name) != (here[name], stamp.modified)
        ]
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(lambda entry: self._bring(*entry), stale))

    def push(self) -> None:
        """Send what the store lacks or has otherwise, and remove tables there that are not here.

        Raises:
            StorageError: the store fails.
        """
        there = {n: s for n, s in self.store.stamps().items() if not _stays(n)}
        here = self._here()
        fresh = [
            name
            for name, local in here.items()
            if name not in there
            or there[name].size != local[0]
            or self._index.get(name, (None,))[0] != local
        ]
        gone = [name for name in there.keys() - here.keys() if _is_table(name)]
        # A reader, and a driver after a crash, may find curves without rows, not the reverse.
        self._each(self._send, [name for name in fresh if not name.startswith("runs/")])
        self._each(self._send, [name for name in fresh if name.startswith("runs/")])
        self._each(self._delete, [name for name in gone if name.startswith("runs/")])
        self._each(self._delete, [name for name in gone if not name.startswith("runs/")])

    def put(self, paths: Iterable[Path]) -> None:
        """Send files one after the other, soon; without waiting for it where the mirror is kept.

        Raises:
            StorageError: something could not be sent before.
        """
        names = [path.relative_to(self._folder).as_posix() for path in paths]
        if self._trouble is not None:
            raise StorageError(self._trouble)
        if self._pool is None:
            self._send_all(names)
        else:
            self._pool.submit(self._attempt, lambda: self._send_all(names))

    def trouble(self) -> str | None:
        """Why nothing can be sent any more, if so; never waits."""
        return self._trouble

    @contextmanager
    def kept(self, lease: Lease) -> Iterator[None]:
        """Hold the lease and send in the background; at the end, wait until all is sent.

        Raises:
            StorageError: at the end, if not all could be sent.
        """
        stop = threading.Event()

        def look_after() -> None:
            sent = time.monotonic()
            while self._trouble is None and not stop.wait(HEARTBEAT_SECONDS):
                self._attempt(lease.renew)
                if time.monotonic() - sent > LOOSE_SECONDS:
                    self._attempt(self._send_loose)
                    sent = time.monotonic()

        thread = threading.Thread(target=look_after, name="lease", daemon=True)
        self._pool = ThreadPoolExecutor(_THREADS, "mirror")
        self._lease = lease
        thread.start()
        try:
            yield
        finally:
            self._pool.shutdown(wait=True)
            stop.set()
            thread.join()
            self._pool = None
            self._attempt(self._send_loose)
            self._attempt(self._remove_foreign)
            self._attempt(lease.release)
            self._lease = None
        if self._trouble is not None:
            raise StorageError(self._trouble)

    def _attempt(self, work: Callable[[], None]) -> None:
        if self._trouble is not None:
            return
        try:
            work()
        except (StorageError, OSError) as error:
            self._trouble = self._trouble or str(error)

    def _each(self, work: Callable[[str], None], names: list[str]) -> None:
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(work, names))

    def _send_all(self, names: Iterable[str]) -> None:
        for name in names:
            self._send(name)

    def _send_loose(self) -> None:
        teachers = [
            path.relative_to(self._folder).as_posix() for path in self._folder.glob("teachers/*.*")
        ]
        for name in (*_LOOSE, *(name for name in teachers if not _stays(name))):
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
        self._note(name, local, None)

    def _delete(self, name: str) -> None:
        self.store.delete(name, self._check)

    def _check(self) -> None:
        if self._lease is not None:
            self._lease.check()

    def _remove_foreign(self) -> None:
        """Remove tables that never were here: another driver sent them after it lost its lease."""
        for name in self.store.stamps():
            if _is_table(name) and not _stays(name) and name not in self._index:
                self._delete(name)

    def _bring(self, name: str, stamp: Stamp) -> None:
        content = self.store.read(name)
        if content is None:
            return
        path = self._folder / name
        replace_file(path, content, make_folder=True)
        self._note(name, _local(path), stamp.modified)

    def _note(self, name: str, local: _Local, there: int | None) -> None:
        with self._guard, (self._folder / INDEX).open("a") as file:
            self._index[name] = (local, there)
            file.write(json.dumps([name, *local, there]) + "\n")

    def _here(self) -> dict[str, _Local]:
        found: dict[str, _Local] = {}
        for path in self._folder.rglob("*"):
            name = path.relative_to(self._folder).as_posix()
            if not _stays(name) and path.is_file():
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


def _stays(name: str) -> bool:
    first, _, rest = name.partition("/")
    return first not in _PARTS or rest.startswith(".") or name.endswith(".lock")


def _is_table(name: str) -> bool:
    return name.startswith(("runs/", "curves/"))
