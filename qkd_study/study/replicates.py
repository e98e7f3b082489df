"""The numbers of seeds that score a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.common.python_values import keep_python_values

#: Confirm replicates are numbered from here, so that no search uses them.
FIRST_CONFIRM_REPLICATE = 1000
#: The trials of search s of a cell and arm are numbered from s times this.
TRIALS_PER_SEARCH = 10_000_000


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
        searches: independent searches of each cell and arm, each on search replicates of its own.
            The confirm replicates are dealt out among their best configurations in turn, and
            intervals and tests are over searches.
    """

    search: int = 3
    confirm: int = 20
    searches: int = 1

    def __post_init__(self) -> None:
        keep_python_values(self)
        search = count("Replicates(search)", self.search, 1, FIRST_CONFIRM_REPLICATE)
        confirm = count("Replicates(confirm)", self.confirm, 2, 100_000)
        searches = count("Replicates(searches)", self.searches, 1, FIRST_CONFIRM_REPLICATE)
        if search * searches > FIRST_CONFIRM_REPLICATE:
            raise InputError(
                f"Replicates(search={search}, searches={searches}) makes {search * searches:,} "
                f"search replicates. Allowed: {FIRST_CONFIRM_REPLICATE:,} in all."
            )
        if confirm % searches:
            raise InputError(
                f"Replicates(confirm={confirm}, searches={searches}): the confirm replicates must "
                f"be a multiple of the searches, such as {confirm - confirm % searches + searches}."
            )
        object.__setattr__(self, "searches", searches)
        object.__setattr__(self, "search", search)
        object.__setattr__(self, "confirm", confirm)

    @property
    def of_search(self) -> range:
        """The numbers of the search replicates of the first search."""
        return self.searched_by(0)

    def searched_by(self, number: int) -> range:
        """The search replicates of a search."""
        return range(number * self.search, (number + 1) * self.search)

    def confirmed_by(self, number: int, searches: int) -> range:
        """The confirm replicates of the best configuration of one of so many searches."""
        return self.of_confirm[number::searches]

    @property
    def of_confirm(self) -> range:
        """The numbers of the confirm replicates."""
        return range(FIRST_CONFIRM_REPLICATE, FIRST_CONFIRM_REPLICATE + self.confirm)
