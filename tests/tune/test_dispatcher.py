"""The dispatcher without workers: what it makes of their deaths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qkd_study import Replicates, Study
from qkd_study.results import RunFolder, read_table, start_tables, without_result, write_records
from qkd_study.search.schedule import Schedule
from qkd_study.tune.dispatcher import TrialDispatcher

STUDY = Study(
    question="?",
    arms=("scratch", "scaled-ce"),
    trials=1,
    replicates=Replicates(search=1, confirm=2),
    name="s",
)


class Silent:
    def advance(self, *_: Any) -> None:
        pass


def schedule(folder: Path) -> Schedule:
    rows = read_table(folder, "runs", columns=Schedule.columns(STUDY))
    return Schedule(STUDY, "digits", rows)


def all_die(folder: Path) -> tuple[TrialDispatcher, int]:
    """A command whose workers all die; and how many did."""
    plan = schedule(folder)
    dispatcher = TrialDispatcher(plan, RunFolder(folder), Silent(), None)  # type: ignore[arg-type]
    deaths = 0
    while (
        not plan.done and not dispatcher.closing and dispatcher.bundle(str(deaths), 2) is not None
    ):
        dispatcher.end(str(deaths), "the worker died: out of memory")
        deaths += 1
    dispatcher.close()
    return dispatcher, deaths


def test_the_last_run_may_kill_its_workers(tmp_path: Path) -> None:
    start_tables(tmp_path)
    plan = schedule(tmp_path)
    while trial := plan.next():
        if (trial.phase, trial.arm.name) == ("confirm", "scaled-ce"):
            continue  # the last
        records = [without_result("s", "r", trial, n, "ok", "") for n in trial.replicates]
        for record in records:
            record.row["metric.val_accuracy"] = 0.5
        write_records(tmp_path, [trial], records)
        plan.finish(trial, [record.row for record in records])
    dispatcher, deaths = all_die(tmp_path)
    assert (dispatcher.broken, deaths) == (None, 6)  # three for each of two replicates
    rows = read_table(tmp_path, "runs")
    failed = rows[rows["status"] == "failed"]
    assert failed["reason"].tolist() == ["the worker died: out of memory, 3 times"] * 2
    assert schedule(tmp_path).done


def test_where_every_worker_dies_the_run_stops(tmp_path: Path) -> None:
    start_tables(tmp_path)
    dispatcher, deaths = all_die(tmp_path)
    assert "workers ended before any run did" in str(dispatcher.broken)
    assert deaths <= 6
    assert len(read_table(tmp_path, "runs")) <= 1
