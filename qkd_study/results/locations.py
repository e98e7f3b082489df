"""Where results are: a folder, or the address of an object store and a copy of it here."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from qkd_study.common.atomic import replace_file
from qkd_study.common.errors import InputError, StorageError, shown
from qkd_study.common.paths import writable_folder
from qkd_study.results.folder import RunFolder, has_rows, runs_of
from qkd_study.results.lease import Lease, holder
from qkd_study.results.object_store import ObjectStore, is_address
from qkd_study.results.remote_sync import RemoteSync, was_sent
from qkd_study.results.tables import COLUMNS

_THREADS = 8
#: What a reader wants of a run.
_COLUMNS = f"runs/{COLUMNS}"
_TABLES = ("study.json", "study.py", "runs", "curves")


@dataclass(frozen=True)
class ResultsLocation:
    """A results folder.

    Attributes:
        path: the folder itself, or that of its copy here.
        store: where it is, if it is an address.
    """

    path: Path
    store: ObjectStore | None = None

    @classmethod
    def of(
        cls, out: str | Path, use: Literal["read", "write"], study: str | None = None
    ) -> ResultsLocation:
        """A results folder, with study.json of its runs brought here.

        Those who read and those who write have copies of their own: what a driver has not sent yet
        is never replaced.

        Args:
            out: a folder or an address.
            use: what for.
            study: bring the runs of this study only.

        Raises:
            InputError: the store cannot be reached, or refuses.
        """
        if not is_address(str(out)):
            return cls(Path(out))
        store = ObjectStore.of(str(out))
        key = hashlib.sha256(store.identity.encode()).hexdigest()[:16]
        place = cls(writable_folder("stores") / key / use, store)
        studies = store.folders() if study is None else [study]
        there = [(name, run) for name in studies for run in store.folders(name)]
        with ThreadPoolExecutor(_THREADS) as pool:
            kept = pool.map(lambda entry: place._bring(*entry, fresh=use == "read"), there)
        place._forget(study, {entry for entry, whole in zip(there, kept, strict=True) if whole})
        return place

    def runs(self, study: str | None = None) -> list[RunFolder]:
        """The runs, newest last; `ResultsLocation.of` must have brought them.

        Args:
            study: of this study only.
        """
        found = runs_of(self.path, study)
        if self.store is None:
            return found
        return [
            RunFolder(
                run.path, RemoteSync(self.store.at(run.path.parent.name, run.run_id), run.path)
            )
            for run in found
        ]

    def _bring(self, study: str, run: str, *, fresh: bool) -> bool:
        """Bring study.json of a run; returns whether it is one."""
        assert self.store is not None
        store, copy = self.store.at(study, run), RunFolder(self.path / study / run)
        path = copy.path / "study.json"
        content = store.read("study.json")
        if content is not None:
            if fresh or not copy.is_whole():
                replace_file(path, content, make_folder=True)
            return True
        if not any(name.endswith(".parquet") for name in store.stamps("runs") if name != _COLUMNS):
            return False
        if fresh or not path.exists():
            replace_file(path, b"", make_folder=True)  # it was lost; `manifest` says so
        return True

    def _forget(self, study: str | None, there: set[tuple[str, str]]) -> None:
        """Drop copies of runs that the store had and has no more."""
        for run in runs_of(self.path, study):
            if (run.path.parent.name, run.run_id) in there or run.is_locked():
                continue
            # Without tables it is a reader's. One whose study.json was never sent is of ours alone.
            if was_sent(run.path, "study.json") or not (run.path / "runs").exists():
                shutil.rmtree(run.path, ignore_errors=True)

    @contextmanager
    def held(self, run: RunFolder) -> Iterator[RunFolder]:
        """Hold a run of this folder against drivers elsewhere, and mirror it.

        Call it under the run's lock. At the end all that was written has been sent.

        Raises:
            InputError: another driver has it, or the store refuses.
            StorageError: at the end, if not all could be sent; the next start sends it.
        """
        if self.store is None:
            yield run
            return
        remote_sync = RemoteSync(self.store.at(run.path.parent.name, run.run_id), run.path)
        owner = f"process {os.getpid()} on {socket.gethostname()}"
        lease = Lease(remote_sync.store, remote_sync.place(), owner)
        try:
            ours = lease.take()
        except StorageError as error:
            raise InputError(f"{error}. A run needs to list, read, write and delete.") from None
        with remote_sync.kept(lease):
            if not ours:  # somebody else wrote last, or nobody: what is here counts for nothing
                remote_sync.pull()
            else:
                remote_sync.repair()
            yield replace(run, remote_sync=remote_sync)


def find_run(name: str, out: str | Path) -> RunFolder:
    """A run by its folder, its `study/run id`, or its study (the newest run of it).

    Args:
        name: one of these; a folder may be an address.
        out: the results folder, or its address, from which the run is brought here.

    Raises:
        InputError: there is none.
    """
    if is_address(name):
        above, (study, run_id) = ObjectStore.parsed(name).up(2)
        name, out = study if run_id == "latest" else f"{study}/{run_id}", str(above)
    if not is_address(str(out)):
        return _found(name, Path(out), (Path(name), Path(out) / name), str(out))
    place = ResultsLocation.of(out, "read", name.split("/")[0])
    assert place.store is not None
    run = _found(name, place.path, (place.path / name,), str(out))
    remote_sync = RemoteSync(place.store.at(run.path.parent.name, run.run_id), run.path)
    return brought(RunFolder(run.path, remote_sync))


def brought(run: RunFolder) -> RunFolder:
    """A run whose tables are here as they are in the store, if it is in one.

    Raises:
        StorageError: the store or the folder here fails.
    """
    if run.remote_sync is not None:
        run.remote_sync.pull(lambda file: file.split("/")[0] in _TABLES)
        owner = holder(run.remote_sync.store)
        if owner is None:
            run.owner.unlink(missing_ok=True)
        else:
            replace_file(run.owner, owner.encode())
    return run


def _found(name: str, out: Path, folders: tuple[Path, ...], where: str) -> RunFolder:
    for folder in folders:
        for path in (folder, folder / "latest"):
            # False for what no file can be called, too.
            if os.path.isfile(path / "study.json") or has_rows(path):
                return RunFolder(path.resolve())
    if newest := runs_of(out, name):  # a file system without links has no `latest`
        return newest[-1]
    there = ", ".join(f"{run.path.parent.name}/{run.run_id}" for run in runs_of(out))
    raise InputError(f"{shown(name)} is no run. Runs in {where}: {there or 'none'}.")
