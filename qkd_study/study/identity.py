"""What makes two runs the same: a study as JSON, and a fingerprint of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from qkd_study.data import name_of
from qkd_study.study.canonical import canonical
from qkd_study.study.config import PARAMETERS
from qkd_study.study.space import Range
from qkd_study.study.study import Study

#: The rule by which a search gives configurations up (`tune.branch`). By another rule, the same
#: declaration and seed may lead to other trials. 1: compared with complete trials alone.
SEARCH_RULE = 2


def _range(space: Range) -> dict[str, Any]:
    return {"kind": type(space).__name__, **canonical(dataclasses.asdict(space))}


def declaration(study: Study) -> dict[str, Any]:
    """A study as JSON values, every default spelt out."""
    return {
        "name": study.name,
        "question": study.question,
        "setting": canonical(study.setting),
        "datasets": [name_of(entry) for entry in study.datasets],
        "factors": {name: list(values) for name, values in study.factors.items()},
        "search": {name: _range(space) for name, space in study.search.items()},
        "fixed": {
            name: study.fixed.get(name, what.default)
            for name, what in PARAMETERS.items()
            if name not in study.factors and name not in study.search
        },
        "arms": {arm.name: canonical(arm) for arm in study.all_arms},
        "claims": canonical(study.claims),
        "trials": study.trials,
        "batch": study.batch,
        "minimise": study.minimise,
        "replicates": dataclasses.asdict(study.replicates),
        "trial_cpus": study.trial_cpus,
        "trial_memory": study.trial_memory,
        "seed": study.seed,
    }


#: What may differ between two declarations whose rows belong into one table: how much is run.
_AMOUNTS = ("question", "datasets", "trials", "replicates", "arms", "claims")
#: And where it runs.
_RESOURCES = ("trial_cpus", "trial_memory")


def fingerprint(study: Study, dataset_digest: str) -> str:
    """A hash of all that a row's meaning depends on, beyond what the row says itself.

    Trials, confirm replicates, factor values and arms are left out: more of them extend a run.
    """
    left_out = (*_AMOUNTS, *_RESOURCES)
    kept: dict[str, Any] = {k: v for k, v in declaration(study).items() if k not in left_out}
    kept["factors"] = list(kept["factors"])  # their order is that of the cells' names
    kept["search_replicates"] = study.replicates.search
    kept["data"] = dataset_digest
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
