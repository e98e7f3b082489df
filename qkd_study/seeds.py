"""Where randomness comes from: a study's seed, a replicate, and what the numbers are for."""

from __future__ import annotations

import hashlib

import numpy as np


def derive(seed: int, replicate: int, purpose: str) -> int:
    """A seed below 2^63 for one purpose in one replicate, the same in every process."""
    digest = hashlib.sha256(f"{seed}/{replicate}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, replicate: int, purpose: str) -> np.random.Generator:
    """A NumPy generator for one purpose in one replicate."""
    return np.random.default_rng(derive(seed, replicate, purpose))
