"""The folder of a run: finds it, makes it, and locks it while it is written."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from filelock import FileLock, Timeout

from qkd_study.common.atomic import replace_file
from qkd_study.common.errors import InputError, StorageError
from qkd_study.results.claim_history import updated_history
from qkd_study.results.manifest import check_manifest
from qkd_study.results.remote_sync import RemoteSync
from qkd_study.results.run_schema import COLUMNS_FILE, own_columns
from qkd_study.results.tables import start_tables
from qkd_study.study.files import may_be_one_run
from qkd_study.study.identity import SEARCH_RULE, declaration, fingerprint
from qkd_study.study.study import Study

NO_FILES: Mapping[str, str] = MappingProxyType({})
NO_NAMES: Mapping[str, Sequence[str]] = MappingProxyType({})


@dataclass(frozen=True)
class RunFolder:
    """`results/<study>/<run id>`.

    Attributes:
        path: the folder, or its local copy if it is in an object store.
        remote_sync: between the two.
    """

    path: Path
    remote_sync: RemoteSync | None = field(default=None, compare=False)

    @property
    def where(self) -> str:
        """The folder or the address, in the form that the command line takes."""
        return str(self.path if self.remote_sync is None else self.remote_sync.store)

    @property
    def run_id(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def teachers(self) -> Path:
        """The folder of trained teachers."""
        return self.path / "teachers"

    @property
    def journal(self) -> Path:
        """Optuna's storage of the finished trials."""
        return self.path / "optuna.journal"

    @property
    def owner(self) -> Path:
        """The file that names the process that writes to the run, while one does."""
        return self.path / ".owner"

    def manifest(self) -> dict[str, Any]:
        """Read study.json.

        Raises:
            InputError: there is none, or it does not have the form that `write_manifest` writes.
        """
        advice = (
            f"Restore it from a copy, or move {self.where} elsewhere: its rows stay readable, but "
            f"nothing says what they answer. `qkd-study run --new` starts over beside it."
        )
        try:
            manifest: dict[str, Any] = json.loads((self.path / "study.json").read_bytes())
            check_manifest(manifest)
        except FileNotFoundError:
            if has_rows(self.path):
                raise InputError(f"{self.where} has rows, but no study.json. {advice}") from None
            raise InputError(f"{self.where} is not the folder of a run: no study.json.") from None
        except (ValueError, RecursionError, OSError, InputError) as error:
            what = str(error).rstrip(".")
            raise InputError(f"{self.where}/study.json is broken: {what}. {advice}") from None
        return manifest

    def has_valid_manifest(self) -> bool:
        """Whether study.json has the form that `write_manifest` writes."""
        try:
            self.manifest()
        except InputError:
            return False
        return True

    def push(self) -> None:
        """Send all files to the object store, if the run is in one, and wait for it.

        Raises:
            StorageError: the store fails.
        """
        if self.remote_sync is not None:
            self.remote_sync.push()

    def send(self, *paths: Path) -> None:
        """Queue files of the folder to be sent to the object store, if the run is in one.

        Raises:
            StorageError: an earlier file could not be sent.
        """
        if self.remote_sync is not None:
            self.remote_sync.put(paths)

    def sync_error(self) -> str | None:
        """Return why nothing can be sent any more, if so; never blocks."""
        return None if self.remote_sync is None else self.remote_sync.sync_error()

    def is_locked(self) -> bool:
        """Whether a driver on this machine holds the folder."""
        if not (self.path / ".lock").exists():
            return False
        try:
            with FileLock(self.path / ".lock", timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder against a second driver.

        Raises:
            InputError: another process holds it; the message names it.
        """
        lock, owner = FileLock(self.path / ".lock"), self.owner
        try:
            lock.acquire(timeout=0)
        except Timeout:
            with contextlib.suppress(OSError):
                name = owner.read_bytes().decode(errors="replace")
                raise InputError(
                    f"{self.path} is being written by {name}. Wait for it, or stop it."
                ) from None
            raise InputError(f"{self.path} is being written by another process.") from None
        except OSError as error:
            raise _unwritable(self.path, error) from None
        try:
            try:
                owner.write_text(f"process {os.getpid()} on {socket.gethostname()}")
            except OSError as error:
                raise StorageError.of(owner, error) from None
            yield
        finally:
            owner.unlink(missing_ok=True)
            lock.release()


def runs_of(out: Path, study: str | None = None) -> list[RunFolder]:
    """The runs in a results folder, newest last, including those without study.json."""
    if not os.path.isdir(out):  # False for impossible names, too
        return []
    paths = {path.parent for path in out.glob("*/*/study.json")}
    paths |= {path.parent for path in out.glob("*/*/runs") if has_rows(path.parent)}
    paths = {path for path in paths if study in (None, path.parent.name) and not path.is_symlink()}
    return [RunFolder(path) for path in sorted(paths, key=lambda p: (p.parent.name, p.name))]


def has_rows(folder: Path) -> bool:
    """Whether a folder has rows of a run, not only the file with the columns."""
    if not os.path.isdir(folder / "runs"):
        return False
    return any(path.name != COLUMNS_FILE for path in (folder / "runs").glob("[!.]*.parquet"))


def same_run(
    study: Study,
    digest: str,
    runs: Sequence[RunFolder],
    files: Mapping[str, str] = NO_FILES,
    datasets: Mapping[str, str] = NO_FILES,
) -> RunFolder | None:
    """Find the latest run of the same study on the same data, which the study can continue.

    The run that `latest` points at comes first: names have the wrong order if a clock was set back.

    Args:
        study, digest: the study, and the SHA-256 of its data.
        runs: of this study, newest last.
        files: the SHA-256 of the files that the study's code reads, by path (`study.files`).
        datasets: the SHA-256 of each dataset, by name. A run may lack some of them.

    Raises:
        InputError: the manifest of a run that comes before it is missing or broken.
    """
    wanted = fingerprint(study, digest)
    arms = declaration(study)["arms"]

    def order(run: RunFolder) -> tuple[bool, str]:
        return run.path.resolve() == (run.path.parent / "latest").resolve(), run.run_id

    for run in sorted(runs, key=order, reverse=True):
        manifest = run.manifest()
        before = manifest["arms"]
        same = all(before[name] == arms[name] for name in before.keys() & arms.keys())
        same = same and may_be_one_run(manifest.get("files", {}), files)
        known = manifest.get("datasets", {})
        same = same and all(
            known[name] == datasets[name] for name in known.keys() & datasets.keys()
        )
        if manifest["fingerprint"] == wanted and same:
            return run
    return None


def changed_files(runs: Sequence[RunFolder], files: Mapping[str, str]) -> list[str]:
    """Files whose content has changed since the newest of a study's runs."""
    for run in runs[-1:]:
        with contextlib.suppress(InputError):
            before = run.manifest().get("files", {})
            return sorted(n for n in before.keys() & files.keys() if before[n] != files[n])
    return []


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{path} cannot be written: {error.strerror or error}. Choose another folder with --out."
    )


def new_run(study: Study, out: Path) -> RunFolder:
    """Make a new folder for a run.

    Raises:
        InputError: it cannot be made.
    """
    stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    path = out / study.name / stamp
    try:
        path.mkdir(parents=True)
        start_tables(path, own_columns(study))
    except OSError as error:
        raise _unwritable(path, error) from None
    return RunFolder(path)


def write_manifest(
    run: RunFolder,
    study: Study,
    source: Path | bytes | None,
    *,
    dataset: str,
    digest: str,
    datasets: Mapping[str, str] = NO_FILES,
    plan: dict[str, Any],
    session: dict[str, Any],
    confirm_rows: int = 0,
    search_rule: int = SEARCH_RULE,
    files: Mapping[str, str] = NO_FILES,
    class_names: Sequence[str] = (),
    class_names_of: Mapping[str, Sequence[str]] = NO_NAMES,
) -> None:
    """Write study.json and study.py, and point `latest` at the run.

    Earlier arms and sessions of the run stay in it.

    Args:
        study, source: the declaration, and its study file or the text of one; without one, study.py
            stays as it is.
        dataset, digest: the name of the data, and their SHA-256.
        datasets: the SHA-256 of each dataset, by name, if they are a factor.
        plan: the number of runs, cells and so on.
        session: of this command; see `provenance.session`.
        confirm_rows: how many there are; see `updated_history`.
        search_rule: the version of the pruning rule that was used.
        files: as for `same_run`.
        class_names: of the dataset.
        class_names_of: of each dataset, by name, if they are a factor.
    """
    before: dict[str, Any] = {}
    if (run.path / "study.json").exists():
        before = run.manifest()
    known: dict[str, str] = before.get("files", {})
    manifest = {
        "run_id": run.run_id,
        "declaration": declaration(study),
        "fingerprint": fingerprint(study, digest),
        "dataset": dataset,
        "dataset_sha256": digest,
        "class_names": list(class_names),
        "class_names_of": {
            **before.get("class_names_of", {}),
            **{name: list(names) for name, names in class_names_of.items()},
        },
        "datasets": {**before.get("datasets", {}), **datasets} or {dataset: digest},
        "files": known | dict(files),
        "arms": {**before.get("arms", {}), **declaration(study)["arms"]},
        **updated_history(
            before,
            declaration(study),
            at=session.get("started_at"),
            confirm_rows=confirm_rows,
        ),
        "plan": plan,
        "search_rule": search_rule,
        "sessions": [*before.get("sessions", []), session],
    }
    if source is not None:
        text = source if isinstance(source, bytes) else source.read_bytes()
        replace_file(run.path / "study.py", text)
    replace_file(run.path / "study.json", json.dumps(manifest, indent=1).encode() + b"\n")
    run.send(
        *(run.path / name for name in ("study.json", "study.py") if (run.path / name).exists())
    )
    link = run.path.parent / f".latest.{os.getpid()}"
    with contextlib.suppress(OSError):  # some file systems have no links
        link.unlink(missing_ok=True)
        link.symlink_to(run.run_id)
        os.replace(link, run.path.parent / "latest")
