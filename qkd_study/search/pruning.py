"""Pruning that a worker decides, from the batches before alone: by Optuna's pruners or a front."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from qkd_study.results import mean_score

#: Pruners by name that are not Optuna's.
OWN_PRUNERS = ("quartile", "none", "dominated")
#: Optuna's pruners that keep nothing beside the reported values.
_STATELESS = (
    "MedianPruner",
    "PercentilePruner",
    "ThresholdPruner",
    "WilcoxonPruner",
    "NopPruner",
)


@dataclass(frozen=True)
class OptunaPruning:
    """Decides with a pruner of Optuna whether the rest of a search trial is run.

    The pruner sees a study of the trials of earlier batches, in the order of their numbers, and of
    this trial: its mean score after 1, 2, ... replicates at the steps 1, 2, ...; for a
    `WilcoxonPruner` the score of each replicate, as it compares the same replicates of two trials.
    So the decision is the same on any number of workers, and after any interruption.

    Attributes:
        pruner: its name, or an object of a class of Optuna's `BasePruner`.
        search: the name of the search.
        number: of the trial within its search.
        earlier: state (`optuna.trial.TrialState`) and scores of the trials of earlier batches.
    """

    column: ClassVar[str | None] = None  # it needs no size

    pruner: Any
    search: str
    number: int
    earlier: tuple[tuple[Any, tuple[float, ...]], ...]

    def begin(self) -> PruningTrial:
        """Begin with the trial, before its first replicate has ended."""
        return PruningTrial(self)


class PruningTrial:
    """A trial as a pruner of Optuna sees it.

    Args:
        pruning: says what comes before it.
    """

    def __init__(self, pruning: OptunaPruning) -> None:
        # Imported here: workers need Optuna for this only.
        import optuna

        pruner = make_pruner(pruning.pruner)
        inner = _innermost(pruner)
        self._single = isinstance(inner, optuna.pruners.WilcoxonPruner)
        method = pruning.pruner
        self._name = repr(method) if isinstance(method, str) else type(method).__name__
        self._reported = 0
        self._stops = False
        with _quiet():
            study = optuna.create_study(
                study_name=pruning.search,  # Hyperband chooses brackets by it
                direction="maximize",
                sampler=optuna.samplers.RandomSampler(seed=0),
                pruner=pruner,
            )
            for state, scores in pruning.earlier:
                value = mean_score(scores) if state == optuna.trial.TrialState.COMPLETE else None
                if type(inner).__name__ in _STATELESS:
                    steps = dict(enumerate(map(partial(self._value, scores), _steps(scores)), 1))
                    frozen = optuna.trial.create_trial(
                        state=state, value=value, intermediate_values=steps
                    )
                    study.add_trial(frozen)
                    continue
                trial = study.ask()
                for step in _steps(scores):
                    trial.report(self._value(scores, step), step)
                    trial.should_prune()  # successive halving notes the rungs of a trial here
                study.tell(trial, value, state=state)
            self._trial = study.ask()

    def _value(self, scores: Sequence[float], step: int) -> float:
        return scores[step - 1] if self._single else mean_score(scores[:step])

    def reason(
        self, scores: Sequence[float], replicates: int, sizes: Sequence[float] = ()
    ) -> str | None:
        """Why the rest of the trial is not run, if so.

        Args:
            scores: of its replicates so far, at least one; those of the call before come first.
            replicates: how many it is to have.
            sizes: not used.
        """
        with _quiet():
            for step in _steps(scores)[self._reported :]:
                self._trial.report(self._value(scores, step), step)
                self._stops = bool(self._trial.should_prune())
        self._reported = len(scores)
        if not self._stops:
            return None
        return (
            f"the pruner {self._name} stops it at a validation accuracy of "
            f"{mean_score(scores):.3f} after {len(scores)} of {replicates} replicates"
        )


def _steps(scores: Sequence[float]) -> range:
    return range(1, len(scores) + 1)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna's messages and warnings from the terminal."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(level)


def make_pruner(method: Any) -> Any:
    """Optuna's pruner for a name out of `study.search_methods.PRUNERS`; a copy of an object."""
    if not isinstance(method, str):
        return copy.deepcopy(method)
    from optuna import pruners
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        match method:
            case "median":
                return pruners.MedianPruner()
            case "percentile":
                return pruners.PercentilePruner(25.0)
            case "successive-halving":
                return pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
            case "hyperband":
                return pruners.HyperbandPruner(min_resource=1, reduction_factor=2)
            case _:
                return pruners.WilcoxonPruner()


def _innermost(pruner: Any) -> Any:
    """The pruner that a `PatientPruner` waits for: Optuna has no public name for it."""
    from optuna.pruners import BasePruner

    while held := [one for one in vars(pruner).values() if isinstance(one, BasePruner)]:
        (pruner,) = held
    return pruner
