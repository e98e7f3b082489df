"""Reads the outputs of a teacher by sample: `.npz` or `.parquet`, without executing anything."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_study.common.errors import InputError, format_error, safe_repr
from qkd_study.data.dataset import Dataset, Floats, Ints
from qkd_study.data.finite import finite_floats

ENDINGS = (".npz", ".parquet")
#: Arrays that a `.npz` may have, and columns of a `.parquet`.
_ARRAYS = ("logits", "features", "index", "test_logits", "test_index")
_COLUMNS = ("index", "logits", "features", "split")
_BROKEN = (OSError, EOFError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class TeacherOutputs:
    """The outputs of a teacher for samples of a dataset.

    Attributes:
        logits: float32 (n, classes), of samples of the pool.
        index: int64 (n,), their positions in the pool, all different.
        features: float32 (n, ...) of the same samples; `None` if the file has none.
        test_logits: float32 (t, classes), of samples of the test set; `None` if it has none.
        test_index: int64 (t,), their positions in the test set.
    """

    logits: Floats
    index: Ints
    features: Floats | None
    test_logits: Floats | None
    test_index: Ints

    @property
    def classes(self) -> int:
        """How many there are."""
        return int(self.logits.shape[1])

    def check(self, who: str, dataset: Dataset) -> None:
        """Check that every sample of a dataset's pool has outputs, and all or none of the test set.

        Raises:
            InputError: some have none, or there are samples that the dataset does not have.
        """
        _check_samples(who, self.index, len(dataset.pool_labels), f"the pool of {dataset.name}")
        if self.test_logits is not None:
            count = len(dataset.test_labels)
            _check_samples(who, self.test_index, count, f"the test set of {dataset.name}")

    def by_sample(self) -> tuple[Floats, Floats | None]:
        """Logits and features in the order of the pool; call it after `check`."""
        order = np.argsort(self.index)
        return self.logits[order], None if self.features is None else self.features[order]

    def by_test_sample(self) -> Floats | None:
        """Logits in the order of the test set; call it after `check`."""
        if self.test_logits is None:
            return None
        return self.test_logits[np.argsort(self.test_index)]


def _check_samples(who: str, index: Ints, count: int, where: str) -> None:
    if beyond := index[index >= count].tolist():
        raise InputError(
            f"{who}: there are outputs for sample {beyond[0]}, but {where} has samples 0 to "
            f"{count - 1}. `index` counts the samples of the dataset as the study declares it, "
            f"such as of a Subset."
        )
    missing = np.setdiff1d(np.arange(count), index)
    if len(missing):
        raise InputError(
            f"{who}: {len(missing):,} of the {count:,} samples of {where} have no outputs, such as "
            f"sample {missing[0]}. A replicate may draw any of them. Add their outputs, or make a "
            f"dataset of those that have some: Arrays(...) or DataFile(...)."
        )


def read_teacher_outputs(path: Path, content: bytes) -> TeacherOutputs:
    """The outputs in a file.

    - `.npz`: `logits` (n, classes), optionally `features` (n, ...) and `index` (n,), the position
      of each row in the dataset's pool, by default 0, 1, ...; optionally `test_logits`
      (t, classes), and `test_index`.
    - `.parquet`: a row per sample; columns `index`, `logits` (lists), optionally `features`
      (lists) and `split` (`pool` or `test`; without it all are of the pool).

    Args:
        path: of the file; its ending says which it is.
        content: of the file.

    Raises:
        InputError: the file cannot be read, or its content is not as above.
    """
    try:
        arrays = _npz(content) if path.suffix.lower() == ".npz" else _parquet(path, content)
    except _BROKEN as error:
        raise InputError(
            f"{path} cannot be read as {path.suffix}: {format_error(error)}. Write it anew, with "
            f"{'numpy.savez' if path.suffix.lower() == '.npz' else 'pandas.DataFrame.to_parquet'}."
        ) from None
    return _checked(str(path), arrays)


def _npz(content: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _parquet(path: Path, content: bytes) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(content))
    except pa.ArrowException as error:
        raise ValueError(str(error)) from None
    names = table.column_names
    for name in ("index", "logits"):
        if name not in names:
            raise InputError(
                f"{path} has no column {name!r}. Its columns: {', '.join(names[:20])}. Needed: "
                f"index and logits; optional: features and split."
            )
    _check_names(str(path), names, _COLUMNS, "columns")
    columns = {name: _column(str(path), name, table[name]) for name in names}
    split = columns.get("split", np.full(len(table), "pool"))
    if len(odd := np.flatnonzero((split != "pool") & (split != "test"))):
        found = safe_repr(str(split[odd[0]]))
        raise InputError(
            f"{path}: split holds {found} in row {odd[0] + 1}. Allowed: 'pool' and 'test'."
        )
    pool, test = split == "pool", split == "test"
    arrays = {name: columns[name][pool] for name in names if name != "split"}
    if test.any():
        arrays |= {f"test_{name}": columns[name][test] for name in ("logits", "index")}
    return arrays


def _column(who: str, name: str, column: Any) -> NDArray[Any]:
    rows = column.to_pylist()
    try:
        return np.array(rows)
    except ValueError:  # lists of uneven lengths
        raise InputError(
            f"{who}: the lists of column {name!r} have different lengths. Give one number for each "
            f"class, or feature, in every row."
        ) from None


def _check_names(who: str, names: Any, known: tuple[str, ...], what: str) -> None:
    if unknown := [name for name in names if name not in known]:
        raise InputError(
            f"{who} has {what} that mean nothing here: {', '.join(unknown[:10])}. Allowed: "
            f"{', '.join(known)}."
        )


def _checked(who: str, arrays: Mapping[str, Any]) -> TeacherOutputs:
    _check_names(who, arrays, _ARRAYS, "arrays")
    if "logits" not in arrays:
        raise InputError(
            f"{who} has no array 'logits'. Needed: logits (samples, classes); optional: "
            f"{', '.join(_ARRAYS[1:])}."
        )
    logits = _numbers(who, "logits", arrays["logits"], 2)
    if len(logits) < 1 or logits.shape[1] < 2:
        raise InputError(
            f"{who}: logits have the shape {logits.shape}. Needed: (samples, classes), at least 1 "
            f"and 2."
        )
    features = arrays.get("features")
    if features is not None:
        features = _numbers(who, "features", features, None)
        if features.ndim < 2 or len(features) != len(logits) or 0 in features.shape:
            raise InputError(
                f"{who}: features have the shape {features.shape}, but logits {logits.shape}. "
                f"Needed: ({len(logits)}, ...), a row for each row of logits."
            )
    test = arrays.get("test_logits")
    if test is not None:
        test = _numbers(who, "test_logits", test, 2)
        if test.shape[1:] != logits.shape[1:]:
            raise InputError(
                f"{who}: test_logits have the shape {test.shape}, but must have "
                f"{logits.shape[1]} columns, as logits."
            )
    elif "test_index" in arrays:
        raise InputError(f"{who} has test_index, but no test_logits. Add them.")
    index = _index(who, "index", arrays.get("index"), len(logits))
    tested = _index(who, "test_index", arrays.get("test_index"), 0 if test is None else len(test))
    return TeacherOutputs(logits, index, features, test, tested)


def _numbers(who: str, name: str, given: Any, axes: int | None) -> Floats:
    array = np.asarray(given)
    if array.dtype.kind not in "iuf" or (axes is not None and array.ndim != axes):
        raise InputError(
            f"{who}: {name} is an array of {array.dtype} of shape {array.shape}. Needed: real "
            f"numbers{', (samples, classes)' if axes == 2 else ', (samples, ...)'}."
        )
    clip = "Logarithms of probabilities 0 may be clipped, to -30 for example."
    return finite_floats(who, name, array, clip)


def _index(who: str, name: str, given: Any, count: int) -> Ints:
    if given is None:
        return np.arange(count, dtype=np.int64)
    index = np.asarray(given)
    if index.dtype.kind not in "iu" or index.shape != (count,):
        raise InputError(
            f"{who}: {name} is an array of {index.dtype} of shape {index.shape}. Needed: integers "
            f"({count},), the position of each row of logits in the dataset, from 0."
        )
    whole = index.astype(np.int64)
    values, counts = np.unique(whole, return_counts=True)
    if (counts > 1).any() or values.min(initial=0) < 0:
        first = values[counts > 1].tolist() or values.tolist()
        often = " twice" if (counts > 1).any() else ""
        raise InputError(
            f"{who}: {name} names sample {first[0]}{often}. Needed: each position in the dataset "
            f"once, from 0."
        )
    return whole
