"""A small version of a study, to see in a minute that all of it runs."""

from __future__ import annotations

from qkd_study.study.config import PARAMETERS
from qkd_study.study.replicates import Replicates
from qkd_study.study.study import Study

#: Epochs of the small version, at most.
EPOCHS = {"epochs": 20, "teacher_epochs": 15}
#: Factors with two values in the small version: the first ones.
FACTORS = 2
#: Confirm replicates of the small version, at most.
CONFIRM = 3


def quick(study: Study) -> Study:
    """Two values of two factors, one of the others, few trials, and few epochs if they are fixed.

    Searched epochs are searched, but those of teachers only if nothing else of them is.
    """
    tuned = dict(study.teacher_search)
    if len(tuned) > 1:
        tuned.pop("teacher_epochs", None)
    read = {n for n in EPOCHS for arm in study.all_arms if study.uses(arm, PARAMETERS[n])}
    free = (read | study.fixed.keys() & EPOCHS.keys()) - {*study.factors, *study.search, *tuned}
    epochs = {
        name: min(int(study.fixed.get(name, PARAMETERS[name].default or 1)), EPOCHS[name])
        for name in sorted(free)
    }
    factors = {
        name: tuple(values)[: 2 if i < FACTORS else 1]
        for i, (name, values) in enumerate(study.factors.items())
    }
    claims = [claim.within(factors) for claim in study.claims]
    return study.replaced(
        factors=factors,
        claims=tuple(claim for claim in claims if claim is not None),
        fixed={**study.fixed, **epochs},
        teacher_search=tuned,
        trials=min(study.trials, 2),
        teacher_trials=min(study.teacher_trials, 2),
        trials_per_parameter=0,
        replicates=Replicates(search=1, confirm=min(study.replicates.confirm, CONFIRM)),
    )
