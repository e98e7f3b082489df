"""`IdxFiles`: a dataset of the MNIST family, in four IDX files at several servers."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qkd_study.common.errors import InputError
from qkd_study.common.progress import Progress, no_progress
from qkd_study.data import files
from qkd_study.data.dataset import Dataset
from qkd_study.data.download import reachable
from qkd_study.data.idx import parse_idx


@dataclass(frozen=True)
class File:
    """One of the four files: checksums of the packed download and of the unpacked bytes.

    A file is checked by its unpacked bytes when it is read, because packing is not unique.
    """

    name: str
    md5_packed: str
    sha256: str


@dataclass(frozen=True)
class IdxFiles:
    """The files: their servers, and their expected content.

    Attributes:
        name: of the dataset, and of its folder.
        servers: addresses that end in a slash; a file's name and `.gz` follow.
        files: training images and labels, test images and labels.
        classes: labels are 0 .. classes - 1.
        side: width and height of an image, in pixels.
        class_names: of the classes, in their order; empty: their numbers.
    """

    name: str
    servers: tuple[str, ...]
    files: tuple[File, File, File, File]
    classes: int = 10
    side: int = 28
    class_names: tuple[str, ...] = ()

    def find(self, file: File) -> Path | None:
        """The file in `QKD_STUDY_DATA` or the user's cache, packed or not; `None` if in neither."""
        here = (path for path in self._candidates(file) if self._is(file, path))
        return next(here, None)

    def available(self) -> bool:
        """Whether the dataset is here or a server answers; takes a few seconds at most."""
        return all(self.find(file) for file in self.files) or reachable(*self.servers)

    def fetch(self, progress: Progress = no_progress) -> None:
        """Download missing files into the user's cache.

        Raises:
            InputError: no server could be reached, or a file arrived damaged.
        """
        for file in self.files:
            if self.find(file) is None:
                files.fetch(self.name, f"{file.name}.gz", self.servers, file.md5_packed, progress)

    def load(self) -> Dataset:
        """The dataset: uint8 images (n, side, side).

        Raises:
            InputError: a file is missing or broken.
        """
        train_images, train_labels = self._part(*self.files[:2])
        test_images, test_labels = self._part(*self.files[2:])
        return Dataset(
            self.name,
            train_images,
            train_labels.astype(np.int64),
            test_images,
            test_labels.astype(np.int64),
            classes=self.classes,
            max_value=255,
            class_names=self.class_names,
        )

    def read(self, file: File) -> NDArray[np.uint8]:
        """Read and check one of the files.

        Raises:
            InputError: the file is missing, cannot be unpacked, or has other bytes.
        """
        path = self._path(file)
        content = self._content(file, path)
        try:
            return parse_idx(content)
        except ValueError as error:
            raise files.broken(self.name, path, error) from None

    def _part(self, images: File, labels: File) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        pixels, classes = self.read(images), self.read(labels)
        if pixels.shape[1:] != (self.side, self.side):
            problem = f"it holds an array of {pixels.shape}, not of (n, {self.side}, {self.side})"
            raise files.broken(self.name, self._path(images), problem)
        if classes.shape != pixels.shape[:1]:
            problem = f"it holds labels of {classes.shape} for {len(pixels)} images"
            raise files.broken(self.name, self._path(labels), problem)
        if len(classes) and (found := int(classes.max())) >= self.classes:
            problem = f"it holds the label {found}, but labels are 0 to {self.classes - 1}"
            raise files.broken(self.name, self._path(labels), problem)
        return pixels, classes

    def _path(self, file: File) -> Path:
        path = self.find(file)
        if path is None:
            raise files.missing(self.name, f"{file.name}.gz", self._candidates(file))
        return path

    def _content(self, file: File, path: Path) -> bytes:
        try:
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix == ".gz" else content
        except (OSError, EOFError, zlib.error) as error:
            raise files.broken(self.name, path, error) from None
        found = hashlib.sha256(content).hexdigest()
        if found != file.sha256:
            problem = f"its unpacked bytes have sha256 {found}, expected {file.sha256}"
            raise files.broken(self.name, path, problem)
        return content

    def _candidates(self, file: File) -> list[Path]:
        names = (f"{file.name}.gz", file.name)
        paths = (folder / name for folder in files.places(self.name) for name in names)
        return [path for path in paths if path.is_file()]

    def _is(self, file: File, path: Path) -> bool:
        """Whether a path is this file: datasets of the family have files of the same names.

        A broken file in the dataset's own folder counts, so that reading it raises the error.
        """
        if path.parent.name == self.name:
            return True
        try:
            self._content(file, path)
        except InputError:
            return False
        return True
