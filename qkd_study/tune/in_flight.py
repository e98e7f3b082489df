"""What the driver hands to a worker, and gets back."""

from __future__ import annotations

from dataclasses import dataclass, field

from qkd_study.results import Record, score
from qkd_study.study.trial import Trial


@dataclass
class InFlightTrial:
    """A trial on its way: the records it has, and how often a worker died on it."""

    trial: Trial
    records: dict[int, Record] = field(default_factory=dict)
    deaths: int = 0

    @property
    def left(self) -> tuple[int, ...]:
        """Replicates without a record."""
        return tuple(r for r in self.trial.replicates if r not in self.records)

    def order(self) -> TrialRequest:
        """What a worker is told of it."""
        before = [self.records[r].row for r in self.trial.replicates if r in self.records]
        scores = [value for row in before if (value := score(row)) is not None]
        failed = any(row["status"] == "failed" for row in before)
        return TrialRequest(self.trial, self.left, tuple(scores), failed)


@dataclass(frozen=True)
class TrialRequest:
    """Some replicates of a trial to run.

    Attributes:
        replicates: those to run now, in this order.
        scores: validation scores of the trial's replicates before them.
        failed: whether one of those failed.
    """

    trial: Trial
    replicates: tuple[int, ...]
    scores: tuple[float, ...] = ()
    failed: bool = False
