"""The folder of a run: finding it again, making it, and keeping others out while it is written."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from qkd_study.errors import InputError
from qkd_study.results.tables import start_tables
from qkd_study.study.identity import declaration, fingerprint
from qkd_study.study.study import Study

#: What study.json says at least.
_ABOUT = {"declaration", "fingerprint", "dataset", "provenance"}


@dataclass(frozen=True)
class RunFolder:
    """`results/<study>/<run id>`."""

    path: Path

    @property
    def run_id(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def teachers(self) -> Path:
        """Where teachers are kept."""
        return self.path / "teachers"

    @property
    def journal(self) -> Path:
        """Optuna's storage of the finished trials."""
        return self.path / "optuna.journal"

    def about(self) -> dict[str, Any]:
        """What study.json says.

        Raises:
            InputError: there is none, or it is no JSON.
        """
        try:
            said = json.loads((self.path / "study.json").read_text())
        except FileNotFoundError:
            raise InputError(f"{self.path} is not the folder of a run: no study.json.") from None
        except ValueError as error:
            raise InputError(f"{self.path / 'study.json'} is broken: {error}.") from None
        if not isinstance(said, dict) or not said.keys() >= _ABOUT:
            raise InputError(f"{self.path / 'study.json'} is broken: it lacks {sorted(_ABOUT)}.")
        return said

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder against a second driver.

        Raises:
            InputError: another process holds it; the message names it.
        """
        lock, owner = FileLock(self.path / ".lock"), self.path / ".owner"
        try:
            lock.acquire(timeout=0)
        except Timeout:
            with contextlib.suppress(OSError):
                raise InputError(
                    f"{self.path} is being written by {owner.read_text()}. Wait for it, or stop it."
                ) from None
            raise InputError(f"{self.path} is being written by another process.") from None
        except OSError as error:
            raise _unwritable(self.path, error) from None
        try:
            owner.write_text(f"process {os.getpid()} on {socket.gethostname()}")
            yield
        finally:
            owner.unlink(missing_ok=True)
            lock.release()


def runs_of(out: Path, study: str | None = None) -> list[RunFolder]:
    """The runs below a results folder, newest last."""
    pattern = f"{study or '*'}/*/study.json"
    paths = {path.parent for path in out.glob(pattern) if not path.parent.is_symlink()}
    return [RunFolder(path) for path in sorted(paths, key=lambda p: (p.parent.name, p.name))]


def find_run(name: str, out: Path) -> RunFolder:
    """A run by its folder, its `study/run id`, or its study (the newest run of it).

    Raises:
        InputError: there is none.
    """
    for path in (Path(name), out / name, out / name / "latest", Path(name) / "latest"):
        if (path / "study.json").is_file():
            return RunFolder(path.resolve())
    there = ", ".join(f"{run.path.parent.name}/{run.run_id}" for run in runs_of(out))
    raise InputError(f"{name!r} is no run. Runs in {out}: {there or 'none'}.")


def same_run(study: Study, digest: str, out: Path) -> RunFolder | None:
    """The newest run of the same study on the same data, which the study can go on with."""
    wanted = fingerprint(study, digest)
    arms = declaration(study)["arms"]
    for run in reversed(runs_of(out, study.name)):
        with contextlib.suppress(InputError):
            said = run.about()
            before = said["declaration"]["arms"]
            alike = all(before[name] == arms[name] for name in before.keys() & arms.keys())
            if said["fingerprint"] == wanted and alike:
                return run
    return None


def _unwritable(path: Path, error: OSError) -> InputError:
    said = error.strerror or error
    return InputError(f"{path} cannot be written: {said}. Choose another folder with --out.")


def new_run(study: Study, out: Path) -> RunFolder:
    """A new folder for a run.

    Raises:
        InputError: it cannot be made.
    """
    stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    path = out / study.name / stamp
    try:
        path.mkdir(parents=True)
        start_tables(path)
    except OSError as error:
        raise _unwritable(path, error) from None
    return RunFolder(path)


def write_about(
    run: RunFolder, study: Study, digest: str, source: Path, provenance: dict[str, Any]
) -> None:
    """Write study.json and study.py, and point `latest` at the run."""
    about = {
        "run_id": run.run_id,
        "declaration": declaration(study),
        "fingerprint": fingerprint(study, digest),
        "dataset": {"name": provenance.pop("dataset"), "sha256": digest},
        "provenance": provenance,
    }
    partial = run.path / ".study.json.partial"
    partial.write_text(json.dumps(about, indent=1) + "\n")
    os.replace(partial, run.path / "study.json")
    shutil.copyfile(source, run.path / "study.py")
    link = run.path.parent / f".latest.{os.getpid()}"
    with contextlib.suppress(OSError):  # a file system without links does without
        link.unlink(missing_ok=True)
        link.symlink_to(run.run_id)
        os.replace(link, run.path.parent / "latest")
