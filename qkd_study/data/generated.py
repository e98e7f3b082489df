"""Datasets generated from fixed seeds, with classes that no linear model can separate.

In each, every class has the same mean. The numbers come from
`numpy.random.RandomState`, whose stream never changes (NEP 19), so that digests are stable.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qkd_study.data.dataset import Dataset, Ints

POOL, TEST = 12_000, 4_000
_SAMPLES = POOL + TEST

#: xor4: number of blocks, features of a block, and the height of a block's sign; noise has std 1.
BLOCKS, BLOCK, HEIGHT = 4, 16, 0.75
#: The others are in a plane: features into which it is mapped, their noise, and half its width.
FEATURES, NOISE, RADIUS = 16, 0.05, 3.0
#: spirals: arms, how often each winds around the centre, and where it begins, of the radius.
ARMS, TURNS, START = 3, 1, 0.15
#: checkerboard: squares along a side.
SQUARES = 4

_Doubles = NDArray[np.float64]


def load_xor4() -> Dataset:
    """Two exclusive ors under noise: 64 features, 3 classes, 12,000 + 4,000 samples.

    Each of 4 blocks of 16 features has a random sign s at height 0.75 on all of them, plus normal
    noise of standard deviation 1. The class is the number of negative products among s1 s2 and
    s3 s4. Classes have the probabilities 1/4, 1/2, 1/4: a guess is right half the time. Every class
    has mean 0, and so has every block alone; only products separate the classes.
    """
    rng = np.random.RandomState(4_001)
    signs = rng.randint(0, 2, (_SAMPLES, BLOCKS)) * 2 - 1
    x = np.repeat(HEIGHT * signs, BLOCK, axis=1) + rng.standard_normal((_SAMPLES, BLOCKS * BLOCK))
    negative = signs[:, ::2] * signs[:, 1::2] < 0
    return _dataset("xor4", x, negative.sum(axis=1), classes=3)


def load_spirals() -> Dataset:
    """Three interleaved spiral arms, one class each: 16 features, 12,000 + 4,000 samples.

    An arm winds once around the centre, its radius growing evenly from 0.45 to 3, in a plane that
    a fixed random orthogonal map lifts into 16 features, with normal noise of standard deviation
    0.05 on each. Their density is 1 / radius: then every arm has its mean in the centre.
    Class sizes differ by at most 1.
    """
    rng = np.random.RandomState(4_002)
    labels = rng.permutation(_SAMPLES) % ARMS
    radius = START ** (1 - rng.random_sample(_SAMPLES))  # in [START, 1], density 1 / radius
    angle = 2 * np.pi * (TURNS * (radius - START) / (1 - START) + labels / ARMS)
    plane = RADIUS * radius[:, None] * np.stack((np.cos(angle), np.sin(angle)), axis=1)
    return _dataset("spirals", _lift(plane, rng), labels, classes=ARMS)


def load_checkerboard() -> Dataset:
    """A 4x4 board, its two colours the classes: 16 features, 12,000 + 4,000 samples.

    Points are uniform on a board of sides 6, in a plane that is mapped as for the spirals. Classes
    have the probability 1/2 each.
    """
    rng = np.random.RandomState(4_003)
    board = SQUARES * rng.random_sample((_SAMPLES, 2))
    labels = np.floor(board).astype(np.int64).sum(axis=1) % 2
    plane = RADIUS * (2 * board / SQUARES - 1)
    return _dataset("checkerboard", _lift(plane, rng), labels, classes=2)


def _lift(plane: _Doubles, rng: np.random.RandomState) -> _Doubles:
    """Points (n, 2) as (n, 16): two random orthogonal directions, and noise around them."""
    first, second = rng.standard_normal((2, FEATURES))
    # By hand, because the last digits of LAPACK differ between machines.
    first /= np.sqrt((first**2).sum())
    second -= (first * second).sum() * first
    second /= np.sqrt((second**2).sum())
    noise = NOISE * rng.standard_normal((len(plane), FEATURES))
    lifted: _Doubles = plane[:, :1] * first + plane[:, 1:] * second + noise
    return lifted


def _dataset(name: str, x: _Doubles, labels: Ints, classes: int) -> Dataset:
    x32, y = x.astype(np.float32), labels.astype(np.int64)
    return Dataset(name, x32[:POOL], y[:POOL], x32[POOL:], y[POOL:], classes)
