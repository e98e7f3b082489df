"""Seeds: derived from a study's seed, a replicate, and the purpose of the random numbers."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


def derive(seed: int, replicate: int, purpose: str) -> int:
    """A seed below 2^63 for one purpose in one replicate, the same in every process."""
    digest = hashlib.sha256(f"{seed}/{replicate}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, replicate: int, purpose: str) -> np.random.Generator:
    """A NumPy generator for one purpose in one replicate."""
    return np.random.default_rng(derive(seed, replicate, purpose))


@contextmanager
def seeded_globals(seed: int) -> Iterator[None]:
    """Seed the global generators of NumPy and Python in a `with` block; restore them after it."""
    # Other packages draw from NumPy's legacy state.
    numpy, python = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        np.random.seed(derive(seed, 0, "numpy") % 2**32)  # noqa: NPY002
        random.seed(derive(seed, 0, "python"))
        yield
    finally:
        np.random.set_state(numpy)  # noqa: NPY002
        random.setstate(python)
