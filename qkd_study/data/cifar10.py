"""CIFAR-10 (Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images).

The binary version, because reading it runs no code: a tar of six files of records, each a label
and 3 x 32 x 32 bytes.
"""

from __future__ import annotations

import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qkd_study.common.progress import Progress, no_progress
from qkd_study.data import files
from qkd_study.data.dataset import Dataset, Ints
from qkd_study.data.download import md5_of, reachable

SHAPE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32
_TRAIN = tuple(f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6))
_TEST = "cifar-10-batches-bin/test_batch.bin"


@dataclass(frozen=True)
class CifarArchive:
    """The archive: its servers, and its expected content.

    Attributes:
        name: of the dataset, and of its folder.
        servers: addresses that end in a slash; the file's name follows.
        file: the archive.
        md5: its checksum.
        records: images in each of the six files.
        classes: labels are 0 .. classes - 1.
        class_names: of the classes, in their order.
    """

    name: str
    servers: tuple[str, ...]
    file: str
    md5: str
    records: int = 10_000
    classes: int = 10
    class_names: tuple[str, ...] = ()

    def find(self) -> Path | None:
        """The archive in `QKD_STUDY_DATA` or the user's cache; `None` if in neither."""
        candidates = (folder / self.file for folder in files.places(self.name))
        return next((path for path in candidates if path.is_file()), None)

    def available(self) -> bool:
        """Whether the archive is here or its server answers; takes a few seconds at most."""
        return self.find() is not None or reachable(*self.servers)

    def fetch(self, progress: Progress = no_progress) -> None:
        """Download the archive into the user's cache, if it is not here yet.

        Raises:
            InputError: no server could be reached, or it arrived damaged.
        """
        if self.find() is None:
            files.fetch(self.name, self.file, self.servers, self.md5, progress)

    def load(self) -> Dataset:
        """The dataset: uint8 images (n, 3, 32, 32), red, green and blue.

        Raises:
            InputError: the archive is missing or broken.
        """
        path = self.find()
        if path is None:
            raise files.missing(self.name, self.file)
        try:
            if (found := md5_of(path)) != self.md5:
                raise ValueError(f"it has md5 {found}, expected {self.md5}")
            parts = self._members(path)
            pool = [self._records(name, parts[name]) for name in _TRAIN]
            test, test_labels = self._records(_TEST, parts[_TEST])
        except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error) as error:
            raise files.broken(self.name, path, error) from None
        return Dataset(
            self.name,
            np.concatenate([images for images, _ in pool]),
            np.concatenate([labels for _, labels in pool]),
            test,
            test_labels,
            classes=self.classes,
            max_value=255,
            class_names=self.class_names,
        )

    def _members(self, path: Path) -> dict[str, bytes]:
        """The six files, read into memory: no name in the archive is used to write a file."""
        wanted, size = {*_TRAIN, _TEST}, self.records * _RECORD
        found: dict[str, bytes] = {}
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if member.name not in wanted:
                    continue
                if not member.isreg():
                    raise ValueError(f"{member.name} in it is not a plain file")
                if member.size != size:
                    raise ValueError(
                        f"{member.name} in it has {member.size} bytes, expected {size}: "
                        f"{self.records} records of {_RECORD}"
                    )
                content = archive.extractfile(member)
                found[member.name] = content.read() if content else b""
        if absent := sorted(wanted - found.keys()):
            raise ValueError(f"it lacks {', '.join(absent)}")
        return found

    def _records(self, name: str, content: bytes) -> tuple[NDArray[np.uint8], Ints]:
        records = np.frombuffer(content, np.uint8).reshape(self.records, _RECORD)
        labels = records[:, 0].astype(np.int64)
        worst = int(labels.argmax())
        if labels[worst] >= self.classes:
            raise ValueError(
                f"record {worst} of {name} in it has the label {labels[worst]}, "
                f"but labels are 0 to {self.classes - 1}"
            )
        return records[:, 1:].reshape(-1, *SHAPE), labels


#: 50,000 + 10,000 colour images of 32x32 pixels, of 10 kinds of things.
CIFAR10 = CifarArchive(
    "cifar-10",
    ("https://www.cs.toronto.edu/~kriz/",),
    "cifar-10-binary.tar.gz",
    "c32a1d4ab5d03f1284b67883e8d87530",
    class_names=(
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
)
