"""Reads folders that `save_to_disk` of Hugging Face's `datasets` wrote, with pyarrow alone."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qkd_study.common.errors import InputError
from qkd_study.data.arrays import Pair
from qkd_study.data.data_file import Content, TableOptions, columns_of

if TYPE_CHECKING:
    import pyarrow as pa

#: Splits that can be read: the first two are the pool, the last is the test set.
SPLITS = ("train", "validation", "test")


def read_folder(path: Path, options: TableOptions) -> Content:
    """Samples and classes of a saved `Dataset` or `DatasetDict`, and names of the classes.

    The column `options.label` has the classes. Of the others, but for those to drop, either one
    holds images or arrays, or all hold numbers, each a feature. Of a `DatasetDict`, `train` and
    `validation` are the samples to draw from, and `test` is the test set.

    Raises:
        InputError: it is no such folder, or broken, or its columns are no samples and classes.
    """
    try:
        if (path / "dataset_dict.json").is_file():
            splits = _text_list(json.loads((path / "dataset_dict.json").read_text()), "splits")
        elif (path / "state.json").is_file():
            splits = []
        else:
            raise InputError(
                f"{path} has neither dataset_dict.json nor state.json. Allowed: a folder that "
                f"save_to_disk of Hugging Face's datasets wrote, or a file that ends in .npz, .csv "
                f"or .parquet."
            )
        if odd := [split for split in splits if split not in SPLITS]:
            raise InputError(
                f"{path} has the split {odd[0]!r}. Allowed: {', '.join(SPLITS)}. Save those you "
                f"need under these names: DatasetDict(train=..., test=...).save_to_disk(...)."
            )
        if splits and "train" not in splits:
            raise InputError(f"{path} has no split 'train'; it has {', '.join(splits)}.")
        pool = [_Split(path / split) for split in splits if split != "test"] or [_Split(path)]
        test = [_Split(path / "test")] if "test" in splits else []
        read = [_samples(split, options) for split in (*pool, *test)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} cannot be read as a folder of datasets: {_line(error)}. Save it anew."
        ) from None
    x = [samples for samples, _ in read[: len(pool)]]
    if len({one.shape[1:] for one in x}) > 1:
        raise InputError(f"{path}: samples of train and validation differ in shape.")
    y = [labels for _, labels in read[: len(pool)]]
    return (
        (np.concatenate(x), np.concatenate(y)),
        read[-1] if test else (None, None),
        pool[0].names(options.label),
    )


class _Split:
    """One saved `Dataset`: the table, and what it says of its columns."""

    def __init__(self, folder: Path) -> None:
        import pyarrow as pa

        self.folder = folder
        state = json.loads((folder / "state.json").read_text())
        if state.get("_indices_data_files") or state.get("_indices_files"):
            raise InputError(
                f"{folder} was saved as indices into another table. Save it anew: "
                f"dataset.flatten_indices().save_to_disk(...)."
            )
        info = json.loads((folder / "dataset_info.json").read_text())
        self.features: dict[str, Any] = info.get("features") or {}
        parts = []
        for file in state["_data_files"]:
            with pa.OSFile(str(folder / Path(file["filename"]).name)) as source:
                parts.append(pa.ipc.open_stream(source).read_all())
        self.table = pa.concat_tables(parts)

    def names(self, label: str) -> Sequence[str] | None:
        """The names of the classes, if the column declares them."""
        declared = self.features.get(label)
        return _text_list(declared, "names") if "names" in (declared or {}) else None


def _samples(split: _Split, options: TableOptions) -> Pair:
    import pyarrow as pa

    table = split.table
    left = [name for name in table.column_names if name not in (options.label, *options.drop)]
    arrays = [name for name in left if pa.types.is_nested(_storage(table.schema.field(name).type))]
    if not arrays or not {options.label, *options.drop} <= set(table.column_names):
        return columns_of(split.folder, table.to_pandas(), options)
    if len(left) > 1:
        rest = tuple(name for name in left if name != arrays[0])
        raise InputError(
            f"{split.folder}: column {arrays[0]!r} holds arrays or images, but there are others: "
            f"{', '.join(rest)}. Leave them out: DataFile(..., drop={rest!r})."
        )
    y = table.column(options.label)
    if y.null_count:
        raise InputError(
            f"{split.folder}: column {options.label!r} has no class in {y.null_count} rows. "
            f"Remove them."
        )
    return _arrays(split, arrays[0]), y.to_numpy(zero_copy_only=False)


def _storage(kind: pa.DataType) -> pa.DataType:
    return getattr(kind, "storage_type", kind)


def _arrays(split: _Split, name: str) -> np.ndarray[Any, Any]:
    """The samples of a column of images, as datasets encodes them, or of nested lists."""
    found: list[np.ndarray[Any, Any]] = []
    for number, scalar in enumerate(split.table.column(name)):
        row = scalar.as_py()
        where = f"{split.folder}: column {name!r}, row {number + 1}"
        one = _image(row, where) if isinstance(row, dict) else np.asarray(row)
        if one.dtype.kind not in "biuf":
            raise InputError(f"{where}: it is no image and no array of numbers.")
        if found and one.shape != found[0].shape:
            raise InputError(
                f"{where} has the shape {one.shape}, but the first has {found[0].shape}. Samples "
                f"must have one shape: resize or crop them before they are saved."
            )
        found.append(one)
    if not found:
        raise InputError(f"{split.folder} has no rows.")
    return np.stack(found)


def _image(row: dict[str, Any], where: str) -> np.ndarray[Any, Any]:
    """An image (height, width) or (height, width, channels), decoded by Pillow."""
    from PIL import Image, UnidentifiedImageError

    content = row.get("bytes")
    if not isinstance(content, bytes):
        raise InputError(
            f"{where} holds no image but {', '.join(map(str, row)) or 'nothing'}. Allowed: images "
            f"that are saved in the folder, not as paths of other files."
        )
    try:
        with Image.open(io.BytesIO(content)) as image:
            kept = {"1": "L", "L": "L", "LA": "L", "I;16": "I;16"}.get(image.mode, "RGB")
            return np.asarray(image if image.mode == kept else image.convert(kept))
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{where} is a broken image: {_line(error)}.") from None


def _text_list(record: Any, name: str) -> list[str]:
    found = record[name]
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ValueError(f"{name} is no list of names")
    return found


def _line(error: Exception) -> str:
    missing = "it lacks " if isinstance(error, KeyError) else ""
    return missing + (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
