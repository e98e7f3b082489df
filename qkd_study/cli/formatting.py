"""Formats results of commands as text: forecasts, the state of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qkd_study.common.terminal_table import TerminalTable
from qkd_study.tune.progress import format_duration

if TYPE_CHECKING:
    from qkd_study.analysis.status import BranchStatus, RunStatus
    from qkd_study.forecast.forecast import Forecast, Scenario


def size(count: float) -> str:
    """A number of bytes as text, such as `940 MB` or `1.2 GB`."""
    for unit, one in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= one:
            return (
                f"{count / one:#.3g} {unit}" if count < 100 * one else f"{count / one:.0f} {unit}"
            )
    return f"{count / 1e3:.0f} kB"


def forecast_lines(found: Forecast) -> list[str]:
    """The forecast as `qkd-study plan` prints it."""
    lines = [
        f"forecast from {found.timed} short trainings on this machine"
        + (f", and {found.interpolated} that lie between them" if found.interpolated else "")
        + (
            f" ({format_duration(found.calibration_seconds)})"
            if found.calibration_seconds >= 1
            else ""
        ),
        f"  CPU time: {_from(found.cpu_seconds_least, found.cpu_seconds)}, of it "
        f"{format_duration(found.teacher_seconds)} for {found.teachers} teachers",
        f"  memory: {size(found.memory)} per worker",
        f"  disk: {size(found.disk.bytes)} in {found.disk.files:,} files"
        + (
            f", of it {size(found.disk.predictions)} for predictions per test sample"
            if found.disk.predictions
            else ""
        )
        + (f", {size(found.disk.weights)} for trained students" if found.disk.weights else ""),
    ]
    if found.busy:
        lines.append(
            "  the machine was busy with something else: these times may be too long; plan again "
            "when it is not"
        )
    return lines + [_scenario(scenario) for scenario in found.scenarios]


def _from(least: float, most: float) -> str:
    """A duration, or from the least to the most if looks may end the run."""
    shown = [format_duration(seconds) for seconds in (least, most)]
    return " to ".join(dict.fromkeys(shown))


def _scenario(at: Scenario) -> str:
    wall, without = (
        format_duration(at.timeline.wall),
        format_duration(at.counterfactual.get(at.bottleneck, 0)),
    )
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
    if at.least is not None:
        wall = _from(at.least, at.timeline.wall)
    return f"  {cpus}: {wall}, {100 * at.used:.0f} % of them busy; bottleneck: {why}"


def status_lines(found: RunStatus) -> list[str]:
    """The lines of `qkd-study status` before its table."""
    lines = [f"{found.run} on {found.dataset}"]
    if found.reasons:
        lines.append(f"{found.failures}:")
    for reason in found.reasons:
        lines.append(f"  {reason.count} x {reason.line}; first: {reason.run}")
        lines += [f"    {line}" for line in reason.traceback]
    lines.append(f"{found.done} of {found.declared} runs have rows")
    for phase, rows in found.rows.items():
        lines.append(f"{phase}: " + ", ".join(f"{count} {name}" for name, count in rows.items()))
    lines.append(_now(found))
    return lines


def status_table(found: RunStatus) -> TerminalTable:
    """The progress of each cell and arm."""
    columns = ("arm", "search", "confirm", "best validation accuracy, %", "failed")
    return TerminalTable.of_cells(
        "", columns, [_branch(branch) for branch in found.branches], keys=2
    )


def _now(found: RunStatus) -> str:
    pace = found.runs_per_minute
    past = "" if pace is None else _pace(pace)
    if found.seconds_left == 0:
        return "complete" + (f", {past} at the end" if past else "")
    if found.writer is None:
        how = f"; this goes on: {found.command}" if found.command else ""
        return f"nothing works on it now{f', {past} at last' if past else ''}{how}"
    if pace is None or found.seconds_left is None:
        return f"{found.writer} works on it, no run has ended yet"
    return f"{found.writer} works on it, {past}, about {format_duration(found.seconds_left)} left"


def _pace(per_minute: float) -> str:
    if per_minute < 0.1:
        return f"{60 * per_minute:.2f} runs per hour"
    return f"{per_minute:,.{0 if per_minute >= 100 else 2}f} runs per minute"


def _branch(at: BranchStatus) -> tuple[str, ...]:
    best = "" if at.best is None else f"{100 * at.best:.1f}"
    done = [f"{count}/{of}" if of else "" for count, of in (at.search, at.confirm)]
    return (at.cell, at.arm, *done, best, str(at.failed or ""))
