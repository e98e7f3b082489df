"""Datasets of states that are computed, and kept in the cache with a checksum."""

from __future__ import annotations

import hashlib
import io
import json
from abc import ABC, abstractmethod
from importlib import metadata

import numpy as np
from numpy.typing import NDArray

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.common.paths import read_cached, write_cached
from qkd_study.common.progress import Progress
from qkd_study.common.python_values import as_python
from qkd_study.data.arrays import build
from qkd_study.data.dataset import Dataset, Floats, Ints
from qkd_study.data.declared_names import checked_name

MOST_QUBITS = 12
MOST_STATES = 100_000


class StateSet(ABC):
    """What computed datasets of states have in common; see `GroundStates` and `EvolvedStates`.

    A quarter of the states is the test set, as of `Arrays`. They are computed when they are first
    loaded, and read from the user's cache folder then.
    """

    # Fields of the declarations, which are dataclasses; each has its own order.
    qubits: int
    states: int
    seed: int
    name: str

    def available(self) -> bool:
        """Always."""
        return True

    def fetch(self, progress: Progress) -> None:
        """Do nothing: `load` computes."""
        return

    def load(self) -> Dataset:
        """The states, float32: (n, 2^qubits) if they are real, else (n, 2, 2^qubits)."""
        x, y = self._cached()
        who = f"dataset {self.name!r}"
        names = self._class_names()
        return build(who, self.name, (x, y), (None, None), divide_by=1, names=names)

    def parameters(self) -> NDArray[np.float64]:
        """What the states were computed from, a row each, before the test set is split off."""
        return self._drawn(np.random.RandomState(self.seed))[0]

    @abstractmethod
    def _class_names(self) -> tuple[str, ...]:
        """The names of the classes 0, 1, ..."""

    @abstractmethod
    def _drawn(self, rng: np.random.RandomState) -> tuple[NDArray[np.float64], Ints]:
        """Parameters (n, k) and classes (n,) of all states."""

    @abstractmethod
    def _computed(self, drawn: NDArray[np.float64], labels: Ints) -> Floats:
        """The states of drawn parameters and classes, as samples."""

    def _cached(self) -> tuple[Floats, Ints]:
        declared = vars(self) | {"name": None, "kind": type(self).__name__}
        versions = [metadata.version(package) for package in ("numpy", "scipy")]
        key = hashlib.sha256(json.dumps([declared, versions], sort_keys=True).encode()).hexdigest()
        file = f"states-{key[:32]}.npz"
        if (content := read_cached(file)) is not None:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return arrays["x"], arrays["y"]
        drawn, y = self._drawn(np.random.RandomState(self.seed))
        x = self._computed(drawn, y)
        written = io.BytesIO()
        np.savez(written, x=x, y=y)
        write_cached(file, written.getvalue())
        return x, y

    def _check(self, fewest: int, **others: tuple[int, int]) -> None:
        """Check the integers, of which `fewest` qubits are the least, and the name."""
        kind = type(self).__name__
        limits = {
            "qubits": (fewest, MOST_QUBITS),
            "states": (8, MOST_STATES),
            "seed": (0, 2**32 - 1),
            **others,
        }
        for field, (low, high) in limits.items():
            given = as_python(getattr(self, field))
            if isinstance(given, bool) or not isinstance(given, int) or not low <= given <= high:
                raise InputError(
                    f"{field} of {kind} must be an integer from {low:,} to {high:,}, but got "
                    f"{safe_repr(given)}."
                )
            object.__setattr__(self, field, given)
        object.__setattr__(self, "name", checked_name(kind, self.name))


def checked_range(
    kind: str, field: str, given: object, low: float, high: float
) -> tuple[float, float]:
    """Two increasing numbers between limits.

    Raises:
        InputError: they are not.
    """
    pair = as_python(given)
    pair = tuple(pair) if isinstance(pair, list | tuple) else ()
    real = all(isinstance(edge, float | int) and not isinstance(edge, bool) for edge in pair)
    if len(pair) != 2 or not real or not low <= pair[0] < pair[1] <= high:
        raise InputError(
            f"{field} of {kind} must be two increasing numbers from {low:g} to {high:g}, such as "
            f"({low + (high - low) / 10:g}, {high:g}), but got {safe_repr(given)}."
        )
    return float(pair[0]), float(pair[1])
