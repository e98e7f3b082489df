"""Arms: ways to train the same student."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from qkd_study.errors import InputError

Term = Literal["soft", "features", "scaled cross-entropy"]

#: Terms that compare the student with a teacher.
TEACHER_TERMS: frozenset[str] = frozenset({"soft", "features"})


@dataclass(frozen=True)
class Arm:
    """A way to train the student: cross-entropy and the listed terms.

    Attributes:
        name: as it stands in the tables.
        terms: `soft` (soft targets), `features` (feature maps), `scaled cross-entropy` (the
            control that multiplies the cross-entropy, because extra terms mean larger steps).
    """

    name: str
    terms: tuple[Term, ...] = ()

    def __post_init__(self) -> None:
        if not self.name or any(c in self.name for c in "/\\ \n\t"):
            raise InputError(f"an arm's name must be a word without spaces, but got {self.name!r}.")
        if isinstance(self.terms, str) or not all(term in get_args(Term) for term in self.terms):
            known = ", ".join(repr(term) for term in get_args(Term))
            raise InputError(f"terms of an arm are a tuple of {known}, but got {self.terms!r}.")

    @property
    def needs_teacher(self) -> bool:
        """Whether any term compares the student with a teacher."""
        return not TEACHER_TERMS.isdisjoint(self.terms)


#: The arms that a study gets by naming them.
ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        arm.name: arm
        for arm in (
            Arm("scratch"),
            Arm("scaled-ce", ("scaled cross-entropy",)),
            Arm("soft", ("soft",)),
            Arm("soft+features", ("soft", "features")),
        )
    }
)


def resolve_arm(arm: object) -> Arm:
    """An arm from its name, or the arm itself.

    Raises:
        InputError: no arm has that name.
    """
    if isinstance(arm, Arm):
        return arm
    if isinstance(arm, str) and arm in ARMS:
        return ARMS[arm]
    raise InputError(
        f"unknown arm {arm!r}. Named arms: {', '.join(ARMS)}; or write Arm(name, terms)."
    )
