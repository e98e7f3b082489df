"""A forecast as the command line asks for it. Imports torch only when it is made."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qkd_study.common.errors import InputError
from qkd_study.common.terminal import is_live
from qkd_study.data import Dataset
from qkd_study.study.study import Study

if TYPE_CHECKING:
    from qkd_study.forecast.forecast import Forecast

#: CPUs of the largest cluster that is simulated.
MOST_CPUS = 1_000_000


def cpu_counts(text: str | None) -> list[int]:
    """Numbers of CPUs with commas between them; none from `None`.

    Raises:
        InputError: it is something else.
    """
    if text is None:
        return []
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = [0]
    if not all(1 <= count <= MOST_CPUS for count in counts):
        raise InputError(
            f"--cpus must be integers from 1 to {MOST_CPUS:,} with commas between them, such as "
            f"100,10000, but got {text}."
        )
    return counts


def with_progress(study: Study, dataset: Dataset, cpus: Sequence[int], *, anew: bool) -> Forecast:
    """A forecast, with a line on the terminal that tells how far the timing is.

    Raises:
        InputError: a training that is timed diverged.
    """
    from qkd_study.distill import Diverged
    from qkd_study.forecast.forecast import forecast

    live = is_live(sys.stderr)

    def tell(done: int, of: int) -> None:
        if live:
            print(f"\rshort trainings: {done} of {of} ", end="", file=sys.stderr, flush=True)

    try:
        return forecast(study, dataset, cpus, anew=anew, progress=tell)
    except Diverged as error:
        raise InputError(
            f"a short training to forecast from diverged: {error}. Try a smaller learning rate, or "
            f"ask for no forecast with --no-forecast."
        ) from None
    finally:
        if live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
