"""Intervals as text: `81.6 ± 1.5`, `98.2 +0.9 -1.9`, and words where there is none to show."""

from __future__ import annotations

from qkd_study.analysis.statistics.intervals import Interval

#: An interval wider than this share of the possible range is not shown.
WIDEST = 0.5
FEW, EQUAL = "few", "equal"
#: The notes below a table that has such an entry.
NOTES = {
    FEW: f"{FEW}: so few replicates that the 95 % interval would cover more than half of what is "
    "possible",
    EQUAL: f"{EQUAL}: all replicates have the same value, which tells nothing of an interval",
}


def format_share(found: Interval, *, latex: bool = False) -> str:
    """A mean share in per cent with its interval, such as `69.1 ± 1.9` or `98.2 +0.9 -1.9`.

    Args:
        latex: in mathematical mode.
    """
    return _with_interval(f"{100 * found.mean:.1f}", found, 1.0, latex)


def format_gain(found: Interval, *, latex: bool = False) -> str:
    """A mean difference of shares in percentage points with its interval."""
    return _with_interval(f"{100 * found.mean:+.1f}", found, 2.0, latex)


def _with_interval(mean: str, found: Interval, possible: float, latex: bool) -> str:
    if found.count == 0:
        return ""
    shown = f"${mean}$" if latex else mean
    if found.count == 1 or found.high - found.low > WIDEST * possible:
        return f"{shown} {FEW}"
    if found.low == found.high:
        return f"{shown} {EQUAL}"
    up, down = 100 * (found.high - found.mean), 100 * (found.mean - found.low)
    if abs(up - down) < 0.1:  # nearly symmetric: show the larger
        half = f"{max(up, down):.1f}"
        return rf"${mean} \pm {half}$" if latex else f"{mean} ± {half}"
    return f"${mean}^{{+{up:.1f}}}_{{-{down:.1f}}}$" if latex else f"{mean} +{up:.1f} -{down:.1f}"
