"""Tries a study's own sampler and pruner before anything runs."""

from __future__ import annotations

import warnings
from typing import Any

from optuna.trial import TrialState

from qkd_study.common.errors import InputError, format_error
from qkd_study.search.pruning import OptunaPruning
from qkd_study.search.sampler_suggestions import SamplerSuggestions
from qkd_study.search.suggestions import RANDOM_TRIALS, EndedTrial
from qkd_study.study.study import Study

#: Batches that a sampler is tried on after those that are not its own.
_BATCHES = 2


def try_methods(study: Study) -> None:
    """Let a study's own sampler suggest twice, and its own pruner decide once.

    Names out of `SAMPLERS` and `PRUNERS` are known to work.

    Raises:
        InputError: one fails, or the sampler suggests other values the second time.
    """
    if not isinstance(study.sampler, str) and study.search:
        name = type(study.sampler).__name__
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            first, second = _suggested(study), _suggested(study)
        for number in first:
            if first[number] != second[number]:
                raise InputError(
                    f"sampler={name} cannot be repeated: asked twice for trial {number} after the "
                    f"same results, it suggested {first[number]} and then {second[number]}. A run "
                    f"that is interrupted could not go on. Let it draw from a generator without a "
                    f"seed of its own, such as self.rng = numpy.random.RandomState(): the study "
                    f"seeds it."
                )
    if not isinstance(study.pruner, str):
        earlier = tuple((TrialState.COMPLETE, (0.5 + n / 100,) * 3) for n in range(RANDOM_TRIALS))
        pruning = OptunaPruning(study.pruner, "try", RANDOM_TRIALS, earlier)
        try:
            decisions = [pruning.begin().reason([0.4, 0.5], 3) for _ in range(2)]
        except Exception as error:
            raise InputError(
                f"pruner={type(study.pruner).__name__} failed: {format_error(error)}."
            ) from None
        if decisions[0] != decisions[1]:
            raise InputError(
                f"pruner={type(study.pruner).__name__} decides differently, asked twice for the "
                f"same trial: a run could not be repeated. Let it decide from the study alone."
            )


def _suggested(study: Study) -> dict[int, Any]:
    """What a fresh sampler suggests, with scores that follow from the numbers of trials."""
    source = SamplerSuggestions(
        *(study.sampler, study.batch, study.search, dict),  # type: ignore[arg-type]
        seed=study.seed,
        purpose="try",
        minimise=study.minimise,
    )
    found: dict[int, Any] = {}
    batches = -(-RANDOM_TRIALS // study.batch) + _BATCHES
    for start in range(0, batches * study.batch, study.batch):
        values = source.ask(range(start, start + study.batch))
        found |= values
        for number in values:
            score = (number * 37 % 11) / 11
            size = None if study.minimise is None else float(number % 3)
            ended = EndedTrial(TrialState.COMPLETE, values[number], (score,), size)
            source.tell(number, ended)
    return found
