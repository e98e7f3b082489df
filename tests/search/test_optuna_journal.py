"""Optuna's file where its folder vanishes."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.storages.journal import JournalFileOpenLock

from qkd_study.common.errors import StorageError
from qkd_study.search.optuna_journal import Journal
from qkd_study.search.schedule import Schedule
from tests.search.test_schedule import EMPTY, good_near, ok, study


def test_a_folder_that_vanishes_under_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optuna, which finds no lock to give back, says so with a RuntimeError."""
    folder = tmp_path / "run"
    folder.mkdir()
    schedule = Schedule(study(), "digits", EMPTY)
    journal = Journal(folder / "optuna.journal", schedule)
    trial = schedule.next()
    assert trial is not None
    rows = [ok(trial, replicate, good_near(trial)) for replicate in trial.replicates]
    frozen = schedule.finish(trial, rows)
    assert frozen is not None
    release = JournalFileOpenLock.release

    def late(lock: JournalFileOpenLock) -> None:
        folder.rename(tmp_path / "away")
        release(lock)

    monkeypatch.setattr(JournalFileOpenLock, "release", late)
    with pytest.raises(StorageError, match="cannot be written: No such file or directory"):
        journal.add(schedule.search_of(trial), frozen)
