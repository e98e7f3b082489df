"""Optuna's storage on disk, which has complete trials only."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial

from qkd_study.common.errors import StorageError
from qkd_study.search.arm_search import ArmSearch
from qkd_study.search.schedule import Schedule


class Journal:
    """Copies the rows for Optuna's own tools; a run does not depend on it.

    A trial that a killed driver wrote but did not add is added at the next start. Call it under the
    run's lock.

    Raises:
        StorageError: the file cannot be read or written.
    """

    def __init__(self, path: Path, schedule: Schedule) -> None:
        self._path = path
        try:
            # Lock files are of processes that died.
            for stale in path.parent.glob(f"{path.name}.lock*"):
                stale.unlink(missing_ok=True)
            if not _is_whole(path):
                path.unlink()  # incomplete after a full disk or a power failure: rebuilt from rows
            known = self._open()
        except OSError as error:
            raise StorageError.of(path, error) from None
        for search, frozen in schedule.finished():
            if (search.name, frozen.user_attrs["trial"]) not in known:
                self.add(search, frozen)

    def _open(self) -> set[tuple[str, int]]:
        """Open the file, and return study and number of the trials in it."""
        # Not the default lock, a symbolic link, which some file systems lack.
        lock = JournalFileOpenLock(str(self._path))
        self._storage = JournalStorage(JournalFileBackend(str(self._path), lock))
        self._studies = {
            name: optuna.load_study(study_name=name, storage=self._storage)
            for name in optuna.get_all_study_names(self._storage)
        }
        return {
            (name, trial.user_attrs["trial"])
            for name, study in self._studies.items()
            for trial in study.get_trials(deepcopy=False)
        }

    def add(self, search: ArmSearch, frozen: FrozenTrial) -> None:
        """Add a finished trial of a search."""
        name = search.name
        try:
            if name not in self._studies:
                self._studies[name] = optuna.create_study(
                    storage=self._storage,
                    study_name=name,
                    directions=search.directions,
                    load_if_exists=True,
                )
            self._studies[name].add_trial(frozen)
        except OSError as error:
            raise StorageError.of(self._path, error) from None
        except RuntimeError as error:  # Optuna's lock file is gone: the folder was moved or removed
            gone = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            raise StorageError.of(self._path, gone) from error


def _is_whole(journal: Path) -> bool:
    """Whether every line of a journal is complete; Optuna would append to half a line."""
    try:
        content = journal.read_bytes()
        for line in content.splitlines():
            json.loads(line)
    except FileNotFoundError:
        return True
    except ValueError:
        return False
    return not content or content.endswith(b"\n")
