"""What makes two runs the same: a study as JSON, and a fingerprint of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from qkd_study.study.config import PARAMETERS
from qkd_study.study.space import Range
from qkd_study.study.study import Study


def _range(space: Range) -> dict[str, Any]:
    return {"kind": type(space).__name__, **dataclasses.asdict(space)}


def declaration(study: Study) -> dict[str, Any]:
    """A study as JSON values, every default spelt out."""
    return {
        "name": study.name,
        "question": study.question,
        "setting": {"kind": study.setting.kind, **dataclasses.asdict(study.setting)},
        "datasets": list(study.datasets),
        "factors": {name: list(values) for name, values in study.factors.items()},
        "search": {name: _range(space) for name, space in study.search.items()},
        "fixed": {
            name: study.fixed.get(name, what.default)
            for name, what in PARAMETERS.items()
            if name not in study.factors and name not in study.search
        },
        "arms": {arm.name: list(arm.terms) for arm in study.all_arms},
        "trials": study.trials,
        "replicates": dataclasses.asdict(study.replicates),
        "seed": study.seed,
    }


#: What may differ between two declarations whose rows belong into one table: how much is run.
_AMOUNTS = ("question", "datasets", "trials", "replicates", "arms")


def fingerprint(study: Study, dataset_digest: str) -> str:
    """A hash of all that a row's meaning depends on, beyond what the row says itself.

    Trials, confirm replicates, factor values and arms are left out: more of them extend a run.
    """
    kept: dict[str, Any] = {k: v for k, v in declaration(study).items() if k not in _AMOUNTS}
    kept["factors"] = list(kept["factors"])  # their order is that of the cells' names
    kept["search_replicates"] = study.replicates.search
    kept["data"] = dataset_digest
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
