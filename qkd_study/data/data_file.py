"""Reads a user's file: `.npz`, `.csv` or `.parquet`, without executing anything in it."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qkd_study.common.errors import InputError, is_text, safe_repr
from qkd_study.data.arrays import Pair

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".npz", ".csv", ".parquet")
_BROKEN = (zipfile.BadZipFile, zlib.error)


#: Samples, those of the test set, and names of the classes 0, 1, ..., if the file has them.
Content = tuple[Pair, Pair, "Sequence[str] | None"]


@dataclass(frozen=True)
class TableOptions:
    """How a table is read.

    Attributes:
        label: the column of the classes.
        drop: columns that are no features.
        sep, decimal: characters between the columns and before the decimals, in `.csv` files.
    """

    label: str = "label"
    drop: Sequence[str] = ()
    sep: str = ","
    decimal: str = "."


def check_table_options(path: Path, options: TableOptions) -> None:
    """Check the options of a file before it is read.

    Raises:
        InputError: one has a wrong type, or the file is of a kind that has no use for it.
    """
    if not isinstance(options.drop, tuple) or not all(map(is_text, options.drop)):
        raise InputError(
            f"drop of DataFile must name columns, as in ('id',), but got {safe_repr(options.drop)}."
        )
    if options.label in options.drop:
        raise InputError(
            f"drop of DataFile names {options.label!r}, the column of the classes. Drop others, or "
            f"name the column of the classes: label=..."
        )
    for name, given in (("sep", options.sep), ("decimal", options.decimal)):
        if not isinstance(given, str) or len(given) != 1 or given.isalnum():
            raise InputError(
                f"{name} of DataFile must be one character, such as ';', but got "
                f"{safe_repr(given)}."
            )
    if options.sep == options.decimal:
        raise InputError(
            f"sep and decimal of DataFile must differ, but are both {options.sep!r}. Files with a "
            f"decimal comma have another separator: sep=';' or sep='\\t'."
        )
    kind, default = path.suffix.lower(), TableOptions()
    useless = {".csv": (), ".npz": ("drop", "sep", "decimal")}.get(kind, ("sep", "decimal"))
    for name in useless:
        if getattr(options, name) != getattr(default, name):
            raise InputError(
                f"{path}: {name} has no meaning for {kind or 'a folder'}: it is for "
                f"{'tables' if name == 'drop' else '.csv files'}. Leave it out."
            )


def read_data_file(path: Path, options: TableOptions) -> Content:
    """Samples and classes in a file, and those of its test set.

    Args:
        path: ends in one of `ENDINGS`.
        options: how a table is read.

    Returns:
        (x, y), and (test_x, test_y), `None` twice if there is no test set, and no names of classes.
        Classes are unchecked; the features of a table are float64 and finite.

    Raises:
        InputError: the file cannot be read, lacks x, y or the label's column, or a column is not
            of numbers.
    """
    try:
        if path.suffix.lower() == ".npz":
            return *_read_npz(path), None
        frame = _read_table(path, options)
    except (OSError, EOFError, ValueError, NotImplementedError, *_BROKEN) as error:
        raise InputError(
            f"{path} cannot be read as {path.suffix}: {str(error).rstrip('.')}. Write it anew."
        ) from None
    return columns_of(path, frame, options), (None, None), None


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


def _read_table(path: Path, options: TableOptions) -> pd.DataFrame:
    import pandas as pd

    if path.suffix.lower() == ".csv":
        return pd.read_csv(path, sep=options.sep, decimal=options.decimal)
    return pd.read_parquet(path)


def columns_of(path: Path, frame: pd.DataFrame, options: TableOptions) -> Pair:
    """The features (n, columns) and classes (n,) of a table.

    Raises:
        InputError: a column is missing, or not of finite numbers.
    """
    import pandas as pd

    label = options.label
    names = [str(name) for name in frame.columns]
    for wanted in (label, *options.drop):
        if wanted in names:
            continue
        some = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        others = [mark for mark in ";\t|," if len(names) == 1 and mark in names[0]]
        what, advice = "to drop", "Correct drop."
        if wanted == label:
            what = "for the classes"
            advice = f"Name one of them: DataFile({str(path)!r}, label=...)."
        if others:
            advice = f"It looks separated by {others[0]!r}: DataFile(..., sep={others[0]!r})."
        raise InputError(f"{path} has no column {wanted!r} {what}. Its columns: {some}. {advice}")
    frame.columns = pd.Index(names)
    if names.count(label) > 1:
        raise InputError(f"{path} has {names.count(label)} columns {label!r}. Keep one.")
    features = frame.drop(columns=[label, *options.drop])
    if not features.columns.size or not len(frame):
        raise InputError(
            f"{path} has {len(frame)} rows and {features.columns.size} columns of features besides "
            f"{label!r}. Allowed: at least 1 of each."
        )
    for place, name in enumerate(features.columns):
        _check_column(path, name, features.iloc[:, place], options)
    missing = np.flatnonzero(frame[label].isna().to_numpy())
    if len(missing):
        raise InputError(
            f"{path}: column {label!r} has no class in row {missing[0] + 1}. "
            f"Allowed: integers or text. Remove the row, or fill it in."
        )
    return features.to_numpy(np.float64), frame[label].to_numpy()


def _check_column(path: Path, name: str, column: pd.Series[Any], options: TableOptions) -> None:
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
        found = column.iloc[at]
        advice = f"Leave the column out with drop=({name!r},), or turn it into numbers."
        if (
            isinstance(found, str)
            and _is_number(found.replace(",", "."))
            and options.decimal == "."
        ):
            advice = "If its decimals stand behind a comma: DataFile(..., decimal=',')."
        raise InputError(
            f"{path}: column {name!r} is not of numbers: it holds {safe_repr(found)} in row "
            f"{at + 1}. Allowed: finite numbers in every column but the label's. {advice}"
        )
    values = column.to_numpy(np.float64, na_value=np.nan)
    odd = np.flatnonzero(~np.isfinite(values))
    if len(odd):
        raise InputError(
            f"{path}: column {name!r} holds {column.iloc[odd[0]]} in row {odd[0] + 1}. "
            f"Allowed: finite numbers. Remove the row, or fill it in."
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
