"""Suggestions of any sampler of Optuna, in batches that can be repeated.

Unlike TPE, which is seeded anew for every batch, other samplers keep a state: the place in a
sequence, a covariance, a population. So a search has one sampler, seeded by the study, and after an
interruption all earlier batches are asked for again, in the same order, before the next one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.trial import Trial as OptunaTrial

from qkd_study.common.errors import InputError, format_error
from qkd_study.common.seeds import derive, seeded_globals
from qkd_study.search.samplers import make_sampler
from qkd_study.search.suggestions import RANDOM_TRIALS, EndedTrial, TpeSuggestions, directions
from qkd_study.study.arms import ARMS, Arm
from qkd_study.study.branches import branch
from qkd_study.study.config import PARAMETERS, Config
from qkd_study.study.parameters import Parameter, Value
from qkd_study.study.search_methods import EXHAUSTIVE, combinations
from qkd_study.study.space import Range
from qkd_study.study.study import Cell, Study
from qkd_study.study.teacher_search import TeacherSearch

#: Samplers whose first trials are their own: a sequence with gaps would not be even.
_FROM_THE_FIRST = (*EXHAUSTIVE, "qmc")


class SamplerSuggestions(TpeSuggestions):
    """Suggestions of a sampler by name, or of one of the study file.

    The first trials are those of TPE: the defaults, then values that arms share. `random` draws all
    trials in this way; `qmc`, `grid` and `brute-force` none.

    Args:
        method: the sampler; see `study.search_methods`.
        batch: configurations that are suggested at once.
        space, make, seed, purpose, minimise, known: see `TpeSuggestions`.
    """

    def __init__(
        self,
        method: Any,
        batch: int,
        space: Mapping[str, Range],
        make: Callable[[Mapping[str, Value]], Config],
        *,
        seed: int,
        purpose: str,
        minimise: str | None = None,
        known: Mapping[str, Parameter] = PARAMETERS,
    ) -> None:
        super().__init__(space, make, seed=seed, purpose=purpose, minimise=minimise, known=known)
        self._method, self._batch, self._directions = method, batch, directions(minimise)
        self._history: list[tuple[int, EndedTrial]] = []
        self._most = combinations(space) if method in EXHAUSTIVE else None
        self._begin()

    def _begin(self) -> None:
        self._asked: dict[int, OptunaTrial] = {}
        self._optuna = optuna.create_study(
            directions=self._directions,
            sampler=make_sampler(
                self._method,
                self._ranges,
                seed=derive(self._seed, 0, self._purpose),
                batch=self._batch,
                random_trials=RANDOM_TRIALS,
            ),
        )

    def ask(self, batch: range) -> dict[int, dict[str, Value]]:
        """See `Suggestions`.

        Raises:
            InputError: a sampler of the study file fails.
        """
        if self._asked:  # of the same batch, which has more trials now: its state has moved on
            history, self._history = self._history, []
            self._begin()
            for number, ended in history:
                self.tell(number, ended)
        with self._own_code(batch.start):
            for number in batch:
                if self._is_drawn(number, batch):
                    self._optuna.enqueue_trial(self._drawn(number))
                self._asked[number] = self._optuna.ask(self._ranges)
        return {number: dict(self._asked[number].params) for number in batch}

    def _is_drawn(self, number: int, batch: range) -> bool:
        if self._most is not None and number >= self._most:  # all combinations have been tried
            return True
        if self._method == "random":
            return True
        own = isinstance(self._method, str) and self._method in _FROM_THE_FIRST
        return not own and (number < RANDOM_TRIALS or batch.start == 0)

    def tell(self, number: int, ended: EndedTrial) -> None:
        """See `Suggestions`."""
        if number not in self._asked:  # of a batch before the driver started
            self.ask(range(number, number + self._batch))
        self._history.append((number, ended))
        with self._own_code(-1 - number):
            super().tell(number, ended)

    @contextlib.contextmanager
    def _own_code(self, place: int) -> Any:
        """Around calls of a sampler, which may be of the study file."""
        try:
            with seeded_globals(derive(self._seed, place % 2**32, f"{self._purpose} sampler")):
                yield
        except RuntimeError as error:
            # An exhaustive sampler ends its study with the last combination.
            if not (self._most is not None and "Study.stop" in str(error)):
                raise _failed(self._method, error) from None
        except InputError:
            raise
        except Exception as error:
            raise _failed(self._method, error) from None


def _failed(method: Any, error: Exception) -> InputError:
    name = repr(method) if isinstance(method, str) else type(method).__name__
    return InputError(f"sampler={name} failed: {format_error(error)}.")


def suggestions_of_arm(
    study: Study, dataset: str, cell: Cell, arm: Arm, number: int = 0
) -> TpeSuggestions:
    """The suggestions for an arm in a cell; all arms begin with the same ones.

    Args:
        study, dataset, cell, arm: what is searched.
        number: of the search: each begins with others.
    """
    # The cells of all arms that are compared have in common what every arm reads.
    common = branch(study, cell, ARMS["scratch"])
    return _suggestions(
        study,
        study.space(arm),
        lambda values: study.config(cell, arm, values, dataset),
        purpose=f"search {common.key}" + (f" {number}" if number else ""),
        minimise=study.minimise,
    )


def suggestions_of_teacher(study: Study, dataset: str, search: TeacherSearch) -> TpeSuggestions:
    """The suggestions for a teacher; teachers of all kinds begin with the same ones."""
    return _suggestions(
        study,
        search.space,
        lambda values: search.config(study, values, dataset),
        purpose=f"teacher {search.cell.key}",
        minimise=None,
    )


def _suggestions(
    study: Study,
    space: Mapping[str, Range],
    make: Callable[[Mapping[str, Value]], Config],
    *,
    purpose: str,
    minimise: str | None,
) -> TpeSuggestions:
    common: dict[str, Any] = {
        "seed": study.seed,
        "purpose": purpose,
        "minimise": minimise,
        "known": study.parameters,
    }
    if study.sampler == "tpe" or not space:
        return TpeSuggestions(space, make, **common)
    return SamplerSuggestions(study.sampler, study.batch, space, make, **common)
