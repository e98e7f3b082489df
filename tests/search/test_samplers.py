"""One contract for every sampler and every pruner, in the manner of Syne Tune's tests.

Whatever the number of workers and wherever the run is interrupted, the table is the same.
"""

from __future__ import annotations

import importlib.util
import random
import warnings
from typing import Any

import optuna
import pandas as pd
import pytest
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler

from qkd_study import Choice, Int, LogFloat, Replicates, Study
from qkd_study.common.errors import InputError, StudyWarning
from qkd_study.results import RUNS, Row, without_result
from qkd_study.search.dominance import DominancePruning
from qkd_study.search.method_checks import try_methods
from qkd_study.search.schedule import Schedule
from qkd_study.study.identity import declaration, fingerprint
from qkd_study.study.search_methods import EXHAUSTIVE, PRUNERS, SAMPLERS
from qkd_study.study.trial import Trial
from qkd_study.tune.in_flight import InFlightTrial
from qkd_study.tune.worker import _RunningTrial

optuna.logging.set_verbosity(optuna.logging.ERROR)
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
FINITE = {"batch_size": Int(8, 10), "learning_rate": Choice(1e-3, 5e-3, 1e-2, 1e-1)}


class Climber(BaseSampler):
    """A sampler of one's own: near the best so far, with global and own generators."""

    def __init__(self) -> None:
        self.own = random.Random()

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: Any, trial: Any, name: str, space: Any) -> Any:
        share = (self.own.random() + random.random()) / 2
        if isinstance(space, optuna.distributions.FloatDistribution):
            return float(space.low * (space.high / space.low) ** share)
        return space.low + int(share * (space.high - space.low + 1))


class Stopper(optuna.pruners.BasePruner):
    """A pruner of one's own."""

    def prune(self, study: Any, trial: Any) -> bool:
        return bool(trial.intermediate_values[trial.last_step] < 0.93)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    OBJECTS = [
        optuna.samplers.TPESampler(multivariate=True, n_startup_trials=2),
        optuna.samplers.QMCSampler(scramble=True, seed=3),
        optuna.samplers.NSGAIISampler(population_size=4),
        Climber(),
    ]
    STOPPERS = [
        optuna.pruners.PatientPruner(optuna.pruners.MedianPruner(n_startup_trials=2), 1),
        optuna.pruners.ThresholdPruner(lower=0.94),
        optuna.pruners.WilcoxonPruner(p_threshold=0.3),
        Stopper(),
    ]


def study(**changes: Any) -> Study:
    base: dict[str, Any] = {
        "question": "?",
        "factors": {"samples": (20,)},
        "search": {"learning_rate": LogFloat(1e-3, 1e-1), "batch_size": Int(4, 40)},
        "arms": ("scratch", "soft"),
        "trials": 12,
        "batch": 4,
        "replicates": Replicates(search=6, confirm=2),
    }
    return Study(**{**base, **changes})


def ended(trial: Trial) -> list[Row]:
    """Rows of a trial as a worker makes them, with scores that follow from trial and replicate."""
    running = _RunningTrial.of(InFlightTrial(trial).request())
    rows: list[Row] = []
    while running.left:
        if (reason := running.should_prune()) is not None:
            rows += [
                without_result("s", "r", trial, r, "stopped", reason).row for r in running.left
            ]
            break
        replicate = running.left.popleft()
        noise = random.Random(f"{trial.cell.key} {trial.number} {replicate}").gauss(0, 0.01)
        value = (
            0.95 - abs(trial.config.learning_rate - 0.01) - 0.001 * trial.config.batch_size + noise
        )
        row = without_result("s", "r", trial, replicate, "ok", "").row
        size = {"cost.parameters": trial.config.batch_size}
        rows.append({**row, "metric.val_accuracy": value, "reason": None, **size})
        running.add(value, rows[-1])
    return rows


def run(made: Study, workers: int, cut: int, seed: int) -> list[tuple[Any, ...]]:
    """All rows of a run on so many workers, interrupted after every `cut` trials."""
    rng, rows = random.Random(seed), list[Row]()
    while True:
        table = pd.DataFrame(rows, columns=[column.name for column in RUNS])
        schedule, running, done = Schedule(made, "digits", table), list[Trial](), 0
        while not schedule.done and done < cut:
            while len(running) < workers and (trial := schedule.next()) is not None:
                running.append(trial)
            trial = running.pop(rng.randrange(len(running)))
            new = ended(trial)
            schedule.finish(trial, new)
            rows, done = rows + new, done + 1
        if schedule.done:
            break
    names = ("phase", "cell", "arm", "trial", "replicate", "status", "reason")
    values = [f"config.{name}" for name in made.search]
    return sorted(tuple(str(row[n]) for n in (*names, *values)) for row in rows)


def keeps_the_contract(made: Study) -> list[tuple[Any, ...]]:
    alone = run(made, 1, 10**9, 0)
    assert run(made, 3, 10**9, 1) == alone
    assert run(made, 3, 7, 2) == alone
    return alone


def searched(rows: list[tuple[Any, ...]], cell: str, arm: str) -> list[tuple[Any, ...]]:
    """The configurations that one search tried."""
    return [row[7:] for row in rows if row[:3] == ("search", cell, arm) and row[4] == "0"]


@pytest.mark.parametrize("sampler", [*SAMPLERS, *OBJECTS], ids=str)
def test_every_sampler_keeps_the_contract(sampler: Any) -> None:
    if sampler == "cmaes" and importlib.util.find_spec("cmaes") is None:
        pytest.skip("cmaes is not installed")
    finite = {"search": FINITE} if sampler in EXHAUSTIVE else {}
    slow = {"trials": 9, "search": {"learning_rate": LogFloat(1e-3, 1e-1)}}
    made = study(sampler=sampler, pruner="none", **finite, **(slow if sampler == "gp" else {}))
    try_methods(made)
    rows = keeps_the_contract(made)
    cell = made.cells()[0].key
    tried = searched(rows, cell, "scratch")
    assert len(tried) == made.trials_of(made.arm("scratch"))
    if sampler in EXHAUSTIVE:
        assert len(set(tried)) == len(tried) == 12
    elif sampler != "nsga2":  # whose children may be equal
        assert len(set(tried)) > len(tried) / 2
    others = study(sampler=sampler, pruner="none", seed=5, **finite)
    if sampler != "gp":
        assert searched(run(others, 1, 10**9, 0), cell, "scratch") != tried


@pytest.mark.parametrize("pruner", [p for p in (*PRUNERS, *STOPPERS) if p != "dominated"], ids=str)
def test_every_pruner_keeps_the_contract(pruner: Any) -> None:
    made = study(pruner=pruner)
    try_methods(made)
    rows = keeps_the_contract(made)
    stopped = [row for row in rows if row[5] == "stopped"]
    assert bool(stopped) == (pruner != "none")
    if stopped and pruner != "quartile":
        name = repr(pruner) if isinstance(pruner, str) else type(pruner).__name__
        assert all(row[6].startswith(f"the pruner {name} stops it at") for row in stopped)
    assert not any(int(row[3]) >= 1_000_000 for row in stopped)  # the baseline's configuration


@pytest.mark.parametrize("sampler", ["nsga2", "random", "tpe", "qmc", "gp"])
def test_samplers_with_two_objectives(sampler: str) -> None:
    trials = {"trials": 5} if sampler == "gp" else {}
    keeps_the_contract(study(sampler=sampler, minimise="parameters", **trials))


def test_with_two_objectives_only_trials_that_others_beat_are_stopped() -> None:
    made = study(minimise="parameters", pruner="dominated", trials=30)
    rows = keeps_the_contract(made)
    stopped = {row[3] for row in rows if row[5] == "stopped"}
    assert stopped
    sizes = {row[3]: int(row[8]) for row in rows if row[:3] == ("search", "samples=20", "scratch")}
    assert min(sizes, key=lambda n: (sizes[n], n)) not in stopped


def test_a_trial_is_compared_with_those_that_are_not_larger() -> None:
    earlier = tuple((float(size), (0.9, 0.8)) for size in (1, 1, 2, 2, 3, 9, 9))
    pruning = DominancePruning("cost.parameters", 75, 5, earlier)
    assert pruning.reason([0.89], 3, [3.0]) == (
        "validation accuracy 0.890 after 1 of 3 replicates is below 0.900, the lower quartile of "
        "the 5 trials of the batches before it that are not larger (cost.parameters of 3)"
    )
    assert pruning.reason([0.9], 3, [3.0]) is None
    assert pruning.reason([0.9, 0.69], 3, [3.0, 3.0]) is not None  # the mean of two is 0.795
    assert pruning.reason([0.1], 3, [2.0]) is None  # four to compare with


def test_random_draws_the_same_shared_values_in_all_arms() -> None:
    made = study(sampler="random", pruner="none")
    rows = run(made, 1, 10**9, 0)
    scratch = searched(rows, "samples=20", "scratch")
    soft = [row[7:] for row in rows if row[:3] == ("search", "samples=20", "soft")]
    # The last of soft is the baseline's best.
    assert len(set(scratch) - {(rate, size) for rate, size, *_ in soft}) <= 1


def test_searches_are_different() -> None:
    made = study(
        sampler=Climber(), pruner="none", replicates=Replicates(search=2, confirm=2, searches=2)
    )
    rows = run(made, 1, 10**9, 0)
    trials = [row for row in rows if row[:3] == ("search", "samples=20", "scratch")]
    first = {row[7:] for row in trials if int(row[3]) < 10_000_000}
    assert len({row[7:] for row in trials} - first) > 8


def test_a_declaration_names_class_and_parameters_but_no_seed() -> None:
    tpe = optuna.samplers.TPESampler
    one, other = study(sampler=tpe(seed=1)), study(sampler=tpe(seed=2))
    wider = study(sampler=tpe(seed=1, n_ei_candidates=99))
    assert declaration(one) == declaration(other)
    assert fingerprint(one, "") != fingerprint(wider, "")
    assert fingerprint(one, "") != fingerprint(study(), "")
    assert "TPESampler" in str(declaration(one)["sampler"])


class Unseedable(Climber):
    def sample_independent(self, study: Any, trial: Any, name: str, space: Any) -> Any:
        share = random.SystemRandom().random()
        return space.low + type(space.low)(share * (space.high - space.low))


class Broken(Climber):
    def sample_independent(self, study: Any, trial: Any, name: str, space: Any) -> Any:
        raise KeyError("width")


class BrokenPruner(optuna.pruners.BasePruner):
    def prune(self, study: Any, trial: Any) -> bool:
        raise ValueError("no rung")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampler": Unseedable()}, "sampler=Unseedable cannot be repeated: asked twice for trial"),
        ({"sampler": Broken()}, "sampler=Broken failed: KeyError"),
        ({"pruner": BrokenPruner()}, "pruner=BrokenPruner failed: ValueError: no rung"),
    ],
)
def test_own_methods_are_tried_before_anything_runs(changes: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        try_methods(study(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampler": "tpee"}, "unknown sampler 'tpee'. Did you mean 'tpe'"),
        ({"sampler": optuna.samplers.TPESampler}, "That is a class: make an object of it, TPESam"),
        ({"sampler": optuna.pruners.MedianPruner()}, "sampler must be one of tpe, random, qmc"),
        ({"pruner": 3}, "pruner must be one of quartile, none, dominated"),
        ({"sampler": "grid"}, r"sampler='grid' tries every combination, but search\['learning_rat"),
        ({"sampler": optuna.samplers.GridSampler({"batch_size": [1]})}, "write sampler='grid'"),
        (
            {"sampler": "grid", "search": FINITE, "teacher_search": {"teacher_epochs": Int(3, 5)}},
            "teacher_trials=10 is more than the 3 combinations of teacher_search",
        ),
        ({"pruner": "dominated"}, "pruner='dominated' compares trials of a second objective"),
        ({"pruner": "median", "minimise": "parameters"}, "Optuna's pruners have one objective"),
        ({"sampler": "cmaes", "minimise": "parameters"}, "CMA-ES has one objective, but|needs the"),
    ],
)
def test_what_a_study_may_not_declare(changes: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        study(**changes)


@pytest.mark.parametrize(
    ("pruner", "search", "message"),
    [("median", 1, "nothing is pruned"), ("wilcoxon", 4, "it needs at least 5")],
)
def test_pruners_that_cannot_stop_anything(pruner: str, search: int, message: str) -> None:
    with pytest.warns(StudyWarning, match=message):
        study(pruner=pruner, replicates=Replicates(search=search, confirm=2))
