"""A budget of time on a simulated clock: the real schedule, workers that take random times."""

from __future__ import annotations

import heapq
import random
from collections import Counter, defaultdict
from typing import Any

import pandas as pd
import pytest

from qkd_study import Float, LogFloat, Replicates, Study
from qkd_study.results import RUNS, Row, without_result
from qkd_study.search.arm_search import CONFIRM_BLOCK
from qkd_study.search.schedule import Schedule
from qkd_study.search.time_budget import TimeBudget
from qkd_study.study.trial import Trial

#: What a run takes, in seconds; soft takes three times as long as scratch.
SECONDS = {"scratch": 1.0, "scaled-ce": 1.0, "soft": 3.0}


def study(**changes: Any) -> Study:
    base: dict[str, Any] = {
        "question": "?",
        "factors": {"samples": (20, 50)},
        "search": {"learning_rate": LogFloat(1e-3, 1e-1), "temperature": Float(1, 9)},
        "arms": ("scratch", "scaled-ce", "soft"),
        "trials": 7,
        "replicates": Replicates(search=2, confirm=18),
    }
    return Study(**{**base, **changes})


def rows_of(trial: Trial, seconds: float) -> list[Row]:
    value = 1 - abs(trial.config.learning_rate - 0.01)
    names = ("metric.val_accuracy", "metric.test_accuracy")
    found: dict[str, Any] = {
        **dict.fromkeys(names, value),
        "cost.seconds_total": seconds,
        "reason": None,
    }
    found["cost.parameters"] = round(1e3 * trial.config.learning_rate)
    return [{**without_result("s", "r", trial, r, "ok", "").row, **found} for r in trial.replicates]


def table(rows: list[Row]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[column.name for column in RUNS])


class Workers:
    """Runs a schedule on a clock of its own, in seconds, until nothing more may begin."""

    def __init__(self, made: Study, rows: list[Row], count: int, budget: float | None) -> None:
        self.now, self.rows = 0.0, list(rows)
        limit = None if budget is None else TimeBudget(budget, clock=lambda: self.now)
        if limit is not None:
            limit.workers = count
        self.schedule = Schedule(made, "digits", table(rows), budget=limit)
        self._count, self._rng = count, random.Random(0)

    def run(self) -> list[Row]:
        running: list[tuple[float, int, Trial, float]] = []
        handed = 0
        while True:
            while len(running) < self._count and (trial := self.schedule.next()) is not None:
                each = SECONDS[trial.arm.name] * self._rng.uniform(0.8, 1.2)
                handed += 1
                end = self.now + each * len(trial.replicates)
                heapq.heappush(running, (end, handed, trial, each))
            if not running:
                return self.rows
            self.now, _, trial, each = heapq.heappop(running)
            new = rows_of(trial, each)
            self.schedule.finish(trial, new)
            self.rows += new


def counts(rows: list[Row], made: Study, phase: str) -> list[int]:
    found = Counter((r["cell"], r["arm"]) for r in rows if r["phase"] == phase)
    return [found[cell.key, arm.name] for cell in made.cells() for arm in made.all_arms]


def results(rows: list[Row]) -> list[tuple[Any, ...]]:
    names = ("phase", "cell", "arm", "trial", "replicate", "config.learning_rate")
    return sorted(tuple(row[name] for name in names) for row in rows)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("budget", [20.0, 45.0, 90.0, 200.0, 310.0])
def test_every_cell_and_arm_is_equally_far_in_time_and_again_the_table_is_the_same(
    workers: int, budget: float
) -> None:
    made = study()
    whole = Workers(made, [], 1, None).run()
    rows: list[Row] = []
    for command in range(100):
        run = Workers(made, rows, workers, budget)
        before, rows = rows, run.run()
        assert run.now <= budget
        if run.schedule.done:
            break
        assert run.schedule.out_of_time
        search, confirm = (counts(rows, made, phase) for phase in ("search", "confirm"))
        # What shows how long runs take, in the first command, may be of a level that does not fit.
        if len(rows) > 2 * workers:
            assert len(set(search)) == 1, (command, search)
        assert len(set(confirm)) == 1, (command, confirm)
        paired = defaultdict(set)
        for row in rows:
            if row["phase"] == "confirm":
                paired[row["cell"], row["arm"]].add(row["replicate"])
        assert all(replicates == paired["samples=20", "soft"] for replicates in paired.values())
        if len(rows) == len(before):  # a level takes longer than the budget
            assert run.schedule.levels is not None
            assert (run.schedule.levels.progress().seconds_next or 0) > budget
            return
    assert run.schedule.done
    assert results(rows) == results(whole)


def test_without_a_budget_fast_arms_go_ahead() -> None:
    """The measure of evenness is not blind: without a budget, arms are not equally far."""
    made = study()
    run = Workers(made, [], 3, None)
    for _ in range(9):
        trials = [trial for _ in range(3) if (trial := run.schedule.next()) is not None]
        fast = [trial for trial in trials if trial.arm.name != "soft"] or trials
        for trial in trials:
            if trial in fast:
                run.rows += rows_of(trial, 1.0)
                run.schedule.finish(trial, run.rows[-2:])
            else:
                run.schedule.drop(trial)
    assert len(set(counts(run.rows, made, "search"))) > 1


def test_a_pareto_front_is_confirmed_evenly() -> None:
    made = study(
        search={"learning_rate": LogFloat(1e-3, 1e-1), "temperature": Float(1, 9)},
        minimise="parameters",
        factors={},
    )
    run = Workers(made, [], 2, 140.0)
    rows = run.run()
    found = Counter((r["arm"], r["trial"]) for r in rows if r["phase"] == "confirm")
    assert found
    assert set(found.values()) <= {CONFIRM_BLOCK, 2 * CONFIRM_BLOCK, 3 * CONFIRM_BLOCK, 18}
    assert len(set(found.values())) == 1
