"""The datasets by name, and the choice among those that a study would accept."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from qkd_study.data import digits, fashion_mnist
from qkd_study.data.dataset import Dataset
from qkd_study.data.download import Progress
from qkd_study.errors import InputError


@dataclass(frozen=True)
class Source:
    """Where a dataset comes from.

    Attributes:
        available: whether it can be had, found out within seconds.
        fetch: makes it local; takes a progress function of bytes done and in all.
        load: reads and checks it.
    """

    about: str
    available: Callable[[], bool]
    fetch: Callable[[Progress], None]
    load: Callable[[], Dataset]


SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "fashion-mnist": Source(
            "28x28 images of clothing, 10 classes, 60,000 + 10,000",
            fashion_mnist.available,
            fashion_mnist.fetch,
            fashion_mnist.load_fashion_mnist,
        ),
        "digits": Source(
            "8x8 handwritten digits, 10 classes, 1,200 + 597; ships with scikit-learn",
            lambda: True,
            lambda progress: None,
            digits.load_digits,
        ),
    }
)


def source(name: str) -> Source:
    """The source called `name`.

    Raises:
        InputError: there is none.
    """
    if name not in SOURCES:
        raise InputError(f"unknown dataset {name!r}. Known datasets: {', '.join(SOURCES)}.")
    return SOURCES[name]


def choose(names: Sequence[str], progress: Progress = lambda done, total: None) -> tuple[str, str]:
    """The first of `names` that can be had, made local.

    Returns:
        Its name, and one line that says why it was chosen.

    Raises:
        InputError: a name is unknown, or none of them can be had.
    """
    missing: list[str] = []
    for name, candidate in [(name, source(name)) for name in names]:
        if not candidate.available():
            missing.append(f"{name} is not here and cannot be downloaded now")
            continue
        try:
            candidate.fetch(progress)
        except InputError as error:
            missing.append(str(error).rstrip("."))
            continue
        return name, f"dataset: {name}" + (f" ({'; '.join(missing)})" if missing else "")
    raise InputError(
        f"no dataset can be had: {'; '.join(missing)}. "
        f"Set QKD_STUDY_DATA to a folder with the files, or add 'digits' to the study's datasets."
    )


def terminal_progress(done: int, total: int) -> None:
    """Show a download on standard error."""
    share = f"{done / total:4.0%}" if total else f"{done / 1e6:.1f} MB"
    end = "\n" if done == total else ""
    print(f"\rdownloading {share}", end=end, file=sys.stderr, flush=True)


@functools.lru_cache(maxsize=2)
def load(name: str) -> Dataset:
    """The dataset, read once per process.

    Raises:
        InputError: it is unknown, missing or broken.
    """
    return source(name).load()
