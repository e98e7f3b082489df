"""The numbers of seeds that score a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.common.python_values import as_python

#: Confirm replicates are numbered from here, so that no search uses them.
FIRST_CONFIRM_REPLICATE = 1000
#: The trials of search s of a cell and arm are numbered from s times this.
TRIALS_PER_SEARCH = 10_000_000
#: The trial that has the baseline's configuration n, with weak extra terms, has this number plus n.
FIRST_WEAK_TRIAL = 1_000_000
#: The largest number of confirm replicates.
MOST_CONFIRM = 100_000


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


#: Looks of a study that declares the least and the most confirm replicates alone.
LOOKS = 8
#: The largest number of looks.
MOST_LOOKS = 10


@dataclass(frozen=True, init=False)
class Replicates:
    """The numbers of seeds that score a configuration.

    With `confirm=(20, 200)` the claims are judged at looks, and a claim stops at the first at which
    it is decided or hopeless: what no open claim needs gets no more replicates. Every claim then
    needs a margin.

    Attributes:
        search: replicates 0, 1, ... over which every trial of the search is averaged.
        confirm: replicates 1000, 1001, ... of the best configurations only, at most. The least and
            the most are given as `(20, 200)`.
        searches: independent searches of each cell and arm, each on search replicates of its own.
            The confirm replicates are dealt out among their best configurations in turn, and
            intervals and tests are over searches.
        looks: rising numbers of confirm replicates at which claims may stop, the last is `confirm`;
            by default `LOOKS`, equally spaced between the least and the most. Empty if the number
            of confirm replicates is fixed.

    Raises:
        InputError: an invalid value; the message says what is allowed.
    """

    search: int
    confirm: int
    searches: int
    looks: tuple[int, ...]

    def __init__(
        self,
        search: int = 3,
        confirm: int | tuple[int, int] = 20,
        searches: int = 1,
        looks: Sequence[int] = (),
    ) -> None:
        given, looks = as_python(confirm), as_python(looks)
        search = count("Replicates(search)", as_python(search), 1, FIRST_CONFIRM_REPLICATE)
        searches = count("Replicates(searches)", as_python(searches), 1, FIRST_CONFIRM_REPLICATE)
        least, most = None, given
        if isinstance(given, tuple | list):
            least, most = _least_and_most(given)
        most = count("Replicates(confirm)", most, 2, MOST_CONFIRM)
        looks = _looks(looks, least, most)
        if search * searches > FIRST_CONFIRM_REPLICATE:
            raise InputError(
                f"Replicates(search={search}, searches={searches}) makes {search * searches:,} "
                f"search replicates. Allowed: {FIRST_CONFIRM_REPLICATE:,} in all."
            )
        if looks and searches > 1:
            raise InputError(
                f"Replicates(searches={searches}) with looks at {looks}: later looks would add "
                f"replicates, not searches. Ask for one search, or for a fixed number such as "
                f"confirm={most - most % searches + searches}."
            )
        if most % searches:
            raise InputError(
                f"Replicates(confirm={most}, searches={searches}): the confirm replicates must "
                f"be a multiple of the searches, such as {most - most % searches + searches}."
            )
        object.__setattr__(self, "searches", searches)
        object.__setattr__(self, "search", search)
        object.__setattr__(self, "confirm", most)
        object.__setattr__(self, "looks", looks)

    @property
    def least(self) -> int:
        """The confirm replicates that every cell and arm gets."""
        return self.looks[0] if self.looks else self.confirm

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


def _least_and_most(given: Sequence[object]) -> tuple[int, int]:
    numbers = [n for n in given if isinstance(n, int) and not isinstance(n, bool)]
    if len(given) != 2 or len(numbers) != 2 or not 2 <= numbers[0] < numbers[1] <= MOST_CONFIRM:
        raise InputError(
            f"Replicates(confirm) must be an integer, or the least and the most confirm replicates "
            f"such as (20, 200), rising and from 2 to {MOST_CONFIRM}, but got {safe_repr(given)}."
        )
    return numbers[0], numbers[1]


def _looks(given: object, least: int | None, most: int) -> tuple[int, ...]:
    """The looks that are declared, or those between the least and the most."""
    if isinstance(given, Sequence) and not given:
        if least is None:
            return ()
        steps = min(LOOKS, most - least + 1) - 1
        return tuple(round(least + i * (most - least) / steps) for i in range(steps + 1))
    numbers = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else []
    if (
        not 2 <= len(numbers) <= MOST_LOOKS
        or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 2 for n in numbers)
        or not all(a < b for a, b in pairwise(numbers))
        or numbers[-1] != most
        or least not in (None, numbers[0])
    ):
        first = "" if least is None else f"begin with {least}, "
        raise InputError(
            f"Replicates(looks) must be 2 to {MOST_LOOKS} integers from 2 that rise, {first}and "
            f"end with confirm={most}, such as ({least or max(2, most // 4)}, {most}), but got "
            f"{safe_repr(given)}."
        )
    return tuple(numbers)
