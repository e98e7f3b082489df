"""The progress of a run, read from its folder, also while it runs and on other machines."""

from __future__ import annotations

import contextlib
import re
import shlex
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import psutil

from qkd_study.analysis.claims.progress import wanted_replicates
from qkd_study.analysis.run_tables import read_run
from qkd_study.analysis.summary import SUMMARISED, best_teachers, best_trials, confirmed
from qkd_study.results import Reason, RunFolder, failed_share, mean_score, read_table, reasons
from qkd_study.results.schema import RUN_KEY
from qkd_study.study.search_methods import MINIMISED

#: The pace is measured over so many minutes before the last row.
RECENT = 10.0


@dataclass(frozen=True)
class BranchStatus:
    """The progress of a cell and arm, of cells that share its rows once, or of a teacher's search.

    Attributes:
        search, confirm: runs that have a row, and declared runs; with looks, only those of
            confirmation that a look has asked for.
        best: the highest mean validation accuracy of a complete configuration so far.
        failed: failed runs.
    """

    cell: str
    arm: str
    search: tuple[int, int]
    confirm: tuple[int, int]
    best: float | None
    failed: int


@dataclass(frozen=True)
class RunStatus:
    """The progress of a run.

    Attributes:
        dataset: its name.
        reasons: why runs failed, each reason once.
        failures: how many failed, as text; empty if none did.
        branches: every cell and arm that is searched, in the order of the study.
        declared, done: numbers of runs; rows that are no longer declared do not count, and with
            looks, those that no look has asked for.
        rows: numbers of rows by phase and status.
        failed: keys and reason of every failed run.
        writer: the process that holds the run's lock, if any.
        last_row: when the last row was written; `None` before the first.
        runs_per_minute: over the last `RECENT` minutes in which rows were written.
        seconds_left: at that pace; 0 if all is done, `None` if the pace is not known.
        command: continues the run, in the folder of the last command; may be empty.
    """

    run: str
    dataset: str
    reasons: tuple[Reason, ...]
    failures: str
    branches: tuple[BranchStatus, ...]
    declared: int
    done: int
    rows: dict[str, dict[str, int]]
    failed: tuple[dict[str, Any], ...]
    writer: str | None
    last_row: datetime | None
    runs_per_minute: float | None
    seconds_left: float | None
    command: str

    @property
    def state(self) -> str:
        """`complete`, `running` or `incomplete`."""
        if self.done >= self.declared:
            return "complete"
        return "incomplete" if self.writer is None else "running"

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of runs that are declared, have a row, and failed."""
        return {"declared": self.declared, "done": self.done, "failed": len(self.failed)}

    def as_json(self) -> dict[str, Any]:
        """The JSON of `qkd-study status --json`."""
        values = asdict(self)
        values["last_row"] = None if self.last_row is None else self.last_row.isoformat()
        return values


@dataclass(frozen=True)
class Score:
    """The best cell and arm of a run, by its mean test accuracy (a share) over n replicates."""

    cell: str
    arm: str
    mean: float
    n: int

    def as_json(self) -> dict[str, Any]:
        """The JSON of `qkd-study list --json`."""
        return asdict(self)


def score_of(folder: RunFolder) -> Score | None:
    """The best cell and arm so far; `None` before the first successful confirm run.

    Raises:
        InputError: the folder holds no run.
    """
    minimised = MINIMISED.get(folder.manifest()["declaration"].get("minimise") or "")
    columns = SUMMARISED if minimised is None else (*SUMMARISED, minimised)
    runs = read_table(folder.path, "runs", columns=columns)
    by_arm = confirmed(runs, minimised).groupby(["cell", "arm"])["metric.test_accuracy"]
    found = by_arm.agg(["mean", "count"])
    if found.empty:
        return None
    best: Any = found["mean"].idxmax()
    mean, count = found.loc[best]
    return Score(best[0], best[1], float(mean), int(count))


def status_of(folder: RunFolder) -> RunStatus:
    """The progress of a run.

    Raises:
        InputError: the folder holds no run.
    """
    manifest = folder.manifest()
    runs = read_table(folder.path, "runs")
    branches = tuple(_branches(runs, manifest, _wanted(folder, manifest)))
    ended = runs["where.ended_at"].dropna()
    failed = _failed(runs)
    # Surplus runs of one cell and arm do not make up for missing runs of another.
    done = sum(min(b.search) + min(b.confirm) for b in branches)
    declared = int(manifest["plan"]["runs"])
    if manifest["declaration"]["replicates"].get("looks"):
        declared = sum(b.search[1] + b.confirm[1] for b in branches)
    pace = _pace(runs)
    left = 0.0 if done >= declared else None if pace is None else 60 * (declared - done) / pace
    return RunStatus(
        run=folder.where,
        dataset=manifest["dataset"],
        reasons=reasons({"status": "failed", **row} for row in failed),
        failures=failed_share(runs) if failed else "",
        branches=branches,
        declared=declared,
        done=done,
        rows={
            str(phase): {str(k): int(v) for k, v in rows["status"].value_counts().items()}
            for phase, rows in runs.groupby("phase")
        },
        failed=tuple(failed),
        writer=_writer(folder),
        last_row=None if ended.empty else ended.max().to_pydatetime().astimezone(UTC),
        runs_per_minute=pace,
        seconds_left=left,
        command=_command(manifest),
    )


def _wanted(folder: RunFolder, manifest: dict[str, Any]) -> Mapping[tuple[str, str], int]:
    """The confirm replicates of cells and arms that get more than the first look has."""
    if not manifest["declaration"]["replicates"].get("looks"):
        return {}
    return wanted_replicates(read_run(folder.path, search_curves=False)) or {}


def _branches(
    runs: pd.DataFrame, manifest: dict[str, Any], wanted: Mapping[tuple[str, str], int]
) -> list[BranchStatus]:
    plan, replicates = manifest["plan"], manifest["declaration"]["replicates"]
    trials_of = plan.get("arm_trials", {})
    first = (replicates.get("looks") or [replicates["confirm"]])[0]
    minimised = MINIMISED.get(manifest["declaration"].get("minimise") or "")
    best, found = best_trials(runs, minimised), _teachers(runs, manifest)
    runs = runs[runs["phase"] != "teacher"]
    groups: dict[Any, pd.DataFrame] = dict(iter(runs.groupby(["cell", "arm"])))
    shared, seen = plan.get("shared", {}), set[tuple[str, str]]()
    for key in plan["cell_keys"]:
        for arm in plan["arm_names"]:
            cell = shared.get(arm, {}).get(key, key)
            if (cell, arm) in seen:
                continue
            seen.add((cell, arm))
            rows = groups.get((cell, arm), runs.iloc[:0])
            search = rows[rows["phase"] == "search"]
            confirm = rows[rows["phase"] == "confirm"]
            numbers = best[(best.index == (cell, arm))]
            # There may be rows of a configuration that was the best before the search was extended.
            confirm = confirm[confirm["trial"].isin(numbers)]
            scores = search[search["trial"].isin(numbers)].groupby("trial")["metric.val_accuracy"]
            trials = trials_of.get(arm, manifest["declaration"]["trials"])
            found.append(
                BranchStatus(
                    cell,
                    arm,
                    search=(len(search), trials * replicates["search"]),
                    confirm=(len(confirm), wanted.get((cell, arm), first)),
                    best=max(
                        (mean_score(own) for _, own in scores if own.notna().all()), default=None
                    ),
                    failed=int((rows["status"] == "failed").sum()),
                )
            )
    return found


def _teachers(runs: pd.DataFrame, manifest: dict[str, Any]) -> list[BranchStatus]:
    """The progress of each search for a teacher."""
    declared, found = manifest["declaration"], []
    best = best_teachers(runs)
    for search in manifest["plan"].get("teacher_searches", []):
        cell, kind = search["cell"], search["arm"]
        of = (runs["phase"] == "teacher") & (runs["cell"] == cell) & (runs["arm"] == kind)
        rows = runs[of]
        scores = rows.loc[rows["trial"] == best.get((cell, kind)), "metric.val_accuracy"]
        found.append(
            BranchStatus(
                cell,
                f"{kind} teacher",
                search=(len(rows), declared["teacher_trials"] * declared["replicates"]["search"]),
                confirm=(0, 0),
                best=mean_score(scores) if len(scores) else None,
                failed=int((rows["status"] == "failed").sum()),
            )
        )
    return found


def _command(manifest: dict[str, Any]) -> str:
    """The last command of the run, without `--new`, which would start over."""
    given = manifest["sessions"][-1].get("command", [])
    return shlex.join(word for word in given if word != "--new")


def _failed(runs: pd.DataFrame) -> list[dict[str, Any]]:
    keys = [*RUN_KEY, "reason"]
    rows: list[Any] = runs.loc[runs["status"] == "failed", keys].to_dict("records")
    return rows


def _pace(runs: pd.DataFrame) -> float | None:
    """Runs per minute over the last `RECENT` minutes, from the times of start and end.

    Stopped replicates have no times; they are counted in proportion.
    """
    timed = runs.dropna(subset=["where.started_at", "where.ended_at"])
    if timed.empty:
        return None
    since = timed["where.ended_at"].max() - pd.Timedelta(minutes=RECENT)
    recent = timed[timed["where.ended_at"] > since]
    start = max(recent["where.started_at"].min(), since)
    minutes = (recent["where.ended_at"].max() - start).total_seconds() / 60
    if minutes <= 0:
        return None
    return float(len(recent) * len(runs) / len(timed) / minutes)


def _writer(folder: RunFolder) -> str | None:
    """The process that holds the run's lock; `None` if there is none, or it died on this machine.

    The lock itself is not acquired: a driver that starts at this moment would fail.
    """
    with contextlib.suppress(OSError):
        owner = folder.owner.read_bytes().decode(errors="replace")
        found = re.fullmatch(r"process (\d+) on (.+)", owner)
        dead = (
            found is not None
            and found[2] == socket.gethostname()
            and not psutil.pid_exists(int(found[1]))
        )
        return None if dead else owner
    return None
