"""The datasets of a study, named or declared, and the choice of the first available one."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.common.progress import Progress, no_progress
from qkd_study.common.terminal import is_live
from qkd_study.data.dataset import Dataset
from qkd_study.data.declared import Arrays, DataFile, DataSource, Subset, absence, file_of
from qkd_study.data.download import through
from qkd_study.data.sources import SOURCES, Source, named
from qkd_study.data.state_sets import StateSet

__all__ = [
    "SOURCES",
    "Source",
    "choose",
    "fetch_all",
    "load",
    "name_of",
    "source",
    "terminal_progress",
]


def source(entry: DataSource) -> Source | Subset | Arrays | DataFile | StateSet:
    """The object that fetches and loads an entry of a study's `datasets`.

    Raises:
        InputError: no dataset has this name, or it is neither a name nor a declaration.
    """
    if isinstance(entry, Subset | Arrays | DataFile | StateSet):
        return entry
    if not isinstance(entry, str):
        raise InputError(
            f"a dataset must be a name ({', '.join(SOURCES)}) or one of Subset(...), Arrays(...), "
            f"DataFile(...), GroundStates(...) and EvolvedStates(...), but got {safe_repr(entry)}."
        )
    return named(entry)


def name_of(entry: DataSource) -> str:
    """The name of an entry's dataset in rows.

    Raises:
        InputError: see `source`.
    """
    source(entry)
    return entry if isinstance(entry, str) else entry.name


def choose(
    entries: Sequence[DataSource], progress: Progress = no_progress
) -> tuple[DataSource, str]:
    """Choose the first of `entries` that is available, and fetch it.

    Args:
        entries: names and declarations, in order of preference.
        progress: called with the bytes done and the total of a download.

    Returns:
        The entry, and one line that says why it was chosen.

    Raises:
        InputError: an entry is not a dataset, or none is available.
    """
    missing: list[str] = []
    for entry, candidate in [(entry, source(entry)) for entry in entries]:
        why_not = _fetched(entry, candidate, progress)
        if why_not is None:
            name = name_of(entry)
            return entry, f"dataset: {name}" + (f" ({'; '.join(missing)})" if missing else "")
        missing.append(why_not)
    remedy = (
        "Set QKD_STUDY_DATA to a folder with the files, or add 'digits' to the study's datasets."
    )
    if all(map(file_of, entries)):
        remedy = "Check the path: a relative one is from the folder of the study file."
    raise InputError(f"no dataset can be had: {'; '.join(missing)}. {remedy}")


def fetch_all(entries: Sequence[DataSource], progress: Progress = no_progress) -> str:
    """Fetch all of `entries`: the values of the factor `dataset`.

    Args:
        entries, progress: as for `choose`.

    Returns:
        One line that names them.

    Raises:
        InputError: an entry is not a dataset, or not available.
    """
    fetched = [(entry, _fetched(entry, source(entry), progress)) for entry in entries]
    if missing := [why_not for _, why_not in fetched if why_not is not None]:
        there = [name_of(entry) for entry, why_not in fetched if why_not is None]
        raise InputError(
            f"every value of the factor dataset is run, but {'; '.join(missing)}. Set "
            f"QKD_STUDY_DATA to a folder with the files, or take it out of the factor, which "
            f"leaves {', '.join(there) or 'none'}."
        )
    return f"datasets: {', '.join(map(name_of, entries))}"


def _fetched(
    entry: DataSource, candidate: Source | Subset | Arrays | DataFile | StateSet, progress: Progress
) -> str | None:
    """Fetch an entry; returns why it cannot be had, if so."""
    if not candidate.available():
        return _absence(entry)
    try:
        candidate.fetch(progress)
    except InputError as error:
        return str(error).rstrip(".")
    return None


def _absence(entry: DataSource) -> str:
    if (file := file_of(entry)) is not None:
        return f"{name_of(entry)}: {absence(file)}"
    root = entry
    while isinstance(root, Subset):
        root = root.of
    by = through(*named(root).servers) if isinstance(root, str) else ""
    return f"{name_of(entry)} is not here and cannot be downloaded now{by}"


def terminal_progress(done: int, total: int) -> None:
    """Show a download on standard error; if that is not a terminal, only its end."""
    live = is_live(sys.stderr)
    if not live and done != total:
        return
    share = f"{done / total:4.0%}" if total else f"{done / 1e6:.1f} MB"
    end = "\n" if done == total else ""
    start = "\r" if live else ""
    print(f"{start}downloading {share}", end=end, file=sys.stderr, flush=True)


@functools.lru_cache(maxsize=2)
def load(entry: DataSource) -> Dataset:
    """Load a dataset, once per process.

    Raises:
        InputError: it is unknown, missing or broken.
    """
    return source(entry).load()
