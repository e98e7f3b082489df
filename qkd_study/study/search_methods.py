"""Which samplers and pruners a study may name, and what of them fits together.

Nothing here imports Optuna: who hands over an object of its classes has imported it.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.common.names import unknown
from qkd_study.study.canonical import canonical
from qkd_study.study.replicates import Replicates
from qkd_study.study.space import Choice, Int, Range

#: Second objectives that a study may minimise, and their columns.
MINIMISED = {
    "parameters": "cost.parameters",
    "qubits": "config.qubits",
    "gates": "cost.gates",
}
#: Samplers by name, and what they do.
SAMPLERS = {
    "tpe": "Optuna's tree-structured Parzen estimator, seeded by batch",
    "random": "even draws, the same in all arms",
    "qmc": "scrambled Sobol points",
    "gp": "a Gaussian process with expected improvement",
    "cmaes": "CMA-ES; needs the package cmaes",
    "nsga2": "NSGA-II, a generation per batch",
    "grid": "every combination, in an order that the seed fixes",
    "brute-force": "every combination, drawn without replacement",
}
#: Pruners by name, and what they stop.
PRUNERS = {
    "quartile": "a mean below the lower quartile of the batches before",
    "none": "nothing",
    "dominated": "with two objectives: what is below the lower quartile of those not larger",
    "median": "a mean below the median, by Optuna",
    "percentile": "a mean below the lower quartile of complete trials, by Optuna",
    "successive-halving": "all but the best of each rung, by Optuna",
    "hyperband": "as successive halving, in several brackets, by Optuna",
    "wilcoxon": "what is worse than the best trial on the same replicates, by a signed-rank test",
}
#: Samplers that try every combination once.
EXHAUSTIVE = ("grid", "brute-force")
#: Search replicates from which a signed-rank test can stop a trial at p < 0.1 before its last.
LEAST_FOR_WILCOXON = 5


def check_method(what: str, given: object) -> Any:
    """A sampler or pruner: its name, or an object of Optuna's classes.

    Args:
        what: `sampler` or `pruner`.
        given: by the study.

    Raises:
        InputError: it is neither; the message says what is allowed.
    """
    known = SAMPLERS if what == "sampler" else PRUNERS
    base = f"Base{what.capitalize()}"
    if isinstance(given, str):
        if str(given) not in known:
            raise InputError(
                f"{unknown(what, given, known)} Or an object of a class of Optuna's {base}."
            )
        return str(given)
    kind = None if (optuna := sys.modules.get("optuna")) is None else optuna
    group = None if kind is None else getattr(kind, f"{what}s")
    if isinstance(given, type) or group is None or not isinstance(given, getattr(group, base)):
        hint = ""
        if isinstance(given, type):
            hint = f" That is a class: make an object of it, {given.__name__}(...)."
        raise InputError(
            f"{what} must be one of {', '.join(known)}, or an object of a class of Optuna's "
            f"{base}, but got {safe_repr(given)}.{hint}"
        )
    if type(given).__name__ in ("GridSampler", "BruteForceSampler"):
        name = "grid" if type(given).__name__ == "GridSampler" else "brute-force"
        raise InputError(
            f"{type(given).__name__} takes its points from the ranges of search: write "
            f"sampler={name!r}."
        )
    return given


class Declaration(Protocol):
    """The part of `qkd_study.study.study.Study` that this module uses."""

    @property
    def sampler(self) -> Any: ...
    @property
    def pruner(self) -> Any: ...
    @property
    def minimise(self) -> str | None: ...
    @property
    def replicates(self) -> Replicates: ...
    @property
    def search(self) -> Mapping[str, Range]: ...
    @property
    def teacher_search(self) -> Mapping[str, Range]: ...
    @property
    def teacher_trials(self) -> int: ...


def check_methods(study: Declaration) -> str | None:
    """Check that sampler and pruner fit the rest of a study; returns a warning, if any.

    Raises:
        InputError: they do not.
    """
    if study.sampler in EXHAUSTIVE:
        for where, space in (("search", study.search), ("teacher_search", study.teacher_search)):
            for name, given in space.items():
                if not isinstance(given, Choice | Int):
                    raise InputError(
                        f"sampler={study.sampler!r} tries every combination, but "
                        f"{where}[{name!r}] = {safe_repr(given)} has no finite number of values: "
                        f"make it Choice(...) or Int(...)."
                    )
        most = combinations(study.teacher_search)
        if study.teacher_search and study.teacher_trials > most:
            raise InputError(
                f"teacher_trials={study.teacher_trials} is more than the {most} combinations of "
                f"teacher_search that sampler={study.sampler!r} tries: set teacher_trials={most}."
            )
    if study.sampler == "cmaes" and importlib.util.find_spec("cmaes") is None:
        raise InputError(
            "sampler='cmaes' needs the package cmaes, which is not installed: pip install cmaes."
        )
    if study.pruner == "dominated" and study.minimise is None:
        raise InputError(
            f"pruner='dominated' compares trials of a second objective: set minimise to one of "
            f"{', '.join(MINIMISED)}, or choose pruner='quartile'."
        )
    optuna_prunes = study.pruner not in ("quartile", "none", "dominated")
    if study.minimise is not None:
        if study.sampler == "cmaes" or type(study.sampler).__name__ == "CmaEsSampler":
            raise InputError(
                f"CMA-ES has one objective, but minimise={study.minimise!r} is a second: choose "
                f"sampler='nsga2', 'tpe' or 'gp'."
            )
        if optuna_prunes:
            raise InputError(
                f"Optuna's pruners have one objective, but minimise={study.minimise!r} is a "
                f"second: choose pruner='dominated' or 'none'."
            )
    if optuna_prunes and study.replicates.search == 1:
        return (
            "pruner decides after a replicate whether the others are run, and Replicates(search=1) "
            "has no others: nothing is pruned."
        )
    if study.pruner == "wilcoxon" and study.replicates.search < LEAST_FOR_WILCOXON:
        return (
            f"pruner='wilcoxon' cannot stop a trial before its last replicate with "
            f"Replicates(search={study.replicates.search}): it needs at least "
            f"{LEAST_FOR_WILCOXON}."
        )
    return None


def check_minimise(given: object, replicates: Replicates) -> None:
    """Check a study's second objective.

    Raises:
        InputError: it is none of `MINIMISED`, or there are several searches.
    """
    if given is not None and not (isinstance(given, str) and str(given) in MINIMISED):
        raise InputError(
            f"minimise must be None or one of {', '.join(MINIMISED)}, but got {safe_repr(given)}."
        )
    if given is not None and replicates.searches > 1:
        raise InputError(
            f"minimise={given!r} confirms a front of one search, but got "
            f"Replicates(searches={replicates.searches}). Allowed with it: 1."
        )


def at_most(sampler: Any, trials: int, space: Mapping[str, Range], *, more: bool) -> int:
    """How many of so many trials there are: no more than a sampler has combinations.

    Args:
        sampler: of the study.
        trials: wanted.
        space: what is searched.
        more: whether one trial more is not the sampler's.
    """
    return min(trials, combinations(space) + more) if sampler in EXHAUSTIVE else trials


def combinations(space: Mapping[str, Range]) -> int:
    """How many combinations ranges have, of `Choice` and `Int` alone."""
    sizes = (
        len(r.values) if isinstance(r, Choice) else int(r.high) - int(r.low) + 1
        for r in space.values()
        if isinstance(r, Choice | Int)
    )
    return math.prod(sizes)


def described(method: Any) -> Any:
    """A sampler or pruner in a declaration: a name, or class and parameters without seeds.

    The seed of a study replaces that of its sampler.
    """
    return method if isinstance(method, str) else _without_seeds(canonical(method))


def _without_seeds(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {n: v for n, v in value.items() if n not in ("seed", "_seed", "_rng", "_cma_rng")}
        return {name: _without_seeds(inner) for name, inner in kept.items()}
    return [_without_seeds(inner) for inner in value] if isinstance(value, list) else value
