"""How many trials a worker is given at once."""

from __future__ import annotations

from math import ceil

#: A bundle holds trials worth about this many seconds: small beside them, its overhead is not felt.
BUNDLE_SECONDS = 2.0
#: No bundle holds more trials than this.
LARGEST_BUNDLE = 64


def bundle_size(
    seconds: float | None, ready: int, workers: int, bundle_seconds: float = BUNDLE_SECONDS
) -> int:
    """Trials of the next bundle: enough seconds of work, and some left for the other workers.

    Args:
        seconds: that a search trial took on average; `None` while no run has ended.
        ready: trials that could be handed out.
        workers: how many can run at once.
        bundle_seconds: of work, if there is so much for each worker.
    """
    if seconds is None:
        return 1
    wanted = ceil(bundle_seconds / max(seconds, 1e-3))
    return max(1, min(wanted, ready // (2 * workers), LARGEST_BUNDLE))
