"""What makes two runs the same: a study as JSON, and a fingerprint of it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import json
import pickle
from collections.abc import Mapping
from typing import Any

from qkd_study.data import name_of
from qkd_study.study.config import PARAMETERS
from qkd_study.study.space import Range
from qkd_study.study.study import Study


def _range(space: Range) -> dict[str, Any]:
    return {"kind": type(space).__name__, **dataclasses.asdict(space)}


def described(value: Any) -> Any:
    """Any part of a declaration as JSON values: declared objects by kind, functions by source."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kept = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.compare}
        return {"kind": type(value).__name__, **{name: described(v) for name, v in kept.items()}}
    if isinstance(value, Mapping):
        return {str(name): described(v) for name, v in value.items()}
    if isinstance(value, tuple | list):
        return [described(v) for v in value]
    if isinstance(value, functools.partial):
        parts = {"args": described(value.args), "keywords": described(value.keywords)}
        return {"partial": described(value.func), **parts}
    if inspect.isfunction(value) or inspect.isclass(value):
        return _code(value)
    if callable(value) and hasattr(value, "__dict__"):
        return {"object": _code(type(value)), "state": described(vars(value))}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return _digest(pickle.dumps(value)) if hasattr(value, "tobytes") else repr(value)


def _digest(said: str | bytes) -> str:
    return hashlib.sha256(said.encode() if isinstance(said, str) else said).hexdigest()


def _code(value: Any) -> dict[str, Any]:
    """A function or class: its source, and what the source does not show."""
    try:
        source: str | bytes = inspect.getsource(value)
    except (OSError, TypeError):  # on a machine without the file
        code = getattr(value, "__code__", None)
        source = value.__qualname__ if code is None else code.co_code + repr(code.co_names).encode()
    found = {"function": value.__qualname__, "sha256": _digest(source)}
    if inspect.isfunction(value):
        cells = [cell.cell_contents for cell in value.__closure__ or () if _is_set(cell)]
        hidden = [*cells, *(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).items()]
        found |= {"values": described(hidden)} if hidden else {}
    return found


def _is_set(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def declaration(study: Study) -> dict[str, Any]:
    """A study as JSON values, every default spelt out."""
    return {
        "name": study.name,
        "question": study.question,
        "setting": described(study.setting),
        "datasets": [name_of(entry) for entry in study.datasets],
        "factors": {name: list(values) for name, values in study.factors.items()},
        "search": {name: _range(space) for name, space in study.search.items()},
        "fixed": {
            name: study.fixed.get(name, what.default)
            for name, what in PARAMETERS.items()
            if name not in study.factors and name not in study.search
        },
        "arms": {arm.name: described(arm) for arm in study.all_arms},
        "claims": described(study.claims),
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
