"""Reads a user's file: `.npz`, `.csv` or `.parquet`, without executing anything in it."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.data.arrays import Pair

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".npz", ".csv", ".parquet")
_BROKEN = (zipfile.BadZipFile, zlib.error)


def read_data_file(path: Path, label: str) -> tuple[Pair, Pair]:
    """Samples and classes in a file, and those of its test set.

    Args:
        path: ends in one of `ENDINGS`.
        label: the column of the classes, in a table.

    Returns:
        (x, y) and (test_x, test_y), the latter `None` twice if there is no test set. Classes are
        unchecked; the features of a table are float64 and finite.

    Raises:
        InputError: the file cannot be read, lacks x, y or the label's column, or a column is not
            of numbers.
    """
    try:
        if path.suffix.lower() == ".npz":
            return _read_npz(path)
        frame = _read_table(path)
    except (OSError, EOFError, ValueError, NotImplementedError, *_BROKEN) as error:
        raise InputError(
            f"{path} cannot be read as {path.suffix}: {str(error).rstrip('.')}. Write it anew."
        ) from None
    return _columns(path, frame, label), (None, None)


def _read_npz(path: Path) -> tuple[Pair, Pair]:
    arrays = np.load(path, allow_pickle=False)
    if not isinstance(arrays, np.lib.npyio.NpzFile):
        raise ValueError("it holds one array without a name, as numpy.save writes it")
    with arrays:
        for name in ("x", "y"):
            if name not in arrays:
                held = ", ".join(arrays.files) or "nothing"
                raise InputError(
                    f"{path} has no array {name!r}; it holds {held}. Allowed: x, y, and test_x and "
                    f"test_y, as by numpy.savez(path, x=..., y=...)."
                )
        test: list[Any] = [arrays.get(name) for name in ("test_x", "test_y")]
        return (arrays["x"], arrays["y"]), (test[0], test[1])


def _read_table(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(path) if path.suffix.lower() == ".csv" else pd.read_parquet(path)


def _columns(path: Path, frame: pd.DataFrame, label: str) -> Pair:
    import pandas as pd

    names = [str(name) for name in frame.columns]
    if label not in names:
        some = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        raise InputError(
            f"{path} has no column {label!r} for the classes. Its columns: {some}. "
            f"Name one of them: DataFile({str(path)!r}, label=...)."
        )
    frame.columns = pd.Index(names)
    if names.count(label) > 1:
        raise InputError(f"{path} has {names.count(label)} columns {label!r}. Keep one.")
    features = frame.drop(columns=label)
    if not features.columns.size or not len(frame):
        raise InputError(
            f"{path} has {len(frame)} rows and {features.columns.size} columns of features besides "
            f"{label!r}. Allowed: at least 1 of each."
        )
    for place, name in enumerate(features.columns):
        _check_column(path, name, features.iloc[:, place])
    missing = np.flatnonzero(frame[label].isna().to_numpy())
    if len(missing):
        raise InputError(
            f"{path}: column {label!r} has no class in row {missing[0] + 1}. "
            f"Allowed: integers or text. Remove the row, or fill it in."
        )
    return features.to_numpy(np.float64), frame[label].to_numpy()


def _check_column(path: Path, name: str, column: pd.Series[Any]) -> None:
    import pandas as pd

    if name.startswith("Unnamed: "):
        # `to_csv` without index=False writes the row's number, which a model could learn from.
        raise InputError(
            f"{path} has a column without a name ({name}). If it counts rows, remove it "
            f"(pandas: to_csv(..., index=False)); if it is a feature, name it."
        )
    if not pd.api.types.is_numeric_dtype(column):
        odd = np.flatnonzero(pd.to_numeric(column, errors="coerce").isna().to_numpy())
        at = int(odd[0]) if len(odd) else 0
        raise InputError(
            f"{path}: column {name!r} is not of numbers: it holds {safe_repr(column.iloc[at])} "
            f"in row "
            f"{at + 1}. Allowed: finite numbers in every column but the label's."
        )
    values = column.to_numpy(np.float64, na_value=np.nan)
    odd = np.flatnonzero(~np.isfinite(values))
    if len(odd):
        raise InputError(
            f"{path}: column {name!r} holds {column.iloc[odd[0]]} in row {odd[0] + 1}. "
            f"Allowed: finite numbers. Remove the row, or fill it in."
        )
