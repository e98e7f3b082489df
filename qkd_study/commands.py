"""What the commands of `qkd-study` do. Each takes the parsed options and returns an exit code."""

from __future__ import annotations

import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qkd_study import data as datasets
from qkd_study.cli import BAD_INPUT, DONE, ERROR, INCOMPLETE, run_arguments
from qkd_study.errors import InputError, shown
from qkd_study.provenance import session
from qkd_study.study.config import PARAMETERS, Value, parameter
from qkd_study.study.identity import declaration
from qkd_study.study.load import load_study, running
from qkd_study.study.plan import Plan, make_plan
from qkd_study.study.study import Replicates, Study

if TYPE_CHECKING:
    from qkd_study.forecast.forecast import Forecast


def _study(options: Namespace) -> Study:
    """The study of the options, with what the command line changes."""
    study = load_study(options.study)
    with running(options.study):
        return _changed(study, options)


def _changed(study: Study, options: Namespace) -> Study:
    if options.quick:
        study = study.quick()
    for assignment in options.set:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise InputError(f"--set takes NAME=VALUE, but got {shown(assignment)}.")
        study = study.with_fixed(name, _value(name, text))
    changes: dict[str, Any] = {}
    if options.dataset is not None:
        declared = [entry for entry in study.datasets if datasets.name_of(entry) == options.dataset]
        changes["datasets"] = tuple(declared) or (options.dataset,)
    if options.seed is not None:
        changes["seed"] = options.seed
    if options.trials is not None:
        changes["trials"] = options.trials
    if options.replicates is not None:
        changes["replicates"] = Replicates(study.replicates.search, options.replicates)
    return study.replaced(**changes) if changes else study


def _value(name: str, text: str) -> Value:
    kind = parameter(name).kind
    try:
        return text if kind in ("choice", "text") else int(text) if kind == "int" else float(text)
    except ValueError:
        raise InputError(
            f"{name} must be {PARAMETERS[name].allowed}, but got --set {name}={text[:100]}."
        ) from None


def _plan(study: Study, study_file: str) -> tuple[Plan, datasets.Dataset, str]:
    """The plan of a study on the dataset it gets, and a line that says which that is."""
    with running(study_file):
        entry, said = datasets.choose(study.datasets, datasets.terminal_progress)
        dataset = datasets.load(entry)
        return make_plan(study, dataset), dataset, said


def plan(options: Namespace) -> int:
    """`qkd-study plan`: count, time a few short trainings, and forecast the rest."""
    from qkd_study.forecast.asked import cpu_counts, with_progress
    from qkd_study.tune.environment import prepare_driver
    from qkd_study.words import forecast_lines

    prepare_driver()  # one thread, as the workers will have
    wanted = cpu_counts(options.cpus) or [_cores()]
    study = _study(options)
    counted, dataset, said = _plan(study, options.study)
    asked = options.forecast
    if asked is None:
        asked = not options.json or options.cpus is not None or options.recalibrate

    def timed() -> Forecast:
        with running(options.study):
            return with_progress(study, dataset, wanted, anew=options.recalibrate)

    if options.json:
        about = counted.as_json()
        if asked:
            found = timed()
            about["forecast"] = found.as_json()
        print(json.dumps(about, indent=1))
        return DONE
    print(f"{study.name}: {study.question}")
    print(said)
    print(f"{len(counted.cells)} cells: {'; '.join(counted.cells)}")
    print(f"{len(counted.arms)} arms: {', '.join(counted.arms)}")
    print(
        f"{counted.trials} trials of {study.replicates.search} replicates: "
        f"{counted.runs_search} search runs"
    )
    print(f"{counted.runs_confirm} confirm runs, {study.replicates.confirm} per cell and arm")
    print(f"{counted.runs} runs and at most {counted.teachers} teachers in all", flush=True)
    if asked:
        found = timed()
        print(*forecast_lines(found), sep="\n")
    return DONE


def run(options: Namespace) -> int:
    """`qkd-study run`: run what is missing, and show what was found."""
    from rich.console import Console

    from qkd_study.results import (
        Place,
        forget_failed,
        new_run,
        read_table,
        same_run,
        start_tables,
        write_about,
    )
    from qkd_study.tune.environment import prepare_driver
    from qkd_study.tune.jobs import is_remote
    from qkd_study.tune.probe import probe

    prepare_driver(local=options.address is None)
    from qkd_study.tune.schedule import Schedule

    study = _study(options)
    cpus = _cpus(options)
    if options.log:
        from qkd_study.tune.loggers import check_loggers

        check_loggers(options.log)
    if is_remote(options.address):
        return _submit(options)
    address = None if options.address is None else probe(options.address)
    if options.time_limit is not None and not 0 < options.time_limit < 1e7:
        raise InputError(
            f"--time-limit must be seconds from above 0 to below 1e7, but got {options.time_limit}."
        )
    place = Place.of(options.out, "write", study.name)
    counted, dataset, said = _plan(study, options.study)
    console = Console(highlight=False, soft_wrap=True)
    console.print(said, markup=False)

    found = None if options.new else same_run(study, dataset.digest, place.path)
    folder = found or new_run(study, place.path)
    with folder.locked(), place.held(folder) as folder:
        start_tables(folder.path)
        if options.retry_failed:
            forget_failed(folder.path)
        folder.push()
        rows = read_table(folder.path, "runs", columns=Schedule.columns(study))
        schedule = Schedule(study, dataset.name, rows)
        if schedule.most_trials > study.trials:
            raise InputError(
                f"{options.study}: the run in {folder.where} has {schedule.most_trials} trials in "
                f"some cell and arm already, more than trials={study.trials}. A smaller budget "
                f"would be unequal: ask for as many or more, or start over with --new."
            )

        def tell() -> None:
            write_about(
                folder,
                study,
                Path(options.study),
                dataset=dataset.name,
                digest=dataset.digest,
                plan=counted.as_json(),
                session=session(cpus),
                confirm_rows=int((rows["phase"] == "confirm").sum()),
            )

        missing = schedule.missing_runs()
        if missing:
            what = "goes on in" if found else "writes to"
            console.print(
                f"{study.name}: {counted.runs} runs, {missing} to do; {what} {folder.where}",
                markup=False,
            )
            tell()
            code = _drive(schedule, dataset, folder, cpus, counted, console, options, address)
        else:
            if folder.about()["declaration"] != declaration(study):
                tell()  # claims may have come or gone
            console.print(f"{study.name}: the run in {folder.where} is complete.", markup=False)
            code = DONE
        failed = _summary(study, folder, counted, console)
    for branch in schedule.failed_branches():
        failed = True
        console.print(f"no configuration of {branch} ended well", markup=False)
    if failed:
        console.print(f"What failed and why: qkd-study status {folder.where}", markup=False)
    if code == INCOMPLETE:
        console.print("Incomplete. The same command goes on where this one stopped.")
    return ERROR if failed and code == DONE else code


def _drive(
    schedule: Any,
    dataset: datasets.Dataset,
    folder: Any,
    cpus: int | None,
    counted: Plan,
    console: Any,
    options: Namespace,
    address: str | None,
) -> int:
    from qkd_study.tune.driver import drive
    from qkd_study.tune.loggers import loggers
    from qkd_study.tune.progress import Display, in_words

    start = time.monotonic()
    done = counted.runs - schedule.missing_runs()
    with Display(console, counted.runs, done, counted.arms) as display:
        outcome = drive(
            schedule,
            dataset,
            folder,
            cpus,
            display,
            address=address,
            time_limit=options.time_limit,
            callbacks=loggers(options.log, folder.path, schedule.study.name),
        )
    cpus = cpus or outcome.slots
    ratio = outcome.seconds / (outcome.compute / cpus) if outcome.compute else float("nan")
    console.print(
        f"took {in_words(time.monotonic() - start)}; wall time was {ratio:.2f} times the "
        f"runs' own {outcome.compute:.0f} s over {cpus} CPUs, start-up left out"
    )
    return DONE if outcome.complete else INCOMPLETE


def _submit(options: Namespace) -> int:
    from qkd_study.tune.jobs import submit

    arguments = run_arguments(options, without=("address", "out"))
    code = submit(options.address, Path(options.study), arguments, options.out)
    return INCOMPLETE if code is None else code


def _cpus(options: Namespace) -> int | None:
    """How many trials at once; `None` for as many as fit on the cluster of `--address`."""
    asked: int | None = options.cpus
    if asked is not None and not 1 <= asked <= 4096:
        raise InputError(f"--cpus must be an integer from 1 to 4096, but got {asked}.")
    return asked or (_cores() if options.address is None else None)


def _cores() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _summary(study: Study, folder: Any, counted: Plan, console: Any) -> bool:
    """Show test scores and gains; returns whether a confirm run failed."""
    from rich.markup import escape
    from rich.table import Table

    from qkd_study.analysis.summary import SUMMARISED, summarise
    from qkd_study.results import read_table

    runs = read_table(folder.path, "runs", columns=SUMMARISED)
    table = Table(title="test accuracy in %, mean and 95 % interval", title_justify="left")
    table.add_column("cell", overflow="fold")
    table.add_column("arm")
    table.add_column("n", justify="right")
    table.add_column("score", justify="right")
    table.add_column(
        f"gain over {study.baseline}, paired" if study.baseline else "", justify="right"
    )
    for line in summarise(runs, study.baseline, counted.cells, counted.arms):
        gain = line.gain
        table.add_row(
            escape(line.cell),
            escape(line.arm),
            str(line.score.count),
            f"{100 * line.score.mean:.1f} ± {100 * line.score.half:.1f}"
            if line.score.count
            else "",
            f"{100 * gain.mean:+.1f} ± {100 * gain.half:.1f}" if gain and gain.count else "",
            end_section=line.arm == counted.arms[-1],
        )
    console.print(table)
    failures = runs[(runs["phase"] == "confirm") & (runs["status"] == "failed")]
    for (cell, arm), rows in failures.groupby(["cell", "arm"]):
        console.print(
            f"{len(rows)} confirm runs of {cell} {arm} failed: its n is smaller, and its score "
            f"that of the survivors",
            markup=False,
        )
    return len(failures) > 0


def list_runs(options: Namespace) -> int:
    """`qkd-study list`: the runs below the results folder."""
    from qkd_study.results import Place, runs_of

    rows = []
    for found in runs_of(Place.of(options.out, "read").path):
        try:
            about = found.about()
        except InputError as error:
            print(f"warning: {error}", file=sys.stderr)
            continue
        rows.append(
            {
                "study": found.path.parent.name,
                "run_id": found.run_id,
                "dataset": about["dataset"],
                "started_at": about["sessions"][0].get("started_at"),
            }
        )
    if options.json:
        print(json.dumps(rows, indent=1))
    elif not rows:
        print(f"no runs in {options.out}")
    for row in rows if not options.json else []:
        print(f"{row['study']}/{row['run_id']}  {row['dataset']}  {row['started_at']}")
    return DONE


def status(options: Namespace) -> int:
    """`qkd-study status`: how far a run is, what it found so far, what failed and why."""
    from qkd_study.analysis.status import status_of
    from qkd_study.results import find_run
    from qkd_study.words import status_lines

    found = status_of(find_run(options.run, options.out))
    if options.json:
        print(json.dumps(found.as_json(), indent=1))
    else:
        print(*status_lines(found), sep="\n")
    return DONE


def report(options: Namespace) -> int:
    """`qkd-study report`: one page, Markdown and figures of one run, or of several compared."""
    from qkd_study.analysis import load
    from qkd_study.analysis.report import write_report

    runs = [load(run, options.out, search_curves=False) for run in options.runs]
    folder = _report_folder(options, runs)
    try:
        written = write_report(runs, folder)
    except OSError as error:
        said = error.strerror or error
        raise InputError(f"{folder} cannot be written: {said}. Choose another with --to.") from None
    for run in runs:
        for problem in run.problems:
            print(f"{run.name}: {problem}", file=sys.stderr)
    print(f"{written.html} (and {written.markdown.name}, {len(written.figures)} figure files)")
    return DONE


def _report_folder(options: Namespace, runs: Sequence[Any]) -> Path:
    from qkd_study.results import is_address

    if options.to:
        return Path(options.to)
    if any(map(is_address, (options.out, *options.runs))):  # a page is for looking at, here
        return Path("results") / (runs[0].name if len(runs) == 1 else "")
    return Path(runs[0].path) if len(runs) == 1 else Path(options.out)


def replay(options: Namespace) -> int:
    """`qkd-study replay`: compute rows again, and compare every metric."""
    from qkd_study.replay import RELATIVE_TOLERANCE, TOLERANCE, Replayer, said
    from qkd_study.results import find_run, read_table
    from qkd_study.tune.environment import WORKER

    os.environ.update(WORKER)  # as the workers had it
    import torch

    torch.set_num_threads(1)
    folder = find_run(options.run, options.out)
    rows = read_table(folder.path, "runs")
    asked = {
        name: getattr(options, name) for name in ("phase", "cell", "arm", "trial", "replicate")
    }
    for name, value in asked.items():
        if value is not None:
            rows = rows[rows[name] == value]
    if rows.empty or all(value is None for value in asked.values()):
        raise InputError(
            f"{folder.where}: say which rows with --phase, --cell, --arm, --trial, --replicate; "
            + ("none is meant so far." if rows.empty else f"all {len(rows)} are meant so far.")
        )
    replayer = Replayer.of(folder)
    found, equal = [], True
    records: list[Any] = rows.astype(object).where(rows.notna(), None).to_dict("records")
    for row in records:
        differences = replayer.replay(row)
        fine = all(d.tolerable and not replayer.same_place for d in differences)
        equal = equal and fine
        found.append({"row": said(row), "differences": [vars(d) for d in differences]})
        if options.json:
            continue
        print(f"{said(row)}: " + ("equal to the last bit" if not differences else ""))
        for d in differences:
            print(f"  {d.column}: {d.was} then, {d.now} now")
    if options.json:
        print(json.dumps({"same_place": replayer.same_place, "equal": equal, "rows": found}))
    elif not replayer.same_place:
        print(
            f"Other versions or another processor than then: differences up to {TOLERANCE} are "
            f"taken as rounding, {RELATIVE_TOLERANCE:.0%} of metrics in nats."
        )
    return DONE if equal else ERROR


def data(options: Namespace) -> int:
    """`qkd-study data`: list the datasets, fetch one, check one."""
    if options.action == "list":
        for name, known in datasets.SOURCES.items():
            there = "can be had" if known.available() else "not here, and out of reach"
            print(f"{name}: {known.about} ({there})")
        return DONE
    if options.name is None:
        print(f"qkd-study: `data {options.action}` needs the name of a dataset.", file=sys.stderr)
        return BAD_INPUT
    source = datasets.source(options.name)
    if options.action == "fetch":
        source.fetch(datasets.terminal_progress)
    dataset = datasets.load(options.name)
    print(
        f"{dataset.name} is here and whole: {len(dataset.pool_labels):,} samples to draw from, "
        f"{len(dataset.test_labels):,} for the test, sha256 {dataset.digest[:16]}..."
    )
    return DONE


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "run": run,
    "plan": plan,
    "list": list_runs,
    "status": status,
    "report": report,
    "replay": replay,
    "data": data,
}
