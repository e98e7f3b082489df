"""Optuna's samplers for a search: made from a name, or copied from a study and seeded."""

from __future__ import annotations

import copy
import random
import types
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler

from qkd_study.common.seeds import derive

#: Seeds that samplers take.
_SEEDS = 2**32
#: Objects inside each other in which generators are looked for, at most.
_DEPTH = 8
_CODE = (type, types.FunctionType, types.MethodType, types.ModuleType)
_GENERATORS = (np.random.RandomState, np.random.Generator, random.Random)


def make_sampler(
    method: Any,
    ranges: Mapping[str, BaseDistribution],
    *,
    seed: int,
    batch: int,
    random_trials: int,
) -> BaseSampler:
    """A sampler that is seeded by `seed` alone.

    Args:
        method: a name out of `study.search_methods.SAMPLERS` but `tpe`, or a sampler.
        ranges: what is searched.
        seed: below 2^63.
        batch: configurations that are suggested at once.
        random_trials: those at the beginning that are not the sampler's.
    """
    if not isinstance(method, str):
        return reseeded(copy.deepcopy(method), seed)
    samplers, short = optuna.samplers, seed % _SEEDS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        match method:
            case "random":
                return samplers.RandomSampler(seed=short)
            case "qmc":
                return samplers.QMCSampler(scramble=True, seed=short)
            case "gp":
                return samplers.GPSampler(seed=short, n_startup_trials=random_trials)
            case "cmaes":
                return samplers.CmaEsSampler(
                    seed=short, n_startup_trials=random_trials, warn_independent_sampling=False
                )
            case "nsga2":
                return samplers.NSGAIISampler(seed=short, population_size=max(batch, 2))
            case "grid":
                points = {name: _values(range_) for name, range_ in ranges.items()}
                return samplers.GridSampler(points, seed=short)
            case _:
                return samplers.BruteForceSampler(seed=short)


def _values(space: BaseDistribution) -> list[Any]:
    if isinstance(space, CategoricalDistribution):
        return list(space.choices)
    assert isinstance(space, IntDistribution)
    return list(range(space.low, space.high + 1, space.step))


def reseeded(sampler: BaseSampler, seed: int) -> BaseSampler:
    """Seed all generators of NumPy and Python that a sampler holds, and its `seed` and `_seed`."""
    found: list[Any] = []
    _collect(sampler, found, set(), _DEPTH)
    for number, owner in enumerate(found):
        own = derive(seed, number, "sampler")
        if isinstance(owner, np.random.RandomState):
            owner.seed(own % _SEEDS)
        elif isinstance(owner, np.random.Generator):
            bits: Any = owner.bit_generator
            bits.state = type(bits)(own).state
        elif isinstance(owner, random.Random):
            owner.seed(own)
        else:
            for name in ("seed", "_seed"):
                if _is_seed(vars(owner).get(name, "")):
                    object.__setattr__(owner, name, own % _SEEDS)
    return sampler


def _is_seed(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _collect(thing: Any, found: list[Any], seen: set[int], depth: int) -> None:
    """The generators, and the objects with a seed, that an object holds, each once."""
    if id(thing) in seen or depth == 0:
        return
    seen.add(id(thing))
    if isinstance(thing, _GENERATORS):
        found.append(thing)
        return
    inside: list[Any] = []
    if isinstance(thing, Mapping):
        inside = list(thing.values())
    elif isinstance(thing, list | tuple | set | frozenset):
        inside = list(thing)
    elif hasattr(thing, "__dict__") and not isinstance(thing, _CODE):
        if type(thing).__name__ == "LazyRandomState":
            inside = [thing.rng]  # made now
        else:
            inside = [vars(thing)[name] for name in sorted(vars(thing))]
        found.append(thing)
    for one in inside:
        _collect(one, found, seen, depth - 1)
