"""The folders of downloaded datasets: QKD_STUDY_DATA, and the user's cache.

If the cache folder cannot be written, a temporary folder of this process is used.
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
    """The folders in which to look for a dataset's files, in this order.

    Those with `dataset` as their last part have its files only; the others have any.
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
        dataset, name: of the dataset and of the file.
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
    """The error of a missing file; `others` have its name, but another content."""
    looked = ", ".join(str(folder) for folder in places(dataset))
    but = f" ({', '.join(map(str, others))} holds something else)" if others else ""
    return InputError(
        f"{name} is in none of {looked}{but}. Run `qkd-study data fetch {dataset}`, "
        f"or set QKD_STUDY_DATA to a folder that holds {dataset}/."
    )


def broken(dataset: str, path: Path, problem: object) -> InputError:
    """The error of a file with a wrong content."""
    return InputError(
        f"{path} is broken: {str(problem).rstrip('.')}. Delete it and run "
        f"`qkd-study data fetch {dataset}`, or point QKD_STUDY_DATA elsewhere."
    )
