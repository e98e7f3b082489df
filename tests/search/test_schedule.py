"""The schedule without Ray: what is handed out, what is remembered, what is given up."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from qkd_study import Choice, Claim, ClassicalToHybrid, Float, Int, LogFloat, Replicates, Study
from qkd_study.analysis import best_trials, confirmed
from qkd_study.common.seeds import derive
from qkd_study.results import RUNS, Record, Row, without_result
from qkd_study.search.arm_search import CONFIRM_BLOCK, running_means
from qkd_study.search.ranges import distribution
from qkd_study.search.schedule import Schedule
from qkd_study.search.suggestions import RANDOM_TRIALS, directions
from qkd_study.study.replicates import FIRST_WEAK_TRIAL, TRIALS_PER_SEARCH
from qkd_study.study.trial import Trial
from qkd_study.tune.in_flight import InFlightTrial
from qkd_study.tune.worker import _RunningTrial

optuna.logging.set_verbosity(optuna.logging.WARNING)
EMPTY = pd.DataFrame({column.name: [] for column in RUNS})


def study(**changes: Any) -> Study:
    base: dict[str, Any] = {
        "question": "?",
        "factors": {"samples": (20, 50)},
        "search": {"learning_rate": LogFloat(1e-3, 1e-1), "temperature": Float(1, 9)},
        "arms": ("scratch", "soft"),
        "trials": 4,
        "replicates": Replicates(search=2, confirm=7),
    }
    return Study(**{**base, **changes})


def ok(trial: Trial, replicate: int, value: float) -> Row:
    row = without_result("s", "r", trial, replicate, "ok", "").row
    name = "metric.val_accuracy" if trial.phase == "search" else "metric.test_accuracy"
    size = trial.config.batch_size  # any number that a search may vary
    found = {"metric.val_accuracy": value, name: value, "cost.parameters": size}
    return {**row, "reason": None, **found}


def good_near(trial: Trial) -> float:
    """A score with its peak at a learning rate of 0.01."""
    return 1 - abs(trial.config.learning_rate - 0.01)


def drain(schedule: Schedule, stop_after: int = 10**9) -> list[Row]:
    rows: list[Row] = []
    for _ in range(stop_after):
        trial = schedule.next()
        if trial is None:
            break
        new = [ok(trial, r, good_near(trial)) for r in trial.replicates]
        schedule.finish(trial, new)
        rows += new
    return rows


def keys(rows: list[Row]) -> list[tuple[Any, ...]]:
    return [(r["phase"], r["cell"], r["arm"], r["trial"], r["replicate"]) for r in rows]


def frame(rows: list[Row]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[c.name for c in RUNS]) if rows else EMPTY


def test_exact_counts_per_cell_and_arm() -> None:
    made = study()
    schedule = Schedule(made, "digits", EMPTY)
    assert schedule.missing_runs() == 4 * (4 * 2 + 7)
    rows = drain(schedule)
    assert schedule.done
    assert schedule.missing_runs() == 0
    assert len(set(keys(rows))) == len(rows)
    counts = Counter((r["phase"], r["cell"], r["arm"]) for r in rows)
    assert len(counts) == 2 * 4
    assert {n for (phase, *_), n in counts.items() if phase == "search"} == {8}
    assert {n for (phase, *_), n in counts.items() if phase == "confirm"} == {7}


CLAIM = Claim(says="Soft targets help.", better="soft", than="scratch", margin=0.01)


@pytest.mark.parametrize("cut", [5, 12, 24, 26, 29, 40])
def test_at_a_look_only_what_open_claims_need_gets_more_replicates(cut: int) -> None:
    """And wherever the run is interrupted, the same runs follow."""
    made = study(replicates=Replicates(2, 21, looks=(7, 12, 16, 21)), claims=(CLAIM,))
    one = ("samples=20", "soft")
    needed = {7: {one, ("samples=50", "scratch")}, 12: {one}, 16: set[tuple[str, str]]()}
    asked: list[int] = []

    def needed_after(replicates: int) -> set[tuple[str, str]]:
        asked.append(replicates)
        return needed[replicates]

    schedule = Schedule(made, "digits", EMPTY, needed_after=needed_after)
    assert schedule.missing_runs() == 4 * (4 * 2 + 21)
    rows = drain(schedule)
    assert asked == [7, 12, 16]
    assert schedule.done
    assert (schedule.missing_runs(), schedule.spared) == (0, 2 * 14 + 9 + 5)
    counts = Counter((r["cell"], r["arm"]) for r in rows if r["phase"] == "confirm")
    assert sorted(counts.values()) == [7, 7, 12, 16]
    assert counts[one] == 16

    before = drain(Schedule(made, "digits", EMPTY, needed_after=needed_after), stop_after=cut)
    again = Schedule(made, "digits", frame(before), needed_after=needed_after)
    assert sorted(keys(before + drain(again))) == sorted(keys(rows))
    assert (again.done, again.spared) == (True, schedule.spared)


def test_confirmation_takes_the_best_and_fresh_replicates() -> None:
    schedule = Schedule(study(), "digits", EMPTY)
    rows = drain(schedule)
    for cell in ("samples=20", "samples=50"):
        own = [r for r in rows if r["cell"] == cell and r["arm"] == "soft"]
        search = [r for r in own if r["phase"] == "search"]
        best = max(search, key=lambda r: r["metric.val_accuracy"])
        confirm = [r for r in own if r["phase"] == "confirm"]
        assert {r["trial"] for r in confirm} == {best["trial"]}
        assert {r["config.learning_rate"] for r in confirm} == {best["config.learning_rate"]}
        assert {r["config.temperature"] for r in confirm} == {best["config.temperature"]}
        assert sorted(r["replicate"] for r in confirm) == list(range(1000, 1007))
    assert {r["replicate"] for r in rows if r["phase"] == "search"} == {0, 1}


def test_the_first_trial_is_the_default() -> None:
    schedule = Schedule(study(search={"learning_rate": LogFloat(1e-2, 1e-1)}), "digits", EMPTY)
    trial = schedule.next()
    assert trial is not None
    assert trial.config.learning_rate == 1e-2  # 3e-3, moved into the range


@pytest.mark.parametrize("cut", range(0, 30, 3))
def test_rows_are_all_that_a_new_driver_needs(cut: int) -> None:
    made = study()
    before = drain(Schedule(made, "digits", EMPTY), stop_after=cut)
    again = Schedule(made, "digits", frame(before))
    assert again.missing_runs() == 4 * 15 - len(before)
    added = drain(again)
    rows = before + added
    assert again.done
    assert len(set(keys(rows))) == len(rows) == 4 * 15
    before_added = Schedule(made, "digits", frame(before))
    assert all(map(before_added.has, before))
    assert not any(map(before_added.has, added))
    assert not again.has({**rows[0], "arm": "unknown"})


def test_a_new_driver_does_not_repeat_suggestions() -> None:
    made = study(factors={}, arms=("soft",), trials=30)
    before = drain(Schedule(made, "digits", EMPTY), stop_after=10)
    rows = before + drain(Schedule(made, "digits", frame(before)), stop_after=10)
    assert len({r["config.learning_rate"] for r in rows}) == 20


def test_the_same_seed_gives_the_same_suggestions() -> None:
    first = drain(Schedule(study(), "digits", EMPTY))
    again = drain(Schedule(study(), "digits", EMPTY))
    other = drain(Schedule(study(seed=1), "digits", EMPTY))
    assert [r["config.learning_rate"] for r in first] == [r["config.learning_rate"] for r in again]
    assert [r["config.learning_rate"] for r in first] != [r["config.learning_rate"] for r in other]


@pytest.mark.parametrize(
    ("more", "added"),
    [
        ({"trials": 6}, 4 * 2 * 2),
        ({"replicates": Replicates(search=2, confirm=9)}, 4 * 2),
        ({"factors": {"samples": (20, 50, 100)}}, 2 * 15),
        ({"arms": ("scratch", "soft", "scaled-ce")}, 2 * 15),
    ],
)
def test_more_adds_only_what_is_missing(more: dict[str, Any], added: int) -> None:
    before = drain(Schedule(study(), "digits", EMPTY))
    new = drain(Schedule(study(**more), "digits", frame(before)))
    assert not set(keys(new)) & set(keys(before))
    # More trials may find a better configuration, which is then confirmed afresh.
    search = [r for r in new if r["phase"] == "search"]
    confirm = [r for r in new if r["phase"] == "confirm"]
    if "trials" in more:
        assert len(search) == added
        assert len(confirm) % 7 == 0
    else:
        assert len(new) == added


def test_a_dropped_trial_is_handed_out_again() -> None:
    made = study(factors={}, arms=("soft",), trials=2)
    schedule = Schedule(made, "digits", EMPTY)
    trial = schedule.next()
    assert trial is not None
    schedule.drop(trial)
    rows = drain(schedule)
    assert schedule.done
    assert {r["trial"] for r in rows if r["phase"] == "search"} == {0, 1}


def test_failed_trials_count_and_never_win() -> None:
    made = study(factors={}, arms=("soft",), trials=3)
    schedule = Schedule(made, "digits", EMPTY)
    for number in range(3):
        trial = schedule.next()
        assert trial is not None
        rows = [ok(trial, 0, 0.9 if number == 1 else 0.2)]
        rows += (
            [without_result("s", "r", trial, 1, "failed", "nan").row]
            if number == 1
            else [ok(trial, 1, 0.2)]
        )
        frozen = schedule.finish(trial, rows)
        assert frozen is not None
        assert frozen.state == (TrialState.FAIL if number == 1 else TrialState.COMPLETE)
        assert frozen.user_attrs == {"trial": number}
    confirm = schedule.next()
    assert confirm is not None
    assert (confirm.phase, confirm.number) == ("confirm", 0)


def test_a_branch_of_failures_is_reported_and_ends() -> None:
    made = study(factors={}, arms=("soft",), trials=2)
    schedule = Schedule(made, "digits", EMPTY)
    for _ in range(2):
        trial = schedule.next()
        assert trial is not None
        schedule.finish(
            trial, [without_result("s", "r", trial, r, "failed", "x").row for r in (0, 1)]
        )
    assert schedule.next() is None
    assert schedule.done
    assert schedule.failed_searches() == ["all soft"]


def test_confirmation_waits_for_the_search_and_comes_in_blocks() -> None:
    made = study(factors={}, arms=("soft",), trials=2)
    schedule = Schedule(made, "digits", EMPTY)
    first, second = schedule.next(), schedule.next()
    assert first is not None
    assert second is not None
    assert schedule.next() is None
    schedule.finish(first, [ok(first, r, 0.5) for r in (0, 1)])
    assert schedule.next() is None
    assert not schedule.done
    schedule.finish(second, [ok(second, r, 0.4) for r in (0, 1)])
    blocks = [schedule.next(), schedule.next()]
    assert [len(b.replicates) for b in blocks if b] == [CONFIRM_BLOCK, 7 - CONFIRM_BLOCK]
    assert schedule.next() is None


def test_arms_without_a_teacher_come_first_until_a_run_ended_well() -> None:
    made = study(arms=("soft", "scratch"))
    schedule = Schedule(made, "digits", EMPTY)
    handed = [schedule.next() for _ in range(4)]
    assert [t.arm.name for t in handed if t] == ["scratch", "scratch", "soft", "soft"]
    before = drain(Schedule(made, "digits", EMPTY), stop_after=1)
    schedule = Schedule(made, "digits", frame(before))
    handed = [schedule.next() for _ in range(3)]
    assert [t.arm.name for t in handed if t] == ["soft", "soft", "scratch"]


@pytest.mark.parametrize("seed", range(4))
def test_the_next_trial_is_that_of_the_arm_with_fewest_running(seed: int) -> None:
    """The queues hand out what a search through all arms finds, also after trials are dropped."""
    order, made = random.Random(seed), study(arms=("soft", "scratch", "scaled-ce"), trials=7)
    schedule, running = Schedule(made, "digits", EMPTY), list[Trial]()
    searches = schedule._in_order
    while not schedule.done:
        counts = {
            s: sum(-(-len(left) // CONFIRM_BLOCK) for _, left in s.missing()) for s in searches
        }
        assert schedule.ready == sum(len(s.free()) + counts[s] for s in searches)
        late = {s: s.arm.needs_teacher and not schedule.worked for s in searches}
        free = [s for s in searches if s.free()]
        first = min(free, key=lambda s: (len(s.searching), len(s.ended), late[s]), default=None)
        phase = "confirm" if first is None else "search"
        first = first or next((s for s in searches if s.missing()), None)
        trial = schedule.next() if len(running) < 5 else None
        if trial is not None:
            assert first is not None
            assert (trial.cell, trial.arm, trial.phase) == (first.cell, first.arm, phase)
            running.append(trial)
        elif order.random() < 0.2:
            schedule.drop(running.pop(order.randrange(len(running))))
        else:
            ended = running.pop(order.randrange(len(running)))
            schedule.finish(ended, [ok(ended, r, good_near(ended)) for r in ended.replicates])
    assert schedule.ready == schedule.missing_runs() == 0


def test_concurrent_trials_spread_over_branches() -> None:
    schedule = Schedule(study(), "digits", EMPTY)
    handed = [schedule.next() for _ in range(4)]
    assert len({(t.cell.key, t.arm.name) for t in handed if t}) == 4


def test_hopeless_trials_are_given_up_and_good_ones_are_not() -> None:
    made = study(factors={}, arms=("soft",), trials=20)
    schedule = Schedule(made, "digits", EMPTY)
    given_up = []
    for number in range(20):
        trial = schedule.next()
        assert trial is not None
        value = 0.1 if number % 4 == 3 else 0.8 + number / 1000
        rows = [ok(trial, 0, value)]
        active = InFlightTrial(trial, {0: Record(rows[0], [])})
        reason = _RunningTrial.of(active.request()).should_prune()
        given_up.append(reason is not None)
        if reason is None:
            rows.append(ok(trial, 1, value))
        else:
            assert "validation accuracy 0.100 after 1 of 2 replicates is below 0.8" in reason
            rows.append(without_result("s", "r", trial, 1, "stopped", reason).row)
        frozen = schedule.finish(trial, rows)
        assert frozen is not None
        assert frozen.state == (TrialState.PRUNED if reason else TrialState.COMPLETE)
    # The first batch has nothing to be compared with.
    assert {n for n, gone in enumerate(given_up) if gone} == {7, 11, 15, 19}


def test_bars_are_the_lower_quartile_of_all_trials_of_earlier_batches() -> None:
    """Those that were given up count, with the last mean they had; those that failed do not."""
    made = study(factors={}, arms=("soft",), trials=30, replicates=Replicates(search=3, confirm=2))
    schedule, rng = Schedule(made, "digits", EMPTY), random.Random(0)
    means: list[list[float]] = []
    given_up = []
    for number in range(30):
        trial = schedule.next()
        assert trial is not None
        if number < 5:
            assert trial.pruning_thresholds == ()
        elif number % 5 == 0:
            table = pd.DataFrame(means).ffill(axis=1)
            wanted = table.quantile(0.25).tolist()
        if number >= 5:
            assert trial.pruning_thresholds == pytest.approx(wanted)
        if number == 7:
            failed = [without_result("s", "r", trial, r, "failed", "x").row for r in (1, 2)]
            schedule.finish(trial, [ok(trial, 0, 0.0), *failed])
            continue
        rows = run_through(trial, lambda replicate: rng.random())
        good = [row["metric.val_accuracy"] for row in rows if row["status"] == "ok"]
        means.append([good[0], sum(good[:2]) / 2 if len(good) > 1 else float("nan")])
        given_up.append(len(good) < 3)
        schedule.finish(trial, rows)
    assert any(math.isnan(last) for _, last in means)  # after the first replicate
    # Scores of one distribution: a bar that rose with every batch would stop most of them.
    assert sum(given_up[-15:]) <= 8


@pytest.mark.parametrize("minimise", [None, "parameters"])
def test_a_batch_is_asked_for_as_optuna_advises_where_none_is_told_yet(minimise: Any) -> None:
    made = study(factors={}, arms=("soft",), trials=12, minimise=minimise)
    before = drain(Schedule(made, "digits", EMPTY), stop_after=5)
    schedule = Schedule(made, "digits", frame(before))
    batch = [schedule.next() for _ in range(5)]
    arm_search = schedule._arm_searches["all", "soft", 0]

    def asked(constant_liar: bool) -> list[dict[str, Any]]:
        again = optuna.create_study(directions=directions(minimise))
        again.add_trials([arm_search.frozen(number) for number in range(5)])
        seed = derive(made.seed, 5, "search all") % 2**32
        again.sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=RANDOM_TRIALS, constant_liar=constant_liar
        )
        ranges = {name: distribution(space) for name, space in made.search.items()}
        return [again.ask(ranges).params for _ in range(5)]

    found = [{n: getattr(t.config, n) for n in made.search} for t in batch if t is not None]
    assert found == asked(constant_liar=True)
    assert found != asked(constant_liar=False)


def run_through(trial: Trial, value: Callable[[int], float]) -> list[Row]:
    """The rows of a trial as a worker makes them, one replicate after another."""
    work = InFlightTrial(trial)
    for replicate in trial.replicates:
        reason = _RunningTrial.of(work.request()).should_prune()
        row = (
            ok(trial, replicate, value(replicate))
            if reason is None
            else without_result("s", "r", trial, replicate, "stopped", reason).row
        )
        work.records[replicate] = Record(row, [])
    return [record.row for record in work.records.values()]


def value(trial: Trial, replicate: int) -> float:
    """A score with its peak at a learning rate of 0.01, and some noise."""
    return good_near(trial) + derive(trial.number, replicate, trial.arm.name) % 1000 / 1e5


def suggestions(made: Study, rows: list[Row], order: random.Random, workers: int) -> list[Row]:
    """Rows of a run whose trials end in any order, a few at a time."""
    schedule = Schedule(made, "digits", frame(rows))
    live: list[Trial] = []
    rows = list(rows)
    while True:
        while len(live) < workers and (trial := schedule.next()) is not None:
            live.append(trial)
        if not live:
            return rows
        trial = live.pop(order.randrange(len(live)))
        new = run_through(trial, partial(value, trial))
        schedule.finish(trial, new)
        rows += new


@pytest.mark.parametrize("minimise", [None, "parameters"])
def test_the_same_table_on_any_number_of_workers_and_after_any_interruption(
    minimise: str | None,
) -> None:
    search = {**study().search, "batch_size": Int(8, 64)}
    made = study(trials=13, minimise=minimise, search=search)
    whole = suggestions(made, [], random.Random(0), 1)
    wanted = sorted(whole, key=lambda row: keys([row])[0])
    stopped = {row["trial"] for row in whole if row["status"] == "stopped"}
    assert bool(stopped) == (minimise is None)
    for seed in range(12):
        order = random.Random(seed)
        other = suggestions(made, [], order, 1 + seed)
        trials = sorted({key[:4] for key in keys(other)})
        kept = set(order.sample(trials, order.randrange(len(trials))))
        rest = [row for row, key in zip(other, keys(other), strict=True) if key[:4] in kept]
        resumed = suggestions(made, rest, order, 7)
        for rows in (other, resumed):
            assert sorted(rows, key=lambda row: keys([row])[0]) == wanted


def test_more_trials_are_those_of_a_larger_budget() -> None:
    few = suggestions(study(trials=7), [], random.Random(1), 3)
    searched = [row for row in few if row["phase"] == "search"]
    more = suggestions(study(trials=12), searched, random.Random(2), 3)
    whole = suggestions(study(trials=12), [], random.Random(3), 2)
    # What the baseline had chosen among fewer trials was tried too, and stays.
    weak = {row["trial"] for row in whole if row["trial"] >= FIRST_WEAK_TRIAL}
    more = [row for row in more if row["trial"] < FIRST_WEAK_TRIAL or row["trial"] in weak]
    assert sorted(map(repr, more)) == sorted(map(repr, whole))


def by_number(rows: list[Row], arm: str) -> dict[int, Row]:
    return {r["trial"]: r for r in rows if r["arm"] == arm and r["phase"] == "search"}


@pytest.mark.parametrize("order", [("scratch", "soft"), ("soft", "scratch")])
def test_arms_of_a_cell_get_the_same_values_until_tpe_takes_over(order: tuple[str, str]) -> None:
    """Also where only one of them reads a factor, and whatever else it searches."""
    made = study(
        factors={"samples": (20, 50), "temperature": (1.0, 4.0)},
        search={"learning_rate": LogFloat(1e-3, 1e-1), "weight_soft": Float(0.0, 4.0)},
        arms=order,
        trials=8,
    )
    rows = drain(Schedule(made, "digits", EMPTY))
    for samples in (20, 50):
        here = [row for row in rows if row["cell"].split(",")[0] == f"samples={samples}"]
        scratch = by_number(here, "scratch")
        for temperature in (1.0, 4.0):
            cell = f"samples={samples},temperature={temperature}"
            soft = by_number([row for row in here if row["cell"] == cell], "soft")
            for number in range(RANDOM_TRIALS):
                name = "config.learning_rate"
                assert scratch[number][name] == soft[number][name]
    first, second = (
        by_number([r for r in rows if r["cell"] == f"samples={k}"], "scratch") for k in (20, 50)
    )
    assert first[1]["config.learning_rate"] != second[1]["config.learning_rate"]


def test_the_last_trial_is_the_choice_of_the_baseline_with_weak_terms() -> None:
    made = study(
        search={
            "learning_rate": LogFloat(1e-3, 1e-1),
            "temperature": Float(1, 9),
            "weight_soft": Float(0, 4),
            "weight_features": LogFloat(0.1, 10),
            "scale_cross_entropy": Float(0.5, 20),
        },
        arms=("scaled-ce", "soft+features", "scratch"),
        trials=7,
    )
    rows = drain(Schedule(made, "digits", EMPTY))
    for cell in ("samples=20", "samples=50"):
        own = [row for row in rows if row["cell"] == cell]
        scratch = by_number(own, "scratch")
        assert sorted(scratch) == list(range(7))
        best = max(scratch.values(), key=lambda row: row["metric.val_accuracy"])
        for arm in ("scaled-ce", "soft+features"):
            found = by_number(own, arm)
            assert sorted(found) == [*range(6), FIRST_WEAK_TRIAL + best["trial"]]
            weak = found[FIRST_WEAK_TRIAL + best["trial"]]
            assert weak["config.learning_rate"] == best["config.learning_rate"]
            if arm == "scaled-ce":
                assert weak["config.scale_cross_entropy"] == 1  # the cross-entropy as it is
            else:
                assert weak["config.weight_soft"] == 0
                assert weak["config.weight_features"] == 0.1
                assert weak["config.temperature"] == 4  # the default


def test_an_arm_has_all_its_trials_where_the_baseline_chose_nothing() -> None:
    made = study(factors={}, trials=7)
    schedule = Schedule(made, "digits", EMPTY)
    rows: list[Row] = []
    while (trial := schedule.next()) is not None:
        fails = trial.arm.name == "scratch"
        new = [
            without_result("s", "r", trial, r, "failed", "x").row if fails else ok(trial, r, 0.5)
            for r in trial.replicates
        ]
        schedule.finish(trial, new)
        rows += new
    assert schedule.done
    assert sorted(by_number(rows, "soft")) == list(range(7))
    again = Schedule(made, "digits", frame(rows))
    assert again.done


def test_searches_are_independent_and_share_the_confirm_replicates() -> None:
    made = study(trials=8, replicates=Replicates(search=2, confirm=6, searches=3))
    schedule = Schedule(made, "digits", EMPTY)
    assert schedule.missing_runs() == 4 * (3 * 8 * 2 + 6)
    rows = drain(schedule)
    assert schedule.done
    assert len(set(keys(rows))) == len(rows) == 4 * (3 * 8 * 2 + 6)
    own = [r for r in rows if r["cell"] == "samples=20"]
    best, rates = {}, {}
    for arm, number in itertools.product(("scratch", "soft"), range(3)):
        here = [r for r in own if (r["arm"], r["search"]) == (arm, number)]
        assert {r["trial"] // TRIALS_PER_SEARCH for r in here} == {number}
        search, confirm = (
            [r for r in here if r["phase"] == phase] for phase in ("search", "confirm")
        )
        assert {r["replicate"] for r in search} == {2 * number, 2 * number + 1}
        choice = max(search, key=lambda r: (r["metric.val_accuracy"], -r["trial"]))
        best[arm, number] = choice["trial"]
        assert {r["trial"] for r in confirm} == {best[arm, number]}
        assert [r["replicate"] for r in confirm] == [1000 + number, 1003 + number]
        third = number * TRIALS_PER_SEARCH + 2
        rates[arm, number] = next(r["config.learning_rate"] for r in search if r["trial"] == third)
    # Arms of a cell begin a search with the same values, searches with different ones.
    assert all(rates["scratch", n] == rates["soft", n] for n in range(3))
    assert len(set(rates.values())) == 3
    # The choice of the baseline that an arm tries is that of the search of the same number.
    weak = {r["trial"] for r in own if r["arm"] == "soft" and r["trial"] % TRIALS_PER_SEARCH > 8}
    assert weak == {best["scratch", n] + FIRST_WEAK_TRIAL for n in range(3)}
    # The tables alone say what was confirmed.
    table = frame(rows)
    chosen = best_trials(table)
    assert sorted(chosen[chosen.index == ("samples=20", "soft")]) == sorted(
        best["soft", n] for n in range(3)
    )
    assert len(confirmed(table)) == 4 * 6
    cut = Schedule(made, "digits", frame(rows[: len(rows) // 2]))
    assert len(drain(cut)) == len(rows) - len(rows) // 2
    assert Schedule(made, "digits", table).done


def test_an_arm_without_a_search_has_one_of_many() -> None:
    made = study(
        factors={},
        search={"temperature": Float(1, 9)},
        replicates=Replicates(search=2, confirm=6, searches=3),
    )
    rows = drain(Schedule(made, "digits", EMPTY))
    scratch = [r for r in rows if r["arm"] == "scratch"]
    assert (len(scratch), {r["search"] for r in scratch}) == (2 + 6, {0})


def test_arms_with_more_parameters_have_more_trials_if_the_study_says_so() -> None:
    made = study(factors={}, trials=3, trials_per_parameter=2)
    rows = drain(Schedule(made, "digits", EMPTY))
    assert (len(by_number(rows, "scratch")), len(by_number(rows, "soft"))) == (5, 7)


def test_choices_and_integers_survive_the_table() -> None:
    made = study(
        factors={},
        arms=("soft",),
        search={"optimizer": Choice("adam", "sgd"), "batch_size": Int(8, 64)},
        trials=6,
    )
    before = drain(Schedule(made, "digits", EMPTY), stop_after=6)
    trial = Schedule(made, "digits", frame(before)).next()
    assert trial is not None
    assert trial.phase == "confirm"
    assert type(trial.config.batch_size) is int
    assert trial.config.optimizer in ("adam", "sgd")


def test_running_means_follow_the_replicates() -> None:
    trial = Schedule(study(), "digits", EMPTY).next()
    assert trial is not None
    rows = [ok(trial, 1, 0.2), ok(trial, 0, 0.4)]
    assert running_means(rows) == [0.4, pytest.approx(0.3)]


def test_another_student_does_not_start_from_the_choice_of_the_baseline() -> None:
    made = study(
        setting=ClassicalToHybrid(),
        factors={"depth": (1, 2)},
        fixed={"reduction": "average"},
        arms=("scratch", "soft", "quadratic-student"),
    )
    rows = drain(Schedule(made, "digits", EMPTY))
    # It does not read the depth, so it has one cell where the baseline has two.
    assert {row["cell"] for row in rows if row["arm"] == "quadratic-student"} == {"all"}
    assert {row["arm"] for row in rows if row["trial"] >= FIRST_WEAK_TRIAL} == {"soft"}
