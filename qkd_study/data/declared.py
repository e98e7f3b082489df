"""Declarations of data: some classes of a dataset, a user's arrays, a user's file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.common.progress import Progress, no_progress
from qkd_study.common.python_values import as_python
from qkd_study.data.arrays import TEST_SHARE, build
from qkd_study.data.data_file import (
    ENDINGS,
    TableOptions,
    check_table_options,
    read_data_file,
)
from qkd_study.data.dataset import Dataset, Ints, Raw
from qkd_study.data.declared_names import checked_class_names, checked_name
from qkd_study.data.hugging_face import read_folder
from qkd_study.data.sources import Source, named
from qkd_study.data.state_sets import StateSet
from qkd_study.data.states import KINDS, state_samples
from qkd_study.data.torch_dataset import names_in, read_torch_dataset

#: Above every number of a class.
MOST_CLASSES = 1_000_000_000


@dataclass(frozen=True)
class Subset:
    """Some classes of a dataset, for studies of two or a few.

    Attributes:
        of: a dataset's name, or another declaration.
        classes: the classes to use, by number; they become 0, 1, ... in this order.
        name: for rows and reports; the default is like `digits:3,8`.
    """

    of: DataSource
    classes: Sequence[int]
    name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.of, str | Subset | Arrays | DataFile):
            raise InputError(
                f"Subset is of a dataset's name, Subset(...), Arrays(...) or DataFile(...), "
                f"but got {safe_repr(self.of)}."
            )
        chosen = as_python(self.classes)
        if isinstance(chosen, str) or not isinstance(chosen, Sequence):
            raise InputError(
                f"classes of Subset must be such as (3, 8), but got {safe_repr(chosen)}."
            )
        for label in chosen:
            if isinstance(label, bool) or not isinstance(label, int):
                raise InputError(f"classes of Subset must be integers, but got {safe_repr(label)}.")
            if not -MOST_CLASSES < label < MOST_CLASSES:  # str() of larger ones may raise
                raise InputError(
                    f"classes of Subset must be below {MOST_CLASSES:,}, but got {safe_repr(label)}."
                )
        chosen = tuple(chosen)
        if len(chosen) < 2 or len(set(chosen)) < len(chosen):
            raise InputError(
                f"classes of Subset must be at least 2 and all different, "
                f"but got {safe_repr(chosen)}."
            )
        object.__setattr__(self, "classes", chosen)
        base = self._base()
        of = self.of if isinstance(self.of, str) else self.of.name
        if not self.name:
            object.__setattr__(self, "name", f"{of}:{','.join(map(str, chosen))}")
        object.__setattr__(self, "name", checked_name("Subset", self.name))
        if isinstance(base, Subset):
            self._check(len(base.classes))
        elif isinstance(base, Arrays):
            self._check(base.load().classes)
        elif isinstance(base, Source):  # the classes of a file are known when it is read
            self._check(base.classes)

    def available(self) -> bool:
        """Whether the underlying dataset is available."""
        return self._base().available()

    def fetch(self, progress: Progress) -> None:
        """Fetch the underlying dataset.

        Raises:
            InputError: it is not available.
        """
        self._base().fetch(progress)

    def load(self) -> Dataset:
        """The samples of the classes, in the dataset's order.

        Raises:
            InputError: the dataset is missing or broken, lacks one of the classes, or its test
                set has none of them.
        """
        whole = self._base().load()
        self._check(whole.classes)
        pool, test = (self._indices(y) for y in (whole.pool_labels, whole.test_labels))
        if not len(test):
            raise InputError(
                f"dataset {self.name!r}: the test set of {whole.name} has no sample of the classes "
                f"{self.classes}. Keep other classes, or give a test set that has them."
            )
        return Dataset(
            self.name,
            whole.pool_raw[pool],
            self._relabelled(whole.pool_labels[pool]),
            whole.test_raw[test],
            self._relabelled(whole.test_labels[test]),
            len(self.classes),
            whole.max_value,
            tuple(whole.class_names[label] for label in self.classes),
            whole.mean,
            whole.spread,
        )

    def within(self, folder: Path) -> Subset:
        """The same declaration, with a relative path of a file resolved from `folder`."""
        return replace(self, of=within(self.of, folder))

    def _base(self) -> Source | Subset | Arrays | DataFile | StateSet:
        return named(self.of) if isinstance(self.of, str) else self.of

    def _check(self, count: int) -> None:
        for label in self.classes:
            if not 0 <= label < count:
                raise InputError(
                    f"dataset {self.name!r}: there is no class {label} to keep. "
                    f"Allowed: 0 to {count - 1}."
                )

    def _indices(self, labels: Ints) -> Ints:
        return np.flatnonzero(np.isin(labels, self.classes)).astype(np.int64)

    def _relabelled(self, labels: Ints) -> Ints:
        new = np.zeros(max(self.classes) + 1, np.int64)
        new[list(self.classes)] = np.arange(len(self.classes))
        return new[labels]


@dataclass(frozen=True, eq=False)
class Arrays:
    """A user's samples in memory, checked and copied when declared.

    Two are equal if their names and samples are.

    Attributes:
        name: for rows and reports.
        x: finite numbers: (n, features), (n, height, width) or (n, channels, height, width); of 1
            or 3 channels, also (n, height, width, channels).
        y: (n,), classes as integers or text; they become 0, 1, ... in sorted order.
        test_x, test_y: a test set, never used in the search. Without one a part of `x` and `y` is
            split off, the same share of every class, by a fixed seed.
        test_share: that share; unused with a test set.
        divide_by: the divisor of samples when they are used, such as 255; 1 for none. By default
            images of integers >= 0 are divided by the first of 1, 16, 255 and 65,535 that no value
            exceeds, so that they lie in [0, 1], and other data are not scaled.
        standardise: whether samples have a mean of 0 and a standard deviation of 1 when they are
            used: each feature of vectors, each channel of colour images, and grey images as a
            whole. Both numbers are those of the pool, the samples without the test set.
        class_names: names of the integers 0, 1, ... in `y`, for tables and figures; by default
            the classes are their own names.
        kind: `samples`, or `states`: `x` holds amplitudes of states of qubits, real or complex,
            (n, 2^qubits), of norm 1. They are normalised to the last digit; complex ones become
            their real and imaginary parts, (n, 2, 2^qubits).
    """

    name: str
    x: Raw = field(repr=False)
    y: Raw = field(repr=False)
    test_x: Raw | None = field(default=None, repr=False)
    test_y: Raw | None = field(default=None, repr=False)
    test_share: float = TEST_SHARE
    divide_by: float | None = None
    standardise: bool = False
    class_names: Sequence[str] | None = field(default=None, repr=False)
    kind: str = field(default="samples", repr=False, metadata={"later": True})
    _dataset: Dataset = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", checked_name("Arrays", self.name))
        object.__setattr__(self, "test_share", as_python(self.test_share))
        object.__setattr__(self, "divide_by", as_python(self.divide_by))
        who, x, test_x, divide_by = f"dataset {self.name!r}", self.x, self.test_x, self.divide_by
        if self.kind not in KINDS:
            raise InputError(
                f"{who}: kind must be one of {', '.join(KINDS)}, but got {safe_repr(self.kind)}."
            )
        if self.kind == "states":
            x, test_x = state_samples(who, x, test_x, divide_by, self.standardise)
            divide_by = 1
        dataset = build(
            who,
            self.name,
            (x, self.y),
            (test_x, self.test_y),
            self.test_share,
            divide_by,
            standardise=self.standardise,
            names=checked_class_names(self.name, self.class_names),
        )
        object.__setattr__(self, "_dataset", dataset)

    @classmethod
    def from_torch(cls, name: str, dataset: Any, test: Any = None, **others: Any) -> Arrays:
        """Read torch datasets once into arrays; see `torch_dataset.read_torch_dataset`.

        Args:
            name: for rows and reports.
            dataset: a `torch.utils.data.Dataset` with a length, of pairs (sample, class). If it
                has `classes`, as those of torchvision, these are the names of the classes.
            test: another for the test set; without one a part is split off.
            others: `test_share`, `divide_by`, `standardise` and `class_names`, as above.

        Raises:
            InputError: a dataset has no length, or gives no pairs of samples of one shape and
                classes.
        """
        who = f"dataset {safe_repr(name)}"
        x, y = read_torch_dataset(dataset, who)
        test_x, test_y = (None, None) if test is None else read_torch_dataset(test, f"{who}, test")
        others.setdefault("class_names", names_in(dataset))
        return cls(name, x, y, test_x, test_y, **others)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Arrays) and self._dataset.digest == other._dataset.digest

    def __hash__(self) -> int:
        return hash(self._dataset.digest)

    def available(self) -> bool:
        """Always."""
        return True

    def fetch(self, progress: Progress) -> None:
        """Do nothing."""

    def load(self) -> Dataset:
        """The samples as float32."""
        return self._dataset


@dataclass(frozen=True)
class DataFile:
    """A user's samples in a file, read and checked when loaded.

    - `.npz`: arrays `x` and `y`, optionally `test_x` and `test_y`, as for `Arrays`; no pickles.
    - `.csv`, `.parquet`: a row per sample; the column `label` holds the class, all others are
      features.
    - a folder, as `save_to_disk` of Hugging Face's `datasets` writes it, of one dataset or of
      several splits: see `hugging_face.read_folder`.

    Without a test set a quarter is split off as by `Arrays`.

    Attributes:
        path: of the file; a relative one is from the folder of the study file.
        label: the column of the classes, if the file is a table.
        name: for rows and reports; the default is the file's, without its ending.
        divide_by: as of `Arrays`.
        standardise: as of `Arrays`.
        drop: columns of a table that are no features, such as numbers of rows.
        sep: the character between columns of a `.csv` file.
        decimal: the character before the decimals of numbers in a `.csv` file.
    """

    path: str | Path
    label: str = "label"
    name: str = ""
    divide_by: float | None = None
    standardise: bool = False
    drop: Sequence[str] = ()
    sep: str = ","
    decimal: str = "."

    def __post_init__(self) -> None:
        if not isinstance(self.path, str | Path) or not str(self.path):
            raise InputError(
                f"path of DataFile must be that of a file, but got {safe_repr(self.path)}."
            )
        object.__setattr__(self, "path", Path(self.path))
        suffix = Path(self.path).suffix.lower()
        if suffix not in ENDINGS and (suffix or not Path(self.path).stem):
            raise InputError(
                f"{self.path} must end in one of {', '.join(ENDINGS)}, or be a folder of Hugging "
                f"Face's datasets, whose name has no dot."
            )
        object.__setattr__(self, "divide_by", as_python(self.divide_by))
        if not isinstance(self.label, str) or not self.label:
            raise InputError(
                f"label of DataFile must name a column, but got {safe_repr(self.label)}."
            )
        if not self.name:
            object.__setattr__(self, "name", Path(self.path).stem)
        object.__setattr__(self, "name", checked_name("DataFile", self.name))
        dropped = (self.drop,) if isinstance(self.drop, str) else self.drop
        object.__setattr__(self, "drop", tuple(dropped) if isinstance(dropped, list) else dropped)
        check_table_options(Path(self.path), self.options)

    @property
    def options(self) -> TableOptions:
        """How a table is read."""
        return TableOptions(self.label, self.drop, self.sep, self.decimal)

    def within(self, folder: Path) -> DataFile:
        """The same declaration, with a relative path resolved from `folder`."""
        return replace(self, path=folder / self.path)

    def available(self) -> bool:
        """Whether the file exists."""
        path = Path(self.path)
        return path.is_file() if path.suffix else path.is_dir()

    def fetch(self, progress: Progress) -> None:
        """Do nothing.

        Raises:
            InputError: the file does not exist.
        """
        if not self.available():
            raise InputError(f"{absence(self)}. Check the path of DataFile.")

    def load(self) -> Dataset:
        """The samples as float32.

        Raises:
            InputError: the file is missing or broken, or its content is invalid.
        """
        self.fetch(no_progress)
        path = Path(self.path)
        read = read_data_file if path.suffix else read_folder
        samples, test, names = read(path, self.options)
        return build(
            str(path),
            self.name,
            samples,
            test,
            divide_by=self.divide_by,
            standardise=self.standardise,
            names=names,
        )


DataSource = str | Subset | Arrays | DataFile | StateSet


def within(entry: DataSource, folder: Path) -> DataSource:
    """An entry of a study's `datasets`, with a file's relative path resolved from `folder`."""
    return entry.within(folder) if isinstance(entry, Subset | DataFile) else entry


def whole(entry: DataSource) -> str | Arrays | DataFile | StateSet:
    """The underlying dataset of a `Subset`, or the entry itself."""
    while isinstance(entry, Subset):
        entry = entry.of
    return entry


def file_of(entry: DataSource) -> DataFile | None:
    """The file of an entry or of its underlying dataset, if there is one."""
    found = whole(entry)
    return found if isinstance(found, DataFile) else None


def absence(file: DataFile) -> str:
    """The message that a file does not exist."""
    path = os.path.abspath(file.path)
    if not Path(file.path).suffix:
        return f"{path} is {'a file, not a' if os.path.isfile(path) else 'no'} folder"
    return f"{path} is {'a folder, not a' if os.path.isdir(path) else 'no'} file"
