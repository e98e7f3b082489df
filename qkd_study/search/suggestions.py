"""The source of configurations of a cell and arm: Optuna's TPE, in batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from optuna.trial import Trial as OptunaTrial

from qkd_study.common.seeds import derive, generator
from qkd_study.results import mean_score
from qkd_study.search.ranges import at_quantile, default_in, distribution
from qkd_study.study.config import PARAMETERS, Config
from qkd_study.study.parameters import Parameter, Value
from qkd_study.study.space import Range

#: Trials of a cell and arm that are drawn at random, the defaults first, before TPE takes over.
RANDOM_TRIALS = 5


@dataclass(frozen=True)
class EndedTrial:
    """A search trial that has its rows.

    Attributes:
        params: the suggested values.
        scores: of its successful replicates, in their order.
        minimised: the mean of what the study minimises, if anything.
    """

    state: TrialState
    params: dict[str, Value]
    scores: tuple[float, ...]
    minimised: float | None

    @cached_property
    def means(self) -> tuple[float, ...]:
        """The mean score after the first replicate, the first two, ..."""
        return tuple(mean_score(self.scores[: i + 1]) for i in range(len(self.scores)))

    @property
    def values(self) -> list[float] | None:
        """The objectives for Optuna; `None` if the trial is not complete."""
        if self.state != TrialState.COMPLETE:
            return None
        return [self.means[-1], *([] if self.minimised is None else [self.minimised])]

    def frozen(
        self, number: int, ranges: Mapping[str, BaseDistribution], *, prunes: bool
    ) -> FrozenTrial:
        """Optuna's record of the trial.

        Args:
            number: of the trial within its cell and arm.
            ranges: of the searched parameters.
            prunes: whether the study compares running means, which Optuna then gets too.
        """
        return create_trial(
            state=self.state,
            values=self.values,
            params=self.params,
            distributions=dict(ranges),
            intermediate_values=dict(enumerate(self.means)) if prunes else {},
            user_attrs={"trial": number},
        )


class Suggestions(Protocol):
    """The configurations of one cell and arm, for `Schedule`."""

    def ask(self, batch: range) -> Mapping[int, Mapping[str, Value]]:
        """The searched values of the trials of a batch, after `tell` for all trials before it."""

    def tell(self, number: int, ended: EndedTrial) -> None:
        """Use the result of a trial; called in the order of numbers."""

    def config(self, values: Mapping[str, Value]) -> Config:
        """The configuration with these searched values."""


class TpeSuggestions:
    """Suggestions of Optuna's tree-structured Parzen estimator (TPE), after a few random ones.

    Until TPE takes over, searches of equal seed and purpose get equal values of the parameters that
    they share, trial by trial: the first trial has the defaults, and each value of the others
    follows from the seed, the purpose, the trial's number and the parameter alone. TPE then follows
    the results of its own search, with random numbers of one seed in all of them.

    Args:
        space: what is searched.
        make: makes a configuration of searched values.
        seed: of the study.
        purpose: what the search has in common with others.
        minimise: the study's second objective, if any.
        known: the study's parameters, by name.
    """

    def __init__(
        self,
        space: Mapping[str, Range],
        make: Callable[[Mapping[str, Value]], Config],
        *,
        seed: int,
        purpose: str,
        minimise: str | None = None,
        known: Mapping[str, Parameter] = PARAMETERS,
    ) -> None:
        self._space, self._make, self._known = space, make, known
        self._seed, self._purpose, self._prunes = seed, purpose, minimise is None
        self._ranges = {name: distribution(space) for name, space in space.items()}
        self._optuna = optuna.create_study(directions=directions(minimise))
        self._asked: dict[int, OptunaTrial] = {}

    def ask(self, batch: range) -> dict[int, dict[str, Value]]:
        """See `Suggestions`."""
        seed = derive(self._seed, batch.start, self._purpose)
        self._optuna.sampler = optuna.samplers.TPESampler(
            seed=seed % 2**32,
            n_startup_trials=RANDOM_TRIALS,
            # The trials of a batch have no results yet: make them different.
            constant_liar=True,
        )
        for number in batch:
            if number < RANDOM_TRIALS or batch.start == 0:
                self._optuna.enqueue_trial(self._drawn(number))
            self._asked[number] = self._optuna.ask(self._ranges)
        return {number: dict(self._asked[number].params) for number in batch}

    def _drawn(self, number: int) -> dict[str, Value]:
        """The values of a trial before TPE takes over."""
        if number == 0:
            return {n: default_in(self._known[n], space) for n, space in self._space.items()}
        found = {}
        for name, space in self._space.items():
            rng = generator(self._seed, number, f"{self._purpose}/{name}")
            found[name] = at_quantile(space, rng.random())
        return found

    def tell(self, number: int, ended: EndedTrial) -> None:
        """See `Suggestions`."""
        asked = self._asked.pop(number, None)
        if asked is not None and asked.params == ended.params:
            for step, mean in enumerate(ended.means if self._prunes else ()):
                asked.report(mean, step)
            self._optuna.tell(asked, ended.values, state=ended.state)
            return
        if asked is not None:  # another version of Optuna suggested other values
            self._optuna.tell(asked, state=TrialState.FAIL)
        self._optuna.add_trial(ended.frozen(number, self._ranges, prunes=self._prunes))

    def config(self, values: Mapping[str, Value]) -> Config:
        """See `Suggestions`."""
        return self._make(values)


def directions(minimise: str | None) -> list[StudyDirection]:
    """The direction of each objective: of the score, and of what is minimised, if anything."""
    both = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
    return both if minimise else both[:1]
