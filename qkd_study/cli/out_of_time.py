"""What `run` says where its time budget ended."""

from __future__ import annotations

from typing import Any


def out_of_time_lines(schedule: Any, budget: str) -> list[str]:
    """How far all cells and arms are, and what is left.

    Args:
        schedule: of a run that ended for want of time.
        budget: as it was given.
    """
    from qkd_study.tune.progress import format_duration

    progress = schedule.levels.progress()
    search = f"{_count(progress.search)} of {_count(progress.trials)} search trials"
    confirm = f"{_count(progress.confirm)} of {_count(progress.replicates)} confirm replicates"
    if progress.search < progress.trials:
        confirm = "no confirm replicate, as these come after all searches"
    what = (
        f"Every cell and arm has {search} and {confirm}; {schedule.missing_runs()} runs are left."
    )
    if progress.seconds_next is not None:
        what += f" One more of each takes about {format_duration(progress.seconds_next)} in all."
    return [
        f"The time budget of {budget} is used: what is left would not end in time in every cell "
        f"and arm.",
        what,
    ]


def _count(ends: tuple[int, int]) -> str:
    low, high = ends
    return str(low) if low == high else f"{low} to {high}"
