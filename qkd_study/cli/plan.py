"""`qkd-study plan`."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from qkd_study.cli.study_options import cores, planned, study_of
from qkd_study.common.exit_codes import DONE
from qkd_study.common.terminal import print_wrapped
from qkd_study.study.load import running
from qkd_study.study.study import Study

if TYPE_CHECKING:
    from qkd_study.forecast.forecast import Forecast


def plan(options: Namespace) -> int:
    """`qkd-study plan`: count, time a few short trainings, and forecast the rest."""
    from qkd_study.cli.formatting import forecast_lines
    from qkd_study.forecast.asked import cpu_counts, with_progress
    from qkd_study.tune.environment import prepare_driver

    prepare_driver()  # one thread, as in the workers
    wanted = cpu_counts(options.cpus) or [cores()]
    study = study_of(options)
    counted, dataset, dataset_line = planned(study, options.study)
    with_forecast = options.forecast
    if with_forecast is None:
        with_forecast = not options.json or options.cpus is not None or options.recalibrate

    def timed() -> Forecast:
        with running(options.study):
            return with_progress(study, dataset, wanted, anew=options.recalibrate)

    if options.json:
        counts = counted.as_json()
        if dataset_line != f"dataset: {counted.dataset}":  # it is not the study's first choice
            print(dataset_line, file=sys.stderr)
        if with_forecast:
            found = timed()
            counts["forecast"] = found.as_json()
        print(json.dumps(counts, indent=1))
        return DONE
    print_wrapped(
        f"{study.name}: {study.question}",
        dataset_line,
        *_cells(study, len(counted.cells)),
        f"{len(counted.arms)} arms: {', '.join(counted.arms)}",
        f"{counted.trials} trials of {study.replicates.search} replicates: "
        f"{counted.runs_search} search runs",
        f"{counted.runs_confirm} confirm runs, {study.replicates.confirm} per cell and arm",
        f"{counted.runs} runs and at most {counted.teachers} teachers in all",
    )
    if with_forecast:
        print_wrapped(*forecast_lines(timed()))
    return DONE


def _cells(study: Study, count: int) -> list[str]:
    factors = [f"{name} = {', '.join(map(str, v))}" for name, v in study.factors.items()]
    if len(factors) < 2:
        return [f"{count} {'cell' if count == 1 else 'cells'}: {'; '.join(factors) or 'all'}"]
    return [f"{count} cells, the combinations of", *(f"  {factor}" for factor in factors)]
