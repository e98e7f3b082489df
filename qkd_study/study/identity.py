"""The identity of a run: the declaration of its study as JSON, and a fingerprint."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from qkd_study.data import name_of
from qkd_study.study.canonical import canonical
from qkd_study.study.config import PARAMETERS
from qkd_study.study.dataset_factor import DATASET
from qkd_study.study.parameters import Parameter
from qkd_study.study.search_methods import described
from qkd_study.study.space import Range
from qkd_study.study.study import Study

#: The version of the rules of suggestion and pruning (`search`): others lead to other trials for
#: the same declaration and seed. 1: pruned against complete trials alone; 2: every arm had
#: suggestions of its own.
SEARCH_RULE = 3


def _range(space: Range) -> dict[str, Any]:
    return {"kind": type(space).__name__, **canonical(dataclasses.asdict(space))}


def declaration(study: Study) -> dict[str, Any]:
    """A study as JSON values, with all defaults."""
    own = {"own_parameters": _own_parameters(study)} if study.own_parameters else {}
    return {
        "name": study.name,
        "question": study.question,
        "setting": canonical(study.setting),
        "datasets": [name_of(entry) for entry in study.datasets],
        "factors": {name: list(values) for name, values in study.factors.items()},
        "search": {name: _range(space) for name, space in study.search.items()},
        "fixed": {
            name: study.fixed.get(name, what.default)
            for name, what in study.parameters.items()
            if name not in (DATASET, *study.factors, *study.search, *study.teacher_search)
            # The default of a parameter of terms is in their arms, of which more extend a run.
            and (name in PARAMETERS or name in study.fixed or not what.terms)
        },
        **own,
        "arms": {arm.name: canonical(arm) for arm in study.declared_arms},
        "claims": canonical(study.claims),
        "teacher_search": {name: _range(space) for name, space in study.teacher_search.items()},
        "teacher_trials": study.teacher_trials if study.teacher_search else None,
        "trials": study.trials,
        "trials_per_parameter": study.trials_per_parameter,
        "batch": study.batch,
        "sampler": described(study.sampler),
        "pruner": described(study.pruner),
        "optimizer": canonical(study.optimizer),
        "minimise": study.minimise,
        "replicates": canonical(dataclasses.asdict(study.replicates)),
        "trial_cpus": study.trial_cpus,
        "trial_memory": study.trial_memory,
        "predictions": study.predictions,
        "weights": study.weights,
        "seed": study.seed,
    }


def _own_parameters(study: Study) -> dict[str, dict[str, Any]]:
    """What a study says of its own parameters, by name: what is not the default of `Parameter`."""
    kept = ("kind", "default", "meaning", "unit", "low", "high", "above", "choices", "terms")
    defaults = {f.name: f.default for f in dataclasses.fields(Parameter)}
    found = {}
    for name, what in study.own_parameters.items():
        said = {key: getattr(what, key) for key in kept}
        found[name] = {k: canonical(v) for k, v in said.items() if v != defaults[k]}
    return found


#: Entries that may differ between declarations of one run: they say how much is run.
_AMOUNTS = (
    *("question", "datasets", "trials", "trials_per_parameter"),
    *("replicates", "arms", "claims"),
    "own_parameters",  # they stand in the models and arms that declare them
)
#: Entries that say where it runs, and what is kept.
_RESOURCES = ("trial_cpus", "trial_memory", "predictions", "weights")
#: Entries that earlier versions lack, with what they did.
_BY_DEFAULT = {"sampler": "tpe", "pruner": "quartile", "optimizer": None}

#: Parameters that earlier versions lack; their default is what those did.
_LATER = (
    *("teacher_ansatz", "teacher_embedding"),
    *("shots", "test_shots", "gradient", "teacher_shots", "teacher_test_shots"),
    *("noise_scale", "noise_in", "teacher_noise_scale", "teacher_noise_in"),
    *("mitigation", "teacher_mitigation"),
)


def fingerprint(study: Study, dataset_digest: str) -> str:
    """A hash of everything that rows depend on and that is not in the row itself.

    Trials, confirm replicates, factor values and arms are left out: more of them extend a run.
    More trials of teachers do not: they may find another best teacher, and the students' rows are
    of the one that was the best before. Data that are a factor are named in the rows; that they
    are still the same is checked by `results.same_run`.
    """
    left_out = (*_AMOUNTS, *_RESOURCES)
    relevant: dict[str, Any] = {k: v for k, v in declaration(study).items() if k not in left_out}
    for name, default in _BY_DEFAULT.items():  # so that runs without these entries go on
        if relevant[name] == default:
            del relevant[name]
    relevant["fixed"] = {
        name: value
        for name, value in relevant["fixed"].items()
        if name not in _LATER or value != PARAMETERS[name].default
    }
    relevant["factors"] = list(relevant["factors"])  # their order is that of the cells' names
    relevant["search_replicates"] = study.replicates.search
    relevant["searches"] = study.replicates.searches
    if DATASET not in study.factors:
        relevant["data"] = dataset_digest
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()
