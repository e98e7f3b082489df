"""Where the files of a downloaded dataset lie: the folder QKD_STUDY_DATA, and the user's cache.

A cache folder that does not take them is replaced by a folder of this process.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from qkd_study.common.errors import InputError, StorageError
from qkd_study.common.paths import cache_folder, temporary_folder, warn_of_cache
from qkd_study.common.progress import Progress
from qkd_study.data.download import download


def places(dataset: str) -> list[Path]:
    """The folders to look into, in this order, for a dataset's files.

    Those with `dataset` as their last part hold its files only; the others hold any.
    """
    given = os.environ.get("QKD_STUDY_DATA")
    roots = [Path(given)] if given else []
    roots.append(cache_folder())
    if temporary_folder().is_dir():
        roots.append(temporary_folder())
    return [folder for root in roots for folder in (root / dataset, root)]


def fetch(dataset: str, name: str, servers: Sequence[str], md5: str, progress: Progress) -> None:
    """Download a file of a dataset to where `places` finds it.

    Args:
        dataset, name: of which, and the file's name.
        servers: addresses that end in a slash; the file's name follows.
        md5: its published checksum.
        progress: called with the bytes done and in all.

    Raises:
        InputError: no server could be reached, it arrived damaged, or it cannot be written.
    """
    urls = [server + name for server in servers]
    try:
        download(urls, cache_folder() / dataset / name, md5, progress)
        return
    except StorageError as error:
        warn_of_cache(error.__cause__)
    try:
        download(urls, temporary_folder() / dataset / name, md5, progress)
    except StorageError as error:
        raise InputError(f"{error}.") from None


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
