"""Teachers are searched before their students, which get the best one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from qkd_study import LogFloat, Replicates, Study
from qkd_study.results import Row
from qkd_study.search.schedule import Schedule
from qkd_study.study.trial import Trial
from tests.search.test_schedule import EMPTY, frame, keys, ok

ARMS = ("scratch", "soft", "classical-teacher")
#: 2 kinds in 2 cells x 7 trials x 2, and 3 arms in 2 cells x (3 trials x 2 + 4)
TAUGHT, RUNS = 2 * 2 * 7 * 2, 2 * 2 * 7 * 2 + 3 * 2 * (3 * 2 + 4)


def study(**changes: Any) -> Study:
    base: dict[str, Any] = {
        "question": "?",
        "factors": {"samples": (20, 50)},
        "search": {"learning_rate": LogFloat(1e-3, 1e-1)},
        "teacher_search": {"teacher_learning_rate": LogFloat(1e-3, 1e-1)},
        "teacher_trials": 7,
        "arms": ARMS,
        "trials": 3,
        "replicates": Replicates(search=2, confirm=4),
    }
    return Study(**{**base, **changes})


def value(trial: Trial) -> float:
    """Quantum teachers are best at a rate of 0.02, classical ones at 0.005."""
    if trial.phase == "teacher":
        best = 0.02 if trial.arm.name == "own" else 0.005
        return 1 - abs(trial.config.teacher_learning_rate - best)
    return 0.5


def drain(schedule: Schedule, stop_after: int = 10**9) -> list[Row]:
    rows: list[Row] = []
    for _ in range(stop_after):
        if (trial := schedule.next()) is None:
            break
        new = [ok(trial, r, value(trial)) for r in trial.replicates]
        schedule.finish(trial, new)
        rows += new
    return rows


def test_students_wait_for_their_teacher_and_get_the_best() -> None:
    schedule = Schedule(study(), "digits", EMPTY)
    assert schedule.missing_runs() == RUNS
    rows = drain(schedule)
    assert schedule.done
    assert len(set(keys(rows))) == len(rows) == RUNS
    # Equal budgets for the teacher and its control.
    tried = Counter(row["arm"] for row in rows if row["phase"] == "teacher")
    assert tried == {"own": TAUGHT / 2, "classical": TAUGHT / 2}
    for cell in ("samples=20", "samples=50"):
        for kind, arm in (("own", "soft"), ("classical", "classical-teacher")):
            of = [(r["phase"], r["arm"]) for r in rows if r["cell"] == cell]
            assert max(i for i, key in enumerate(of) if key == ("teacher", kind)) < min(
                i for i, key in enumerate(of) if key[1] == arm
            )
            own = [r for r in rows if (r["phase"], r["cell"], r["arm"]) == ("teacher", cell, kind)]
            best = max(own, key=lambda r: r["metric.val_accuracy"])["config.teacher_learning_rate"]
            taught = [r for r in rows if (r["cell"], r["arm"]) == (cell, arm)]
            assert len(taught) == 3 * 2 + 4
            assert {r["config.teacher_learning_rate"] for r in taught} == {best}
        first = [
            [r["config.teacher_learning_rate"] for r in rows
             if (r["cell"], r["arm"]) == (cell, kind) and r["trial"] < 5]
            for kind in ("own", "classical")
        ]  # fmt: skip
        assert first[0] == first[1]  # both begin with the same configurations


@pytest.mark.parametrize("cut", [3, 11, 20, 30])
def test_a_half_finished_phase_goes_on(cut: int) -> None:
    whole = drain(Schedule(study(), "digits", EMPTY))
    before = drain(Schedule(study(), "digits", EMPTY), stop_after=cut)
    again = Schedule(study(), "digits", frame(before))
    assert all(map(again.has, before))
    assert again.missing_runs() == RUNS - len(before)
    rows = before + drain(again)
    assert again.done
    assert sorted(keys(rows)) == sorted(keys(whole))
    name = "config.teacher_learning_rate"
    rates = [{tuple(k): r[name] for k, r in zip(keys(t), t, strict=True)} for t in (whole, rows)]
    assert rates[0] == rates[1]


def test_without_any_teacher_its_students_do_not_run() -> None:
    schedule = Schedule(study(factors={}), "digits", EMPTY)
    assert schedule.unfinished == 3  # what waits for a teacher does not count
    rows: list[Row] = []
    while (trial := schedule.next()) is not None:
        fails = trial.arm.name == "own"
        new = [ok(trial, r, value(trial)) for r in trial.replicates]
        schedule.finish(trial, [{**r, "status": "failed"} for r in new] if fails else new)
        rows += new
    assert schedule.done
    assert {row["arm"] for row in rows} == {"own", "classical", "scratch", "classical-teacher"}
    assert schedule.failed_searches() == ["teacher all own", "all soft"]
    assert schedule.missing_runs() == 3 * 2 + 4
