"""The looks of a run at its confirm replicates, and what ends a claim at one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeVar

import numpy as np

from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.statistics import Verdict
from qkd_study.analysis.statistics.samples import Reals, constant
from qkd_study.analysis.statistics.sequential import chance_of_verdict, levels, repeated_p
from qkd_study.analysis.summary import best_trials
from qkd_study.study.replicates import FIRST_CONFIRM_REPLICATE

#: A claim is futile if the chance of a verdict at the last look is below this.
FUTILE = 0.1

Reason = Literal["open", "supported", "contradicted", "equivalent", "futile", "last look"]
Side = tuple[str, str]  # cell and arm
Tables = TypeVar("Tables", bound=RunTables)


@dataclass(frozen=True)
class Look:
    """The look that the verdict on a claim rests on.

    Attributes:
        number: counted from 1; 0 before the first look is complete.
        of: how many are declared.
        replicates: of confirmation until this look, or until the first if none is complete.
        reason: what ended the claim there; `open` if it goes on.
        coverage: of its interval: those of all looks together cover 95 %.
    """

    number: int
    of: int
    replicates: int
    reason: Reason
    coverage: float


@dataclass(frozen=True)
class Design:
    """The declared looks.

    Attributes:
        looks: rising numbers of confirm replicates; the last is the most there will be.
        alpha: the error rate of all looks together.
    """

    looks: tuple[int, ...]
    alpha: float = 0.05

    @classmethod
    def of(cls, results: RunTables, alpha: float) -> Design | None:
        """The looks of a run; `None` if the number of its confirm replicates is fixed."""
        looks = results.declaration["replicates"].get("looks")
        return cls(tuple(looks), alpha) if looks else None

    @property
    def fractions(self) -> list[float]:
        """Of the replicates of the last look."""
        return [count / self.looks[-1] for count in self.looks]

    @cached_property
    def levels(self) -> Reals:
        """Of the two-sided test at each look."""
        return levels(self.fractions, alpha=self.alpha)

    @cached_property
    def levels_within(self) -> Reals:
        """Of the one-sided tests within a margin at each look."""
        return levels(self.fractions, alpha=self.alpha, sides=1)

    def repeated(self, p_values: Sequence[float], sides: int) -> float:
        """The p value of all looks so far; see `repeated_p`."""
        return repeated_p(p_values, self.fractions, sides=sides)

    def coverage(self, look: int) -> float:
        """Of the interval at a look, such that those of all looks together cover 1 - alpha."""
        return 1 - float(self.levels[look])

    def tables(self, results: Tables, look: int) -> Tables:
        """The run as it was at a look: with confirm replicates of later looks left out."""
        end = FIRST_CONFIRM_REPLICATE + self.looks[look]

        def until(table: Any) -> Any:
            return table[(table["phase"] != "confirm") | (table["replicate"] < end)]

        return replace(results, runs=until(results.runs), curves=until(results.curves))

    def complete(self, results: RunTables, sides: Iterable[Side], look: int) -> bool:
        """Whether all confirm runs until a look have ended, in each cell and arm.

        Of those whose search ended without a complete trial, none are to come.
        """
        best = best_trials(results.runs, results.minimised)
        sides = {(results.branch(cell, arm), arm) for cell, arm in sides}
        rows = results.runs[results.runs["phase"] == "confirm"]
        rows = rows[rows["replicate"] < FIRST_CONFIRM_REPLICATE + self.looks[look]]
        counts = rows.groupby(["cell", "arm", "trial"])["replicate"].nunique()
        search = results.runs[results.runs["phase"] == "search"]
        tried = search.groupby(["cell", "arm"])["trial"].nunique()
        plan = results.manifest.get("plan", {}).get("arm_trials", {})
        for cell, arm in sides:
            trial = best.get((cell, arm))
            if trial is None:
                wanted = plan.get(arm, results.declaration["trials"])
                if tried.get((cell, arm), 0) < wanted:
                    return False
            elif counts.get((cell, arm, trial), 0) < self.looks[look]:
                return False
        return True

    def reason(
        self, found: Verdict | None, differences: Reals, margin: float | None, look: int
    ) -> Reason:
        """What ends a claim at a look; `open` if nothing does."""
        if found is not None and found.status != "undecided":
            return found.status
        if look == len(self.looks) - 1:
            return "last look"
        return "futile" if self._futile(differences, margin, look) else "open"

    def _futile(self, differences: Reals, margin: float | None, look: int) -> bool:
        count = len(differences)
        if count < 2:  # most replicates failed, or no configuration did not
            return True
        if constant(differences):
            return False
        chance = chance_of_verdict(
            float(differences.mean()),
            float(np.std(differences, ddof=1)),
            count,
            # As many of those to come will lack a side.
            max(count + 1, round(count * self.looks[-1] / self.looks[look])),
            margin=margin or 0.0,
            level=float(self.levels[-1]),
            level_within=float(self.levels_within[-1]),
        )
        return chance < FUTILE

    def look(self, number: int, reason: Reason) -> Look:
        """The look of an index, -1 before the first."""
        there = number >= 0
        return Look(
            number + 1,
            len(self.looks),
            self.looks[max(number, 0)],
            reason,
            self.coverage(number) if there else 1.0,
        )
