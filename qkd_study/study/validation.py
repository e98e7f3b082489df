"""What needs validation samples, where a study has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from qkd_study.common.errors import InputError
from qkd_study.study.reading import Declaration
from qkd_study.study.space import Range

#: The fewest validation samples that `validation_samples` may ask for, if not none.
FEWEST = 10
#: The end of each message.
HINT = (
    "Ask for some with validation_samples or validation_share, or fix all parameters and "
    "epoch_choice='last'."
)


class ValidatedDeclaration(Declaration, Protocol):
    """The part of `qkd_study.study.study.Study` that this module uses."""

    @property
    def teacher_search(self) -> Mapping[str, Range]: ...


def check_validation(study: ValidatedDeclaration) -> None:
    """Check that nothing is chosen on validation samples where there are none.

    Raises:
        InputError: a search or the best epoch would be, there are too few to choose by, or their
            number is declared twice.
    """
    if study.sets("validation_samples") and study.sets("validation_share"):
        raise InputError(
            "validation_samples follows from validation_share and samples: set one of the two."
        )
    for cell in study.cells():
        for values in study.extremes(cell):
            _check_values(study, values)


def _check_values(study: ValidatedDeclaration, values: Mapping[str, Any]) -> None:
    given = values["validation_samples"]
    if values["validation_share"]:
        return
    if 0 < given < FEWEST:
        raise InputError(
            f"validation_samples must be 0 or an integer >= {FEWEST}, but got "
            f"validation_samples={given}."
        )
    if given:
        return
    for where, space in (("search", study.search), ("teacher_search", study.teacher_search)):
        if space:
            raise InputError(
                f"validation_samples=0 leaves nothing to choose configurations by, but {where} "
                f"varies {', '.join(space)}. {HINT}"
            )
    if values["epoch_choice"] != "last":
        raise InputError(
            f"validation_samples=0 leaves nothing to choose an epoch by, but got epoch_choice="
            f"{values['epoch_choice']!r}. {HINT}"
        )
