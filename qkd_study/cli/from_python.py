"""`qkd_study.run` and `qkd_study.plan`: the commands, called from a script or a notebook."""

from __future__ import annotations

import argparse
import contextlib
import os
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from qkd_study import data as datasets
from qkd_study.analysis import Results, load
from qkd_study.cli.continuation import run_arguments
from qkd_study.cli.parser import add_run_options
from qkd_study.cli.plan import MOST_CPUS, counted_lines, timed_forecast
from qkd_study.cli.run import checked_options, place_of, run_planned
from qkd_study.cli.study_options import cores, planned, study_of, with_options
from qkd_study.common.errors import InputError, safe_repr
from qkd_study.common.exit_codes import INCOMPLETE
from qkd_study.data import within
from qkd_study.forecast.forecast import Forecast
from qkd_study.planning.plan import Plan
from qkd_study.study.files import FilesRead
from qkd_study.study.origin import Origin
from qkd_study.study.study import Study
from qkd_study.tune.jobs import is_remote
from qkd_study.tune.process_state import restored


def run(study: Study | str | Path, **options: Any) -> Results:
    """Run what is missing of a study, as the command `run` does, and return its results.

    It shows the progress on the terminal or in the cell of the notebook. After an interrupt, or
    with more trials, replicates, arms or factor values, the same call goes on with the same run.

    Functions and classes that a script or notebook defines reach the workers by value. The run's
    folder has a study.py if the study is made of this package's parts alone, or came from a file;
    without one, `qkd-study replay` cannot compute its rows again.

    Args:
        study: built in Python, with a name, or the path of a study file. Relative paths of its data
            are from the working folder, or from the folder of the file.
        options: those of the command, such as `out="results"`, `cpus=2`, `new=True`, `quick=True`,
            `retry_failed=True`, `set=["epochs=5"]`, `predictions=False`, or `time_budget="30m"`:
            it then returns what is there, and the same call goes on.

    Raises:
        InputError: the study or an option is invalid, or its first runs all failed; the message
            says what to do.
        StorageError: results cannot be written; the same call goes on.
        KeyboardInterrupt: it was interrupted; finished runs are kept, the same call goes on.
    """
    parsed = _options(study, options)
    if is_remote(parsed.address):
        raise InputError(
            f"address={parsed.address!r} is for the command `qkd-study run` with a study file. "
            f"From Python, call run on a node of the cluster, with address='auto'."
        )
    checked_options(parsed)
    loaded, origin, files = _study(study, parsed)
    # Before the variables are set by which libraries that this imports compute in one thread.
    chosen = planned(loaded, origin, files)
    with restored(local=parsed.address is None):
        place = place_of(parsed)
        ended = run_planned(loaded, origin, chosen, files, place, parsed)
    if ended.fault:
        raise InputError("\n".join(ended.fault))
    if ended.code == INCOMPLETE and not ended.out_of_time:
        raise KeyboardInterrupt
    return load(ended.folder.path)


@dataclass(frozen=True, repr=False)
class StudyPlan:
    """What a study would run, and what that would take.

    Attributes:
        counts: the numbers of cells, trials, runs and teachers.
        forecast: times, memory and disk; `None` if none was asked for.
        lines: what the command `plan` prints.
    """

    counts: Plan
    forecast: Forecast | None
    lines: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join(self.lines)


def plan(
    study: Study | str | Path, *, cpus: int | Sequence[int] | None = None, forecast: bool = True
) -> StudyPlan:
    """Count what a study would run and forecast what it would take, as the command `plan` does.

    Args:
        study: as for `run`.
        cpus: forecast for so many CPUs, or for each of several numbers; default: all cores here.
        forecast: whether to time short trainings for it.

    Raises:
        InputError: the study cannot work; the message says what to do.
    """
    from qkd_study.cli.formatting import forecast_lines

    numbers = [cores()] if cpus is None else [cpus] if isinstance(cpus, int) else list(cpus)
    if not numbers or not all(type(n) is int and 1 <= n <= MOST_CPUS for n in numbers):
        raise InputError(
            f"cpus must be integers from 1 to {MOST_CPUS:,}, but got {safe_repr(cpus)}."
        )
    loaded, origin, files = _study(study, _options(study, {}))
    counted, dataset, dataset_line = planned(loaded, origin, files)
    lines = counted_lines(loaded, counted, dataset_line)
    found = None
    if forecast:
        with origin.running(), _same_threads():
            found = timed_forecast(loaded, dataset, numbers, refresh=False)
        lines += forecast_lines(found)
    return StudyPlan(counted, found, tuple(lines))


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are `InputError`s."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}.")


def _options(study: object, given: Mapping[str, Any]) -> Namespace:
    """The options of the command `run`, from those given by name.

    Raises:
        InputError: there is no such option, or its value is invalid.
    """
    parser = _Parser(prog="run", add_help=False)
    add_run_options(parser)
    known = sorted({action.dest for action in parser._actions} - {"study"})
    for name in given:
        if name not in known:
            raise InputError(f"run has no option {name!r}. It has: {', '.join(known)}.")
    file = os.fspath(study) if isinstance(study, str | Path) else None
    kept = {name: value for name, value in given.items() if value is not None}
    for name, default in ((action.dest, action.default) for action in parser._actions):
        value = kept.get(name, default)
        if isinstance(default, bool) and not isinstance(value, bool):
            raise InputError(f"{name} must be True or False, but got {safe_repr(value)}.")
        if isinstance(default, list) and isinstance(value, tuple | str):
            kept[name] = [value] if isinstance(value, str) else list(value)
    arguments = run_arguments(Namespace(**kept), without=("study",))
    parsed = parser.parse_args([*arguments, "--", file or ""])
    parsed.study = file
    return parsed


def _study(study: object, options: Namespace) -> tuple[Study, Origin, FilesRead]:
    """The study that is meant, with the options applied.

    Raises:
        InputError: it is no study, or has no name.
    """
    datasets.load.cache_clear()  # a file may have changed since the last call
    origin = Origin(options.study)
    files = origin.files()
    if options.study is not None:
        return study_of(options, files), origin, files
    if not isinstance(study, Study):
        raise InputError(
            f"study must be a Study(...) or the path of a study file, but got {safe_repr(study)}."
        )
    if not study.name:
        raise InputError(
            "a study that was built in Python needs a name, which its results stand under: "
            "Study(name='my_study', ...)."
        )
    located = tuple(within(entry, Path.cwd()) for entry in study.datasets)
    return with_options(study.replaced(datasets=located), options), origin, files


@contextlib.contextmanager
def _same_threads() -> Iterator[None]:
    """Leave torch the threads that it has: a forecast times trainings in one."""
    import torch

    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
