"""The schedule on a simulated clock, against times worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from qkd_study import Choice, Claim, Int, LogFloat, QuantumToQuantum, Replicates, Study
from qkd_study.data import load
from qkd_study.forecast.forecast import scenario
from qkd_study.forecast.measure import Cost
from qkd_study.forecast.simulate import Machine, simulate
from qkd_study.forecast.workload import (
    ArmCost,
    EvenSuggestions,
    RunCost,
    TeacherCost,
    Workload,
    workload_of,
)

FAST = Machine(
    cpus=1,
    driver=0.0,
    bundle=0.0,
    bundle_seconds=0.0,
    start=0.0,
    apart=0.0,
    warm=0.0,
    end=0.0,
    slowdown=1.0,
)


def work(
    trials: int,
    *,
    cells: int = 1,
    search: int = 1,
    confirm: int = 2,
    seconds: float = 1.0,
    test: float = 0.0,
    teachers: tuple[TeacherCost, ...] = (),
    outputs: float = 0.0,
) -> Workload:
    """A study of one arm, all of whose runs cost the same."""
    study = Study(
        question="?",
        factors={"samples": range(20, 20 + cells)},
        search={"learning_rate": LogFloat(1e-3, 1e-1)},
        arms=("scratch",),
        trials=trials,
        replicates=Replicates(search, confirm),
    )
    cost = RunCost(seconds, seconds + test, len(teachers) - 1 if teachers else None, outputs)
    (arm,) = study.all_arms
    arms = {
        (cell.key, arm.name): ArmCost(
            EvenSuggestions.of_arm(study, "digits", cell, arm), (cost,) * trials, cost
        )
        for cell in study.cells()
    }
    return Workload(study, "digits", arms, teachers)


def on(cpus: int, of: Workload, **changes: Any) -> float:
    return simulate(of, replace(FAST, cpus=cpus, **changes)).wall


def test_one_cpu_adds_everything_up() -> None:
    of = work(3, search=2, confirm=4, seconds=1.5, test=0.25)
    assert on(1, of) == pytest.approx(3 * 2 * 1.5 + 4 * 1.75)
    assert on(1, of, start=8.0, end=2.0, slowdown=2.0) == pytest.approx(10 + 2 * 16.0)
    assert on(1, of, driver=0.1, storage=0.05) == pytest.approx(16.0 + (3 + 1) * 0.15)


def test_trials_that_reserve_two_cpus_use_half_the_workers() -> None:
    of = work(5, cells=2, search=2, confirm=4)
    assert on(4, of, per_trial=2) == on(2, of)


def test_workers_start_one_after_the_other() -> None:
    of = work(5, cells=2, confirm=2)  # ten trials, then two blocks of 2 s
    assert on(10, of, apart=0.5) == pytest.approx(0.5 * 5 + 1 + 2)  # six do all ten
    assert on(10, of, apart=50.0) == 10 + 4  # the first has done all when the second starts
    # Ten workers take 1.5 s for their first run and no more for the second.
    assert on(10, of, warm=0.5) == 1.5 + 2


def test_batches_wait_and_blocks_run_in_a_row() -> None:
    assert on(100, work(5)) == 1 + 2  # two confirm replicates are one block
    assert on(100, work(6)) == 2 + 2  # the sixth trial waits for the first five
    assert on(100, work(10)) == 2 + 2
    assert on(100, work(11)) == 3 + 2
    assert on(4, work(5)) == 2 + 2
    assert on(100, work(1, confirm=12)) == 1 + 5  # blocks of 5, 5 and 2 beside each other
    assert on(2, work(1, confirm=12)) == 1 + 7


def test_claims_that_all_stop_at_the_first_look_save_the_later_ones() -> None:
    claim = Claim(says="?", better={"samples": 21}, than={"samples": 20}, arm="scratch", margin=0.1)
    of = work(1, cells=2)
    looks = of.study.replaced(replicates=Replicates(1, 20, looks=(5, 20)), claims=(claim,))
    of = replace(of, study=looks)
    one = replace(FAST, cpus=1)
    assert simulate(of, one).runs == 2 * (1 + 20)
    assert simulate(of, one, least=True).runs == 2 * (1 + 5)
    assert simulate(of, replace(FAST, cpus=100)).wall == 1 + 5 + 5  # the second look waits


def test_cells_fill_the_cpus_in_turn() -> None:
    many = work(6, cells=4)
    found = simulate(many, replace(FAST, cpus=4))
    assert found.wall == pytest.approx(4 * 6 / 4 + 4 * 2 / 4)
    assert (found.trials, found.runs, found.peak) == (4 * 7, 4 * 8, 4)
    assert found.busy == pytest.approx(4 * 8)


def test_the_driver_handles_one_trial_at_a_time() -> None:
    many = work(1, cells=50, confirm=5, seconds=0.01)
    found = simulate(many, replace(FAST, cpus=1000, driver=0.5))
    assert found.wall == pytest.approx(100 * 0.5, abs=0.1)
    assert found.driver == pytest.approx(50.0)


def test_short_trials_are_handed_out_in_bundles() -> None:
    many = work(5, cells=400, confirm=5, seconds=0.02)  # 2,400 trials, 80 s
    fast = replace(FAST, cpus=2, bundle=0.05)
    alone = simulate(many, fast)
    assert alone.driver == pytest.approx(2400 * 0.05)
    assert alone.wall > 2400 * 0.05
    found = simulate(many, replace(fast, bundle_seconds=2.0))
    # 64 at most, while there are four times as many to hand out.
    assert 2400 / 64 * 0.05 < found.driver < 2400 / 32 * 0.05
    assert found.wall < 1.1 * 80 / 2
    few = simulate(work(5, cells=4, seconds=0.02), replace(fast, cpus=10, bundle_seconds=2.0))
    assert few.peak == 10  # nobody is given so much that others have nothing


def test_trials_that_are_reported_together_share_a_file() -> None:
    machine = replace(FAST, bundle_seconds=2.0)
    assert simulate(work(5, cells=2), machine).files == (10, 2)  # of a second each
    # Nineteen trials make two seconds: files of 5, 5, 5 and 4. A block takes more than half a one.
    search, confirm = simulate(work(5, cells=400, confirm=5, seconds=0.11), machine).files
    assert 2000 / 5 < search < 2000 / 19 * 4 + 10
    assert confirm == 400


def test_a_teacher_is_trained_once_and_waited_for() -> None:
    of = work(1, cells=3, confirm=2, teachers=(TeacherCost(10.0, 3.0),), outputs=0.5)
    found = simulate(of, replace(FAST, cpus=3))
    # Search: all wait for the teacher of replicate 0. Confirm: one trains and tests the teacher of
    # each replicate; the others wait for both.
    assert found.wall == pytest.approx(10 + 0.5 + 1 + 2 * (10 + 0.5 + 1 + 3))
    assert found.teachers == 3
    assert found.teaching == pytest.approx(3 * 10 + 2 * 3)
    assert found.waiting == pytest.approx(3 * 2 * 10 + 2 * 2 * 3)
    assert found.busy == pytest.approx(9 * 1.5 + 36)
    assert on(3, of.with_free_teachers()) == pytest.approx(3 * 1.5)


def test_a_process_asks_a_teacher_once() -> None:
    of = work(4, confirm=2, teachers=(TeacherCost(0.0, 0.0),), outputs=0.5)
    assert on(1, of) == pytest.approx(4 + 0.5 + 2 * 1.5)


def test_generations_are_trained_one_after_the_other() -> None:
    chain = (TeacherCost(2.0, 0.0), TeacherCost(3.0, 0.0, before=0))
    of = work(1, search=2, confirm=2, teachers=chain)
    found = simulate(of, FAST)
    assert (found.teachers, found.teaching) == (8, 4 * 5.0)
    assert found.wall == pytest.approx(4 * (5 + 1))


def test_later_trials_are_given_up_now_and_then() -> None:
    found = simulate(work(4005, search=3), FAST, seed=1)
    # Of 4000 trials: 1/4 have one run, 3/16 two, 9/16 three.
    expected = 15 + 4000 * (1 / 4 + 2 * 3 / 16 + 3 * 9 / 16) + 2
    assert found.runs == pytest.approx(expected, rel=0.02)
    assert simulate(work(5, search=3), FAST).runs == 17
    assert simulate(work(400, search=3), FAST, seed=1) != simulate(
        work(400, search=3), FAST, seed=2
    )


@pytest.mark.parametrize(
    ("of", "machine", "bottleneck"),
    [
        (work(5, cells=40), replace(FAST, cpus=4), "cpus"),
        (work(5, cells=40, seconds=0.01), replace(FAST, cpus=500, driver=0.1), "driver"),
        (work(5, cells=40, seconds=0.01), replace(FAST, cpus=500, storage=0.1), "storage"),
        (
            work(5, cells=40, teachers=(TeacherCost(50.0, 0.0),)),
            replace(FAST, cpus=500),
            "teachers",
        ),
        (work(50, cells=4), replace(FAST, cpus=500), "chain"),
    ],
)
def test_the_bottleneck_is_what_helps_most(of: Workload, machine: Machine, bottleneck: str) -> None:
    assert scenario(of, machine).bottleneck == bottleneck


@pytest.mark.parametrize("minimise", [None, "parameters", "qubits"])
@pytest.mark.filterwarnings("ignore:.* is searched on accuracy alone")
def test_every_trial_costs_what_its_configuration_does(minimise: str | None) -> None:
    """Numbers, configurations and rows of the real schedule fit those that were drawn."""
    study = Study(
        question="?",
        setting=QuantumToQuantum(),
        search={"epochs": Int(2, 40), "qubits": Choice(2, 3, 4)},
        arms=("scratch",),
        minimise=minimise,
        trials=12,
        replicates=Replicates(search=3, confirm=12),
    )
    cost = Cost(1.0, 0.5, 0.0, 0.0, 0.25, 0.0, 0.0)
    of = workload_of(study, load("digits"), lambda training: cost)
    (arm,) = of.arms.values()
    assert {cost.seconds for cost in arm.trials} == {
        1 + 0.5 * config.epochs for config in arm.suggestions.configs
    }
    suggestions = arm.suggestions
    asked = [suggestions.config(v) for v in suggestions.ask(range(5, 10)).values()]
    assert asked == suggestions.configs[5:10]
    found = simulate(of, replace(FAST, cpus=3))
    assert found.trials == 12 + 3
    whole = 3 * sum(cost.seconds for cost in arm.trials) + 12 * arm.confirmed.confirm
    # None is given up: replicates of one batch are not, nor is anything with two objectives.
    assert found.runs == 3 * 12 + 12
    assert found.busy == pytest.approx(whole)
