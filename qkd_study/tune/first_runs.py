"""Whether a study cannot work: its first runs all failed, and so would the rest."""

from __future__ import annotations

from qkd_study.results import Reason, Row, alike, may_be_retried, reasons

#: So many trials must have failed, or as many as there are workers if those are more.
FEWEST = 4


class FirstRuns:
    """Looks at the runs of a command until one of them ends well, or diverges.

    Where half of the arms work, however slowly, they keep all workers busy before as many trials
    of the others have failed in as many cells and arms.

    Args:
        branches: cells and arms that have something left to run.
        worked: whether a run of the study ended well in an earlier command.
    """

    def __init__(self, branches: int, worked: bool) -> None:
        self._branches, self._over = branches, worked
        self._failed: dict[str, list[Row]] = {}

    def add(self, row: Row) -> None:
        """A run has ended."""
        if row["status"] == "failed" and may_be_retried(row):
            self._failed.setdefault(alike(row["reason"]), []).append(row)
        elif row["status"] != "stopped":
            self._over = True

    def fault(self, workers: int) -> Reason | None:
        """Why the study cannot work, if so.

        That is so if no run has ended otherwise and enough trials failed for the same reason, in
        as many cells and arms as that, or in all of them.

        Args:
            workers: how many runs go on at once.
        """
        wanted = max(FEWEST, workers)
        for rows in () if self._over else self._failed.values():
            trials = {(row["cell"], row["arm"], row["phase"], row["trial"]) for row in rows}
            branches = {(row["cell"], row["arm"]) for row in rows}
            if len(trials) >= wanted and len(branches) >= min(wanted, self._branches):
                return reasons(rows)[0]
        return None
