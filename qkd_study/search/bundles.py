"""The number of trials in a bundle."""

from __future__ import annotations

from math import ceil

#: Seconds of work in a bundle: the overhead of a bundle is small beside them.
BUNDLE_SECONDS = 2.0
#: Trials in a bundle, at most.
LARGEST_BUNDLE = 64


def bundle_size(
    seconds: float | None, ready: int, workers: int, bundle_seconds: float = BUNDLE_SECONDS
) -> int:
    """Trials in the next bundle: `bundle_seconds` of work, but only a share of what is ready.

    Args:
        seconds: mean time of a search trial; `None` while no run has ended.
        ready: how many trials can be handed out now.
        workers: how many trials can run at once.
        bundle_seconds: seconds of work that a bundle should hold.
    """
    if seconds is None:
        return 1
    wanted = ceil(bundle_seconds / max(seconds, 1e-3))
    return max(1, min(wanted, ready // (2 * workers), LARGEST_BUNDLE))
