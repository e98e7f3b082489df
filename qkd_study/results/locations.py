"""Where results are: a folder, or an object store of which there is a local copy."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from qkd_study.common.atomic import replace_file
from qkd_study.common.errors import InputError, StorageError, safe_repr
from qkd_study.common.paths import writable_folder
from qkd_study.results.folder import RunFolder, has_rows, runs_of
from qkd_study.results.lease import Lease, holder
from qkd_study.results.object_store import ObjectStore, is_address
from qkd_study.results.reading import weights_of_run
from qkd_study.results.remote_sync import RemoteSync, was_sent
from qkd_study.results.run_schema import COLUMNS_FILE
from qkd_study.results.schema import TABLES

_THREADS = 8
_COLUMNS = f"runs/{COLUMNS_FILE}"
#: The files that a reader needs at once; weights, which can be large, are fetched when asked for.
_READ = ("study.json", "study.py", *(table for table in TABLES if table != "weights"))


@dataclass(frozen=True)
class ResultsLocation:
    """A results folder.

    Attributes:
        path: the folder, or that of the local copy.
        store: the object store, if the results are in one.
    """

    path: Path
    store: ObjectStore | None = None

    @classmethod
    def of(
        cls, out: str | Path, use: Literal["read", "write"], study: str | None = None
    ) -> ResultsLocation:
        """Open a results folder; from a store, fetch study.json of its runs.

        Readers and drivers have separate local copies: reading never replaces what a driver has
        not sent yet.

        Args:
            out: a folder or an address.
            use: which of the two copies.
            study: fetch the runs of this study only.

        Raises:
            InputError: the store cannot be reached, or refuses access.
        """
        if not is_address(str(out)):
            return cls(Path(out))
        store = ObjectStore.of(str(out))
        key = hashlib.sha256(store.identity.encode()).hexdigest()[:16]
        place = cls(writable_folder("stores") / key / use, store)
        studies = store.folders() if study is None else [study]
        there = [(name, run) for name in studies for run in store.folders(name)]
        with ThreadPoolExecutor(_THREADS) as pool:
            found = pool.map(
                lambda entry: place._fetch_manifest(*entry, fresh=use == "read"), there
            )
        place._drop_copies(
            study, {entry for entry, whole in zip(there, found, strict=True) if whole}
        )
        return place

    def runs(self, study: str | None = None) -> list[RunFolder]:
        """The runs, newest last, as `ResultsLocation.of` found them.

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

    def _fetch_manifest(self, study: str, run: str, *, fresh: bool) -> bool:
        """Fetch study.json of a run; returns whether it is a run."""
        assert self.store is not None
        store, copy = self.store.at(study, run), RunFolder(self.path / study / run)
        path = copy.path / "study.json"
        content = store.read("study.json")
        if content is not None:
            if fresh or not copy.has_valid_manifest():
                replace_file(path, content, make_folder=True)
            return True
        if not any(name.endswith(".parquet") for name in store.stamps("runs") if name != _COLUMNS):
            return False
        if fresh or not path.exists():
            replace_file(path, b"", make_folder=True)  # it is lost: `RunFolder.manifest` raises
        return True

    def _drop_copies(self, study: str | None, there: set[tuple[str, str]]) -> None:
        """Remove copies of runs that are no longer in the store."""
        for run in runs_of(self.path, study):
            if (run.path.parent.name, run.run_id) in there or run.is_locked():
                continue
            # Without tables it is a reader's copy. If study.json was never sent, the run is new.
            if was_sent(run.path, "study.json") or not (run.path / "runs").exists():
                shutil.rmtree(run.path, ignore_errors=True)

    @contextmanager
    def held(self, run: RunFolder) -> Iterator[RunFolder]:
        """Hold the lease of a run in a store, and send its files; does nothing for a folder.

        Use it under the run's lock. At the end all files have been sent.

        Raises:
            InputError: another driver has the lease, or the store refuses access.
            StorageError: at the end, if not all could be sent; the next start sends the rest.
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
        with remote_sync.in_background(lease):
            if not ours:  # another copy was written last: the local one is outdated
                remote_sync.pull()
            else:
                remote_sync.repair()
            yield replace(run, remote_sync=remote_sync)


def find_run(name: str, out: str | Path) -> RunFolder:
    """Find a run by its folder, its `study/run id`, or its study (the newest run).

    Args:
        name: one of these; a folder may be an address.
        out: the results folder, or the address of a store, from which the run is fetched.

    Raises:
        InputError: there is none.
    """
    if is_address(name):
        above, (study, run_id) = ObjectStore.parsed(name).up(2)
        name, out = study if run_id == "latest" else f"{study}/{run_id}", str(above)
    if not is_address(str(out)):
        return _local_run(name, Path(out), (Path(name), Path(out) / name), str(out))
    place = ResultsLocation.of(out, "read", name.split("/")[0])
    assert place.store is not None
    run = _local_run(name, place.path, (place.path / name,), str(out))
    remote_sync = RemoteSync(place.store.at(run.path.parent.name, run.run_id), run.path)
    return fetch_run(RunFolder(run.path, remote_sync))


def fetch_run(run: RunFolder) -> RunFolder:
    """Update the local tables of a run from its store, if it is in one.

    Raises:
        StorageError: the store or the local folder fails.
    """
    if run.remote_sync is not None:
        run.remote_sync.pull(lambda file: file.split("/")[0] in _READ)
        owner = holder(run.remote_sync.store)
        if owner is None:
            run.owner.unlink(missing_ok=True)
        else:
            replace_file(run.owner, owner.encode())
    return run


def fetch_weights(run: RunFolder, row: Mapping[str, Any]) -> tuple[bytes, str] | None:
    """The student of a row; see `tables.weights_of_run`. A store's weights are fetched before.

    Raises:
        StorageError: the store or the local folder fails.
        InputError: a file is broken.
    """
    if run.remote_sync is not None:
        run.remote_sync.pull(lambda file: file.split("/")[0] == "weights")
    return weights_of_run(run.path, row)


def _local_run(name: str, out: Path, folders: tuple[Path, ...], where: str) -> RunFolder:
    for folder in folders:
        for path in (folder, folder / "latest"):
            # False for impossible names, too.
            if os.path.isfile(path / "study.json") or has_rows(path):
                return RunFolder(path.resolve())
    if newest := runs_of(out, name):  # some file systems have no link `latest`
        return newest[-1]
    there = ", ".join(f"{run.path.parent.name}/{run.run_id}" for run in runs_of(out))
    raise InputError(f"{safe_repr(name)} is no run. Runs in {where}: {there or 'none'}.")
