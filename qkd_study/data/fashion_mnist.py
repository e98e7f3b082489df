"""Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747; MIT licence)."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qkd_study.data.dataset import Dataset
from qkd_study.data.download import Progress, download, reachable
from qkd_study.data.idx import parse_idx
from qkd_study.errors import InputError
from qkd_study.paths import cache_folder

FOLDER = "fashion-mnist"
SERVERS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)


@dataclass(frozen=True)
class File:
    """One of the four files: checksums of the packed download and of the bytes inside."""

    name: str
    md5_packed: str
    sha256: str


FILES = (
    File(
        "train-images-idx3-ubyte",
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    File(
        "train-labels-idx1-ubyte",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    File(
        "t10k-images-idx3-ubyte",
        "bef4ecab320f06d8554ea6380940ec79",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    File(
        "t10k-labels-idx1-ubyte",
        "bb300cfdad3c16e7a12a480ee83cd310",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)


def _folders() -> list[Path]:
    given = os.environ.get("QKD_STUDY_DATA")
    roots = [Path(given)] if given else []
    return [folder for root in (*roots, cache_folder()) for folder in (root / FOLDER, root)]


def find(file: File) -> Path | None:
    """The file in `QKD_STUDY_DATA` or the user's cache, packed or not; `None` if in neither."""
    candidates = (folder / (file.name + end) for folder in _folders() for end in (".gz", ""))
    return next((path for path in candidates if path.is_file()), None)


def available() -> bool:
    """Whether the dataset is here or its server answers, found out within seconds."""
    return all(map(find, FILES)) or reachable(*SERVERS)


def fetch(progress: Progress = lambda done, total: None) -> None:
    """Download what is not here yet into the user's cache.

    Raises:
        InputError: no server could be reached, or a file arrived damaged.
    """
    for file in FILES:
        if find(file) is None:
            name = file.name + ".gz"
            target = cache_folder() / FOLDER / name
            download([server + name for server in SERVERS], target, file.md5_packed, progress)


def read(file: File) -> NDArray[np.uint8]:
    """The array in one of the files, its bytes checked.

    Raises:
        InputError: the file is missing, cannot be unpacked, or holds other bytes.
    """
    path = find(file)
    if path is None:
        looked = ", ".join(str(folder) for folder in _folders())
        raise InputError(
            f"{file.name}.gz is in none of {looked}. Run `qkd-study data fetch {FOLDER}`, "
            f"or set QKD_STUDY_DATA to a folder that holds {FOLDER}/."
        )
    fix = (
        "Delete it and run `qkd-study data fetch fashion-mnist`, or point QKD_STUDY_DATA elsewhere."
    )
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} is broken: {error}. {fix}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise InputError(
            f"{path} is broken: its unpacked bytes have sha256 {found}, expected "
            f"{file.sha256}. {fix}"
        )
    return parse_idx(content)


def load_fashion_mnist() -> Dataset:
    """The 60,000 + 10,000 images of 28x28 pixels in [0, 1], of 10 kinds of clothing.

    Raises:
        InputError: a file is missing or broken.
    """
    train_images, train_labels, test_inputs, test_labels = map(read, FILES)
    return Dataset(
        FOLDER,
        train_images,
        train_labels.astype(np.int64),
        test_inputs,
        test_labels.astype(np.int64),
        classes=10,
        white=255,
    )
