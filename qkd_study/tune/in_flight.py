"""Trials between driver and worker: `InFlightTrial` (driver) and `TrialRequest` (worker)."""

from __future__ import annotations

from dataclasses import dataclass, field

from qkd_study.results import Record, score
from qkd_study.search.dominance import size_of
from qkd_study.study.trial import Trial

#: A worker reports with the first run that ends after this long.
STEP_SECONDS = 0.5


@dataclass
class InFlightTrial:
    """A trial that is being run: its records so far, and how many workers died running it."""

    trial: Trial
    records: dict[int, Record] = field(default_factory=dict)
    deaths: int = 0

    @property
    def left(self) -> tuple[int, ...]:
        """Replicates without a record."""
        return tuple(r for r in self.trial.replicates if r not in self.records)

    def request(self) -> TrialRequest:
        """The request for the replicates that are left."""
        before = [self.records[r].row for r in self.trial.replicates if r in self.records]
        scores = [value for row in before if (value := score(row)) is not None]
        failed = any(row["status"] == "failed" for row in before)
        column = None if self.trial.pruning is None else self.trial.pruning.column
        ended = [row for row in before if row["status"] == "ok"]
        sizes = [size_of(row, column) for row in ended] if column else []
        return TrialRequest(self.trial, self.left, tuple(scores), failed, tuple(sizes))


@dataclass(frozen=True)
class TrialRequest:
    """Replicates of a trial that a worker is to run.

    Attributes:
        replicates: to run now, in this order.
        scores: validation scores of the replicates that ended before.
        failed: whether one of them failed.
        sizes: of those that did not fail, if the trial's pruning compares sizes.
    """

    trial: Trial
    replicates: tuple[int, ...]
    scores: tuple[float, ...] = ()
    failed: bool = False
    sizes: tuple[float, ...] = ()
