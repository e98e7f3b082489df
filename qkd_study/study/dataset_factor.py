"""The factor `dataset`, whose values are datasets, all of which are run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.data import DataSource, name_of

#: The name of the factor, and of the column after `config.`.
DATASET = "dataset"


def resolve_factor(
    datasets: Sequence[Any], values: Sequence[Any]
) -> tuple[tuple[DataSource, ...], tuple[str, ...]]:
    """The datasets of the factor, and their names, which are its values in cells and tables.

    Args:
        datasets: of the study; values may be names of its declarations.
        values: of the factor: names, or declarations.

    Raises:
        InputError: a value is no dataset, or a name stands twice.
    """
    declared = {name_of(entry): entry for entry in datasets}
    entries = tuple(
        declared.get(entry, entry) if isinstance(entry, str) else entry for entry in values
    )
    names = tuple(map(name_of, entries))
    if len(set(names)) < len(names):
        raise InputError(f"factors['dataset'] names a value twice: {safe_repr(names)}.")
    return entries, names


def check_place(places: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that datasets stand where they can.

    Args:
        places: `search`, `teacher_search` and `fixed` of a study.

    Raises:
        InputError: one of them has the dataset.
    """
    for name, place in places.items():
        if DATASET in place:
            raise InputError(
                f"{name} cannot have dataset, but got {safe_repr(place[DATASET])}. Allowed: "
                f"datasets=(...), of which the first that is available is used, and "
                f"factors={{'dataset': (...)}}, of which all are run."
            )
