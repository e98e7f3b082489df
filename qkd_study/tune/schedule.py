"""What to run next: Optuna's suggestions for every cell and arm, then their confirmation.

The schedule knows nothing of Ray. It is rebuilt from the rows of a run whenever a driver starts, so
rows are all that must survive a crash; Optuna's in-memory studies follow from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import optuna
import pandas as pd
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial
from optuna.trial import Trial as OptunaTrial

from qkd_study.results import Row, mean_score, score
from qkd_study.seeds import derive
from qkd_study.study.arms import Arm
from qkd_study.study.config import PARAMETERS, Value
from qkd_study.study.plan import Trial
from qkd_study.study.space import Choice, Float, Int, LogFloat, Range
from qkd_study.study.study import Cell, Study

#: Confirm replicates that are scheduled together: few enough to spread, enough to pay the overhead.
CONFIRM_BLOCK = 5
#: Trials of a cell and arm that are drawn at random before TPE takes over.
RANDOM_TRIALS = 5
#: A trial goes on while its mean so far is among this share of the trials before it.
KEPT_PERCENT = 75.0


def distribution(space: Range) -> BaseDistribution:
    """Optuna's word for a range."""
    match space:
        case Float(low, high):
            return FloatDistribution(low, high)
        case LogFloat(low, high):
            return FloatDistribution(low, high, log=True)
        case Int(low, high):
            return IntDistribution(low, high)
        case Choice(values):
            return CategoricalDistribution(values)


def _default(name: str, space: Range) -> Value:
    """The parameter's default, moved into the range if it lies outside."""
    value = PARAMETERS[name].default
    if isinstance(space, Choice):
        return value if value in space.values else space.values[0]
    number = space.low if value is None else float(value)
    number = min(max(number, space.low), space.high)
    return int(number) if isinstance(space, Int) else float(number)


@dataclass
class Branch:
    """The search in one cell and arm.

    Attributes:
        scores: validation scores by replicate, of every trial that ended, by number.
        broken: numbers of trials of which a replicate was stopped or failed.
        confirmed: confirm replicates that have a row, by number of the trial.
        live: what is being run now.
    """

    cell: Cell
    arm: Arm
    trials: int
    optuna: optuna.Study
    ranges: dict[str, BaseDistribution]
    scores: dict[int, dict[int, float]] = field(default_factory=dict)
    broken: set[int] = field(default_factory=set)
    confirmed: dict[int, set[int]] = field(default_factory=dict)
    live: list[Trial] = field(default_factory=list)
    asked: dict[int, OptunaTrial] = field(default_factory=dict)

    @property
    def searching(self) -> set[int]:
        """Numbers of the search trials that are being run."""
        return {trial.number for trial in self.live if trial.phase == "search"}

    def free_number(self) -> int | None:
        """The smallest number that no trial has yet; `None` if the budget is used up."""
        taken = self.scores.keys() | self.searching
        return next((n for n in range(self.trials) if n not in taken), None)

    def best(self) -> int | None:
        """The number of the complete trial with the highest mean score, the first of equals."""
        means = {n: mean_score(s.values()) for n, s in self.scores.items() if n not in self.broken}
        return min(means, key=lambda n: (-means[n], n), default=None)


class Schedule:
    """Hands out trials and takes in their rows.

    Args:
        study: what to run; kept as an attribute.
        dataset: its name, for the configurations.
        rows: the rows of the run so far; empty at its beginning.
    """

    def __init__(self, study: Study, dataset: str, rows: pd.DataFrame) -> None:
        self.study = study
        self._dataset = dataset
        self._pruner = optuna.pruners.PercentilePruner(
            KEPT_PERCENT, n_startup_trials=RANDOM_TRIALS, n_warmup_steps=0
        )
        self._branches = {
            (cell.key, arm.name): self._branch(cell, arm)
            for cell in study.cells()
            for arm in study.all_arms
        }
        groups = ["cell", "arm", "phase", "trial"]
        key: Any
        for key, group in rows.groupby(groups, sort=True):
            cell_key, arm_name, phase, number = key
            branch = self._branches.get((cell_key, arm_name))
            if branch is not None:
                records: list[Any] = group.to_dict("records")
                self._recall(branch, phase, int(number), records)
        for branch in self._branches.values():
            # A sampler restarts its random stream with its seed: move on with what is known.
            seed = derive(study.seed, len(branch.scores), f"{branch.cell.key}/{branch.arm.name}")
            branch.optuna.sampler = optuna.samplers.TPESampler(
                seed=seed % 2**32, n_startup_trials=RANDOM_TRIALS
            )
            if 0 not in branch.scores:
                space = study.space(branch.arm)
                branch.optuna.enqueue_trial({n: _default(n, r) for n, r in space.items()})

    def _branch(self, cell: Cell, arm: Arm) -> Branch:
        ranges = {name: distribution(r) for name, r in self.study.space(arm).items()}
        memory = optuna.create_study(direction="maximize", pruner=self._pruner)
        return Branch(cell, arm, self.study.trials_of(arm), memory, ranges)

    def _recall(self, branch: Branch, phase: str, number: int, rows: list[Row]) -> None:
        if phase == "confirm":
            branch.confirmed.setdefault(number, set()).update(row["replicate"] for row in rows)
            return
        wanted = set(self.study.replicates.of_search)
        if wanted <= {row["replicate"] for row in rows} or any(r["status"] != "ok" for r in rows):
            self._remember(branch, number, rows)
            branch.optuna.add_trial(self._frozen(branch, number, rows))

    def _remember(self, branch: Branch, number: int, rows: Iterable[Row]) -> None:
        values = {row["replicate"]: score(row) for row in rows}
        branch.scores[number] = {r: v for r, v in values.items() if v is not None}
        if None in values.values():
            branch.broken.add(number)

    def _frozen(self, branch: Branch, number: int, rows: list[Row]) -> FrozenTrial:
        """A finished trial as Optuna keeps it."""
        state = self._state(rows)
        means = running_means([row for row in rows if row["status"] == "ok"])
        params = {
            n: _python(rows[0][f"config.{n}"], n, self.study.search[n]) for n in branch.ranges
        }
        return create_trial(
            state=state,
            value=means[-1] if means and state != TrialState.FAIL else None,
            params=params,
            distributions=branch.ranges,
            intermediate_values=dict(enumerate(means)),
            user_attrs={"trial": number},
        )

    @staticmethod
    def _state(rows: Iterable[Row]) -> TrialState:
        statuses = {row["status"] for row in rows}
        if "failed" in statuses:
            return TrialState.FAIL
        return TrialState.PRUNED if "stopped" in statuses else TrialState.COMPLETE

    def next(self) -> Trial | None:
        """The next trial to run; `None` if all that is left waits for trials that are running."""
        trial = self._next_search() or self._next_confirm()
        if trial is not None:
            self._branch_of(trial).live.append(trial)
        return trial

    @property
    def done(self) -> bool:
        """Whether nothing is left to run and nothing is running."""
        return not any(b.live for b in self._branches.values()) and not self._has_more()

    def _has_more(self) -> bool:
        return any(b.free_number() is not None or self._missing(b) for b in self._branches.values())

    def missing_runs(self) -> int:
        """How many declared runs have no row yet."""
        per_search, per_confirm = (
            len(self.study.replicates.of_search),
            self.study.replicates.confirm,
        )
        count = 0
        for branch in self._branches.values():
            open_ = branch.trials - sum(n < branch.trials for n in branch.scores)
            count += open_ * per_search
            count += per_confirm if open_ else len(self._missing(branch))
        return count

    @property
    def most_trials(self) -> int:
        """The largest number of search trials that a cell and arm has had."""
        return max((n + 1 for b in self._branches.values() for n in b.scores), default=0)

    def _branch_of(self, trial: Trial) -> Branch:
        return self._branches[trial.cell.key, trial.arm.name]

    def _next_search(self) -> Trial | None:
        open_ = [b for b in self._branches.values() if b.free_number() is not None]
        if not open_:
            return None
        # Fewest running first, so that suggestions see results; then fewest done: round-robin.
        branch = min(open_, key=lambda b: (len(b.searching), len(b.scores)))
        number = branch.free_number()
        assert number is not None
        asked = branch.optuna.ask(branch.ranges)
        branch.asked[number] = asked
        config = self.study.config(branch.cell, branch.arm, asked.params, self._dataset)
        replicates = tuple(self.study.replicates.of_search)
        return Trial("search", branch.cell, branch.arm, number, config, replicates)

    def _missing(self, branch: Branch) -> list[int]:
        """Confirm replicates of the best trial that are neither done nor running."""
        best = branch.best()
        if best is None or branch.free_number() is not None or branch.searching:
            return []
        taken = set(branch.confirmed.get(best, ()))
        taken.update(r for t in branch.live if t.number == best for r in t.replicates)
        return [r for r in self.study.replicates.of_confirm if r not in taken]

    def _next_confirm(self) -> Trial | None:
        for branch in self._branches.values():
            missing = self._missing(branch)
            if missing:
                best = branch.best()
                assert best is not None
                chosen = self._params(branch, best)
                config = self.study.config(branch.cell, branch.arm, chosen, self._dataset)
                block = tuple(missing[:CONFIRM_BLOCK])
                return Trial("confirm", branch.cell, branch.arm, best, config, block)
        return None

    @staticmethod
    def _params(branch: Branch, number: int) -> dict[str, Value]:
        trials = branch.optuna.get_trials(deepcopy=False)
        return next(t.params for t in trials if t.user_attrs.get("trial") == number)

    def give_up(self, trial: Trial, scores: list[float]) -> str | None:
        """Why a search trial should stop after these scores of its first replicates, or `None`."""
        asked = self._branch_of(trial).asked.get(trial.number)
        if trial.phase != "search" or asked is None or len(scores) == len(trial.replicates):
            return None
        mean = mean_score(scores)
        asked.report(mean, len(scores) - 1)
        if not asked.should_prune():
            return None
        return (
            f"validation accuracy {mean:.3f} after {len(scores)} of {len(trial.replicates)} "
            f"replicates is below the best {KEPT_PERCENT:g} % of the trials before it"
        )

    def finish(self, trial: Trial, rows: list[Row]) -> FrozenTrial | None:
        """Take in the rows of a trial that ended, and tell Optuna.

        Returns:
            The finished trial as Optuna keeps it, for a search trial.
        """
        branch = self._branch_of(trial)
        branch.live.remove(trial)
        if trial.phase == "confirm":
            done = branch.confirmed.setdefault(trial.number, set())
            done.update(row["replicate"] for row in rows)
            return None
        self._remember(branch, trial.number, rows)
        asked = branch.asked.pop(trial.number)
        asked.set_user_attr("trial", trial.number)
        means = running_means([row for row in rows if row["status"] == "ok"])
        state = self._state(rows)
        branch.optuna.tell(asked, means[-1] if state == TrialState.COMPLETE else None, state=state)
        return self._frozen(branch, trial.number, rows)

    def drop(self, trial: Trial) -> None:
        """Forget a trial that was handed out and will not end; it will be handed out again."""
        branch = self._branch_of(trial)
        branch.live.remove(trial)
        asked = branch.asked.pop(trial.number, None) if trial.phase == "search" else None
        if asked is not None:
            branch.optuna.tell(asked, state=TrialState.FAIL)

    def finished(self) -> Iterator[tuple[str, str, FrozenTrial]]:
        """Cell, arm and Optuna's record of every search trial that has its rows."""
        for branch in self._branches.values():
            for trial in branch.optuna.get_trials(deepcopy=False):
                if trial.state.is_finished() and "trial" in trial.user_attrs:
                    yield branch.cell.key, branch.arm.name, trial

    def failed_branches(self) -> list[str]:
        """Cells and arms whose search ended without a complete trial."""
        return [
            f"{b.cell.key} {b.arm.name}"
            for b in self._branches.values()
            if b.free_number() is None and not b.searching and b.best() is None
        ]


def running_means(rows: list[Row]) -> list[float]:
    """The mean score after the first replicate, the first two, ..., in order of replicates."""
    values = [score(row) or 0.0 for row in sorted(rows, key=lambda row: row["replicate"])]
    return [mean_score(values[: i + 1]) for i in range(len(values))]


def _python(value: Any, name: str, space: Range) -> Value:
    """A searched value as it was suggested, from a table that may have made it a float."""
    if isinstance(space, Choice):
        return next(v for v in space.values if v == value)
    return int(value) if PARAMETERS[name].kind == "int" else float(value)
