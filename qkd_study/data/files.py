"""Where the files of a downloaded dataset lie: the folder QKD_STUDY_DATA, and the user's cache."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from qkd_study.errors import InputError
from qkd_study.paths import cache_folder


def places(dataset: str) -> list[Path]:
    """The folders to look into, in this order, for a dataset's files.

    Those with `dataset` as their last part hold its files only; the others hold any.
    """
    given = os.environ.get("QKD_STUDY_DATA")
    roots = [Path(given)] if given else []
    return [folder for root in (*roots, cache_folder()) for folder in (root / dataset, root)]


def cached(dataset: str, name: str) -> Path:
    """Where a download of this file goes."""
    return cache_folder() / dataset / name


def missing(dataset: str, name: str, others: Sequence[Path] = ()) -> InputError:
    """The error of a file that is in none of the places; `others` have its name, but not more."""
    looked = ", ".join(str(folder) for folder in places(dataset))
    but = f" ({', '.join(map(str, others))} holds something else)" if others else ""
    return InputError(
        f"{name} is in none of {looked}{but}. Run `qkd-study data fetch {dataset}`, "
        f"or set QKD_STUDY_DATA to a folder that holds {dataset}/."
    )


def broken(dataset: str, path: Path, problem: object) -> InputError:
    """The error of a file that is there, but is not what it should be."""
    return InputError(
        f"{path} is broken: {str(problem).rstrip('.')}. Delete it and run "
        f"`qkd-study data fetch {dataset}`, or point QKD_STUDY_DATA elsewhere."
    )
