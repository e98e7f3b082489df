"""`qkd-study plan`."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qkd_study.cli.study_options import cores, planned, study_of
from qkd_study.cli.width import chosen_line, width_lines, width_of, width_table, with_width
from qkd_study.common.errors import InputError
from qkd_study.common.exit_codes import DONE
from qkd_study.common.terminal import console, is_live, print_wrapped
from qkd_study.data import Data
from qkd_study.planning.plan import make_plan
from qkd_study.study.load import running
from qkd_study.study.origin import Origin
from qkd_study.study.study import Study

if TYPE_CHECKING:
    from qkd_study.forecast.forecast import Forecast
    from qkd_study.planning.plan import Plan


#: CPUs of the largest cluster that is simulated.
MOST_CPUS = 1_000_000


def plan(options: Namespace) -> int:
    """`qkd-study plan`: count, time a few short trainings, and forecast the rest."""
    from qkd_study.cli.formatting import forecast_lines
    from qkd_study.tune.environment import prepare_driver

    prepare_driver()  # one thread, as in the workers
    cpus = _cpu_counts(options.cpus) or [cores()]
    study = study_of(options)
    counted, dataset, dataset_line = planned(study, Origin(options.study))
    width = width_of(study, counted, options)
    if width is not None and width.replicates is not None:
        study = with_width(study, width)
        with running(options.study):
            counted = make_plan(study, dataset)
    with_forecast = options.forecast
    if with_forecast is None:
        with_forecast = not options.json or options.cpus is not None or options.recalibrate

    def forecast() -> Forecast:
        with running(options.study):
            return timed_forecast(study, dataset, cpus, refresh=options.recalibrate)

    if options.json:
        counts = counted.as_json()
        if width is not None:
            counts["width"] = width.as_json()
        first = f"dataset{'s' if len(dataset.parts) > 1 else ''}: {counted.dataset}"
        if dataset_line != first:  # it is not the study's first choice
            print(dataset_line, file=sys.stderr)
        if with_forecast:
            counts["forecast"] = forecast().as_json()
        print(json.dumps(counts, indent=1))
        return DONE
    question, chosen, *lines = counted_lines(study, counted, dataset_line)
    print_wrapped(question, chosen)
    if width is not None:
        print_wrapped(*width_lines(width))
        console().print(width_table(width))
        print_wrapped(chosen_line(width))
    print_wrapped(*lines)
    if with_forecast:
        print_wrapped(*forecast_lines(forecast()))
    return DONE


def counted_lines(study: Study, counted: Plan, dataset_line: str) -> list[str]:
    """What is run, as the command prints it."""
    return [
        f"{study.name}: {study.question}",
        dataset_line,
        *_cells(study, len(counted.cells)),
        f"{len(counted.arms)} arms: {', '.join(counted.arms)}",
        *_shared(counted),
        *_teachers(study, counted),
        *_budgets(study, counted),
        *_searches(study),
        *_own_optimizers(study),
        f"{counted.trials} trials of {study.replicates.search} replicates: "
        f"{counted.runs_search} search runs",
        *_confirm(study, counted),
    ]


def _cpu_counts(text: str | None) -> list[int]:
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


def timed_forecast(study: Study, dataset: Data, cpus: Sequence[int], *, refresh: bool) -> Forecast:
    """A forecast, with a line on the terminal that tells how far the timing is.

    Raises:
        InputError: a training that is timed diverged.
    """
    # Imported here: they import torch, and counting does without.
    from qkd_study.distill import Diverged
    from qkd_study.forecast.forecast import forecast

    live = is_live(sys.stderr)

    def show_progress(done: int, of: int) -> None:
        if live:
            print(f"\rshort trainings: {done} of {of} ", end="", file=sys.stderr, flush=True)

    try:
        return forecast(study, dataset, cpus, refresh=refresh, progress=show_progress)
    except Diverged as error:
        raise InputError(
            f"a short training to forecast from diverged: {error}. Try a smaller learning rate, or "
            f"ask for no forecast with --no-forecast."
        ) from None
    finally:
        if live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _shared(counted: Plan) -> list[str]:
    """Which arms have fewer searches than cells."""
    if not counted.shared:
        return []
    arms = ", ".join(
        f"{arm} {len(set(cells.values()) | set(counted.cells) - set(cells))} for "
        f"{len(counted.cells)} cells"
        for arm, cells in counted.shared.items()
    )
    return [
        f"{counted.branches} searches: cells that differ in what an arm does not read share its "
        f"search ({arms})"
    ]


def _teachers(study: Study, counted: Plan) -> list[str]:
    """What is searched for teachers, before their students."""
    if not counted.teacher_searches:
        return []
    return [
        f"{len(counted.teacher_searches)} searches for a teacher ("
        f"{', '.join(counted.teacher_kinds)}) of {study.teacher_trials} trials of "
        f"{study.replicates.search} replicates: {counted.runs_teacher} teacher runs"
    ]


def _budgets(study: Study, counted: Plan) -> list[str]:
    """How many trials each arm has, if that depends on its searched parameters."""
    if not study.trials_per_parameter:
        return []
    arms = ", ".join(f"{arm} {trials}" for arm, trials in counted.arm_trials.items())
    return [f"trials by arm, more for more searched parameters: {arms}"]


def _searches(study: Study) -> list[str]:
    """How many searches there are per cell and arm, if several."""
    number = study.searches
    if number == 1:
        return []
    return [
        f"{number} independent searches per cell and arm, each of which confirms its best "
        f"configuration on {study.replicates.confirm // number} replicates: intervals and tests "
        f"are over {number} searches"
    ]


def _own_optimizers(study: Study) -> list[str]:
    """Which arms are not trained in batches because of their optimiser."""
    own = [arm.name for arm in study.all_arms if callable(arm.optimizer)]
    if not own:
        return []
    return [
        f"replicates are trained one by one, as the optimiser is the study's own: {', '.join(own)}"
    ]


def _confirm(study: Study, counted: Plan) -> list[str]:
    looks = study.replicates.looks
    if not looks:
        return [
            f"{counted.runs_confirm} confirm runs, {study.replicates.confirm} per cell and arm",
            f"{counted.runs} runs and at most {counted.teachers} teachers in all",
        ]
    return [
        f"{counted.runs_confirm_least} to {counted.runs_confirm} confirm runs, {looks[0]} to "
        f"{looks[-1]} per cell and arm: claims may stop at {', '.join(map(str, looks))}",
        f"{counted.runs_least} to {counted.runs} runs and at most {counted.teachers} teachers in "
        f"all",
    ]


def _cells(study: Study, count: int) -> list[str]:
    factors = [f"{name} = {', '.join(map(str, v))}" for name, v in study.factors.items()]
    if len(factors) < 2:
        return [f"{count} {'cell' if count == 1 else 'cells'}: {'; '.join(factors) or 'all'}"]
    return [f"{count} cells, the combinations of", *(f"  {factor}" for factor in factors)]
