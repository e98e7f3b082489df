"""Seeds the random generators that code of a study's own uses, and restores them afterwards."""

from __future__ import annotations

import random
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from qkd_study.common.seeds import derive, seeded_globals
from qkd_study.compat import pennylane as devices

#: Packages whose functions and classes are not searched for generators.
_FOREIGN = ("qkd_study", "torch", "builtins")
#: Containers with more entries are not searched.
_MOST = 100
#: Layers of torch that draw random numbers.
_DROPOUT = (
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
    *(nn.AlphaDropout, nn.FeatureAlphaDropout),
)
Restore = Callable[[], object]


@contextmanager
def seeded(seed: int, owners: Iterable[object] = ()) -> Iterator[None]:
    """Seed all random generators in a `with` block, and restore them after it.

    These are the global generators of torch, of NumPy (`numpy.random.seed`) and of Python's
    `random`, and those that `generators` finds in `owners`.

    Args:
        seed: below 2^63.
        owners: models and functions of a study's own, or their generators.
    """
    restores: list[Restore] = []
    with seeded_globals(seed), torch.random.fork_rng(devices=[]):
        try:
            for number, found in enumerate(generators(owners)):
                restores.append(_set(found, derive(seed, number, "generator")))
            torch.manual_seed(seed)
            yield
        finally:
            for restore in reversed(restores):
                restore()


def seeded_where_drawn(seed: int, owners: Iterable[object | None]) -> AbstractContextManager[None]:
    """As `seeded`, but do nothing, in no time, if no code of a study's own can draw numbers."""
    owners = [owner for owner in owners if owner is not None]
    return seeded(seed, owners) if any(map(_may_draw, owners)) else nullcontext()


def _may_draw(owner: object) -> bool:
    if not isinstance(owner, torch.nn.Module):
        return True
    modules = list(owner.modules())
    return any(isinstance(m, _DROPOUT) or not _foreign(type(m)) for m in modules)


def generators(owners: Iterable[object]) -> list[Any]:
    """Find the random generators that models and functions hold or name, each once.

    They are found in attributes, containers, closures, defaults, and the global names used by
    functions and classes of the owners' modules: generators of NumPy, torch and Python, and
    PennyLane devices, whose shots are drawn by a generator of their own.
    """
    queue = list(owners)
    heads = [owner.func if isinstance(owner, partial) else owner for owner in queue]
    homes = {_home(head if _is_code(head) else type(head)) for head in heads}
    found: list[Any] = []
    seen: dict[int, object] = {}
    kinds = (np.random.Generator, np.random.RandomState, torch.Generator, random.Random)
    while queue:
        thing = queue.pop(0)
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing
        if isinstance(thing, kinds) or devices.draws_shots(thing):
            found.append(thing)
            continue
        kind = thing if _is_code(thing) else type(thing)
        at_home = _home(kind) in homes and not _foreign(kind)
        if at_home or kind is not thing:
            queue += _inside(thing)
        if at_home and kind is not thing:
            queue += [getattr(thing, "__dict__", None), kind]
    return found


def _inside(thing: object) -> list[object]:
    """The objects that an object holds or names."""
    match thing:
        case dict():
            return list(thing.values())
        case list() | tuple() | set() | frozenset():
            return list(thing) if len(thing) <= _MOST else []  # longer ones are data
        case types.FunctionType():
            cells = [cell.cell_contents for cell in thing.__closure__ or () if _filled(cell)]
            named = [thing.__globals__.get(name) for name in _names(thing.__code__)]
            return [*cells, *named, thing.__defaults__, thing.__kwdefaults__]
        case types.MethodType():
            return [thing.__func__, thing.__self__]
        case partial():
            return [thing.func, thing.args, thing.keywords]
        case type():
            return [*vars(thing).values(), *thing.__bases__]
        case staticmethod() | classmethod():
            return [thing.__func__]
        case property():
            return [thing.fget]
        case torch.nn.Module():
            return [vars(thing)]
    pennylane = sys.modules.get("pennylane")
    if pennylane is not None and isinstance(thing, pennylane.QNode):
        return [thing.device, thing.func]
    return []


def _is_code(thing: object) -> bool:
    return isinstance(thing, types.FunctionType | type)


def _home(thing: Any) -> str:
    """The module of a function or class."""
    return str(thing.__module__)


def _foreign(thing: Any) -> bool:
    return _home(thing).partition(".")[0] in _FOREIGN


def _names(code: types.CodeType) -> list[str]:
    """The names that code and the functions inside it use."""
    inner = (c for c in code.co_consts if isinstance(c, types.CodeType))
    return [*code.co_names, *(name for c in inner for name in _names(c))]


def _filled(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _set(found: Any, seed: int) -> Restore:
    """Seed a generator in place; returns the function that restores it."""
    if isinstance(found, np.random.Generator):
        bits: Any = found.bit_generator
        state = bits.state
        bits.state = type(bits)(seed).state
        return partial(setattr, bits, "state", state)
    if isinstance(found, np.random.RandomState):
        state = found.get_state()
        found.seed(seed % 2**32)
        return partial(found.set_state, state)
    if isinstance(found, torch.Generator):
        previous = found.get_state()
        found.manual_seed(seed)
        return partial(found.set_state, previous)
    if isinstance(found, random.Random):
        before = partial(found.setstate, found.getstate())
        found.seed(seed)
        return before
    rng = devices.generator(found)  # which the device may replace
    restore = _set(rng, seed)

    def back() -> None:
        restore()
        devices.set_generator(found, rng)

    return back
