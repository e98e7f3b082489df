"""The numbers of seeds that score a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.common.python_values import keep_python_values

#: Confirm replicates are numbered from here, so that no search uses them.
FIRST_CONFIRM_REPLICATE = 1000


def count(name: str, value: object, low: int, high: int) -> int:
    """An integer from `low` to `high`.

    Raises:
        InputError: the value is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(
            f"{name} must be an integer from {low} to {high}, but got {safe_repr(value)}."
        )
    return int(value)


@dataclass(frozen=True)
class Replicates:
    """The numbers of seeds that score a configuration.

    Attributes:
        search: replicates 0, 1, ... over which every trial of the search is averaged.
        confirm: replicates 1000, 1001, ... of the best configurations only.
    """

    search: int = 3
    confirm: int = 20

    def __post_init__(self) -> None:
        keep_python_values(self)
        search = count("Replicates(search)", self.search, 1, FIRST_CONFIRM_REPLICATE)
        confirm = count("Replicates(confirm)", self.confirm, 2, 100_000)
        object.__setattr__(self, "search", search)
        object.__setattr__(self, "confirm", confirm)

    @property
    def of_search(self) -> range:
        """The numbers of the search replicates."""
        return range(self.search)

    @property
    def of_confirm(self) -> range:
        """The numbers of the confirm replicates."""
        return range(FIRST_CONFIRM_REPLICATE, FIRST_CONFIRM_REPLICATE + self.confirm)
