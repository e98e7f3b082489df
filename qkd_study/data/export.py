"""Writes the split of a replicate: which samples are for training, validation and the test."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qkd_study.common.errors import InputError
from qkd_study.data.data_file import ENDINGS
from qkd_study.data.dataset import Dataset, Floats, Ints
from qkd_study.data.draw import draw

if TYPE_CHECKING:
    import pandas as pd

#: The parts of a split, in the order in which they are written.
PARTS = ("train", "validation", "test")


def split(dataset: Dataset, validation: int, *, seed: int, replicate: int) -> dict[str, Ints]:
    """Indices of each of `PARTS`, the first two into the pool, the last into the test set.

    A student with K samples is trained on the first K of `train`, its teacher with M samples on the
    first M: draws of a replicate are nested.

    Args:
        validation: V, the validation samples.
        seed, replicate: fix the draw.

    Raises:
        InputError: the pool is too small.
    """
    rest = len(dataset.pool_labels) - validation
    if validation < 1 or rest < dataset.classes:
        raise InputError(
            f"validation_samples={validation} of {dataset.name} leave {max(rest, 0)} of "
            f"{len(dataset.pool_labels)} samples for training. Allowed: 1 to "
            f"{len(dataset.pool_labels) - dataset.classes}, so that there is one for each of its "
            f"{dataset.classes} classes."
        )
    drawn = draw(dataset, rest, rest, validation, seed=seed, replicate=replicate)
    test = np.arange(len(dataset.test_labels), dtype=np.int64)
    return dict(zip(PARTS, (drawn.student, drawn.validation, test), strict=True))


def check_export_path(path: Path) -> None:
    """Check that a split can be written to `path`.

    Raises:
        InputError: it has another ending, or its folder does not exist.
    """
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"{path} must end in one of {', '.join(ENDINGS)}.")
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be written: {path.parent} is no folder.")


def write_split(dataset: Dataset, parts: dict[str, Ints], path: Path) -> None:
    """Write indices, classes and samples, as models get them, to a file.

    - `.csv`, `.parquet`: a row per sample; `part`, `position` in it, `index` in the pool or the
      test set, `label` (its number), `class` (its name), and the inputs x0, x1, ..., flattened.
    - `.npz`: arrays `x` and `y` of `train`, `validation_x`, `validation_y`, `test_x`, `test_y`,
      the indices `index`, `validation_index`, `test_index`, and `class_names`.

    Raises:
        InputError: it cannot be written.
    """
    check_export_path(path)
    partial = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        if path.suffix.lower() == ".npz":
            arrays: dict[str, Any] = {"class_names": np.array(dataset.class_names)}
            for part, index in parts.items():
                prefix = "" if part == "train" else f"{part}_"
                x, y = _samples(dataset, part, index)
                arrays |= {f"{prefix}x": x, f"{prefix}y": y, f"{prefix}index": index}
            np.savez_compressed(partial, **arrays)
        elif path.suffix.lower() == ".csv":
            _table(dataset, parts).to_csv(partial, index=False)
        else:
            _table(dataset, parts).to_parquet(partial, index=False)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from None


def _samples(dataset: Dataset, part: str, index: Ints) -> tuple[Floats, Ints]:
    if part == "test":
        return dataset.test_inputs(), dataset.test_labels
    return dataset.pool_inputs(index), dataset.pool_labels[index]


def _table(dataset: Dataset, parts: dict[str, Ints]) -> pd.DataFrame:
    import pandas as pd

    frames = []
    for part, index in parts.items():
        x, y = _samples(dataset, part, index)
        keys = {"part": part, "position": np.arange(len(index)), "index": index, "label": y}
        names = np.array(dataset.class_names, dtype=object)[y]
        flat = x.reshape(len(x), -1)
        inputs = pd.DataFrame(flat, columns=[f"x{i}" for i in range(flat.shape[1])])
        frames.append(pd.concat((pd.DataFrame({**keys, "class": names}), inputs), axis=1))
    return pd.concat(frames, ignore_index=True)
