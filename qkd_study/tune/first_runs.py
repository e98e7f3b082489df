"""Detects that a study cannot work: its first runs all fail for the same reason."""

from __future__ import annotations

from qkd_study.results import Reason, Row, may_be_retried, reason_key, reasons

#: Trials that must have failed; at least one per worker.
MIN_FAILED_TRIALS = 4


class FirstRuns:
    """Watches the runs of a command until one of them succeeds or diverges.

    Arms that work, however slowly, occupy all workers before enough trials of other arms failed.

    Args:
        searches: how many pairs of cell and arm have trials left to run.
        worked: whether a run of the study succeeded in an earlier command.
    """

    def __init__(self, searches: int, worked: bool) -> None:
        self._searches, self._over = searches, worked
        self._failed: dict[str, list[Row]] = {}

    def add(self, row: Row) -> None:
        """Count a run that has ended."""
        if row["status"] == "failed" and may_be_retried(row):
            self._failed.setdefault(reason_key(row["reason"]), []).append(row)
        elif row["status"] != "stopped":
            self._over = True

    def fault(self, workers: int) -> Reason | None:
        """Return why the study cannot work, if so.

        That is so if no run has succeeded or diverged and enough trials failed for the same
        reason, each in another cell and arm as far as there are that many.

        Args:
            workers: how many runs there are at once.
        """
        wanted = max(MIN_FAILED_TRIALS, workers)
        for rows in () if self._over else self._failed.values():
            trials = {(row["cell"], row["arm"], row["phase"], row["trial"]) for row in rows}
            searches = {(row["cell"], row["arm"]) for row in rows}
            if len(trials) >= wanted and len(searches) >= min(wanted, self._searches):
                return reasons(rows)[0]
        return None
