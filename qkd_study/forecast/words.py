"""A forecast in words."""

from __future__ import annotations

from qkd_study.forecast.forecast import Forecast, Outlook
from qkd_study.tune.progress import in_words


def size(count: float) -> str:
    """Bytes such as `940 MB` or `1.2 GB`."""
    for unit, one in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= one:
            return (
                f"{count / one:#.3g} {unit}" if count < 100 * one else f"{count / one:.0f} {unit}"
            )
    return f"{count / 1e3:.0f} kB"


def lines(found: Forecast) -> list[str]:
    """What `qkd-study plan` prints after its counts."""
    said = [
        f"forecast from {found.timed} short trainings on this machine"
        + (f", and {found.interpolated} that lie between them" if found.interpolated else "")
        + (f" ({in_words(found.calibration_seconds)})" if found.calibration_seconds >= 1 else ""),
        f"  CPU time: {in_words(found.cpu_seconds)}, of it {in_words(found.teacher_seconds)} for "
        f"{found.teachers} teachers",
        f"  memory: {size(found.memory)} per worker",
        f"  disk: {size(found.disk.bytes)} in {found.disk.files:,} files",
    ]
    if found.busy:
        said.append(
            "  the machine was busy with something else: these times may be too long; plan again "
            "when it is not"
        )
    return said + [_outlook(outlook) for outlook in found.outlooks]


def _outlook(at: Outlook) -> str:
    wall, without = in_words(at.timeline.wall), in_words(at.without.get(at.bottleneck, 0))
    match at.bottleneck:
        case "cpus":
            why = f"the runs themselves, twice the CPUs would take {without}"
        case "driver":
            why = f"the driver, which handles one trial at a time; without its share {without}"
        case "storage":
            why = f"storage, with rows on disk one trial after the other; without it {without}"
        case "teachers":
            why = f"teachers, which others wait for; if they were there {without}"
        case _:
            why = f"the longest chain of runs that wait for each other ({at.timeline.last})"
    cpus = f"{at.cpus:,} CPU{'s' if at.cpus > 1 else ''}"
    return f"  {cpus}: {wall}, {100 * at.used:.0f} % of them busy; bottleneck: {why}"
