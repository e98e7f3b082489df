"""`qkd-study run`."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qkd_study import data as datasets
from qkd_study.cli.continuation import command, continue_command, run_arguments
from qkd_study.cli.durations import duration
from qkd_study.cli.out_of_time import out_of_time_lines
from qkd_study.cli.study_options import cpus_of, planned, study_of
from qkd_study.cli.summary import print_summary
from qkd_study.common.errors import InputError
from qkd_study.common.exit_codes import DONE, ERROR, INCOMPLETE
from qkd_study.common.terminal import cell_output
from qkd_study.common.terminal import console as terminal_console
from qkd_study.planning.plan import Plan
from qkd_study.results.provenance import session
from qkd_study.study.files import FilesRead
from qkd_study.study.identity import SEARCH_RULE, declaration
from qkd_study.study.origin import Origin
from qkd_study.study.study import Study

if TYPE_CHECKING:
    from qkd_study.results import RunFolder
    from qkd_study.search.schedule import NeededAfter
    from qkd_study.search.time_budget import TimeBudget
    from qkd_study.tune.driver import Outcome


@dataclass(frozen=True)
class Place:
    """Where a study is run.

    Attributes:
        cpus: trials at once, at most; `None`: all that the cluster has.
        address: HOST:PORT of a Ray cluster that answers; `None`: this machine.
        budget: of time, if there is one; it has begun.
    """

    cpus: int | None
    address: str | None
    budget: TimeBudget | None = None


@dataclass(frozen=True)
class Ended:
    """How a run of a study ended.

    Attributes:
        code: the exit code of the command.
        folder: of the run.
        fault: what was printed of why the study cannot work; empty if it can.
        out_of_time: whether its time budget was used.
    """

    code: int
    folder: RunFolder
    fault: tuple[str, ...] = ()
    out_of_time: bool = False


def run(options: Namespace) -> int:
    """`qkd-study run`: run what is missing of a study, and show the scores."""
    from qkd_study.tune.environment import prepare_driver
    from qkd_study.tune.jobs import is_remote

    prepare_driver(local=options.address is None)
    origin = Origin(options.study)
    read_by_study = origin.files()
    study = study_of(options, read_by_study)
    if is_remote(options.address):
        checked_options(options)
        return _submit(options)
    place = place_of(options)
    chosen = planned(study, origin, read_by_study)
    return run_planned(study, origin, chosen, read_by_study, place, options).code


def checked_options(options: Namespace) -> None:
    """Check the options of `run` that are read late.

    Raises:
        InputError: one of them is invalid.
    """
    cpus_of(options)
    if options.log:
        from qkd_study.tune.loggers import check_loggers

        check_loggers(options.log)
    if options.time_budget is not None:
        duration(options.time_budget)
    if options.time_limit is not None and not 0 < options.time_limit < 1e7:
        raise InputError(
            f"--time-limit must be seconds from above 0 to below 1e7, but got {options.time_limit}."
        )


def place_of(options: Namespace) -> Place:
    """Where the options say to run, after a check that it is there.

    Raises:
        InputError: an option is invalid, no cluster answers, or Ray cannot have its folder here.
    """
    from qkd_study.results.teacher_cache import cache_limit
    from qkd_study.search.time_budget import TimeBudget
    from qkd_study.tune.probe import probe
    from qkd_study.tune.ray_folder import ray_folder

    checked_options(options)
    given = options.time_budget
    budget = None if given is None else TimeBudget(duration(given))
    address = None if options.address is None else probe(options.address)
    if address is None:
        with ray_folder():  # raises if there is none
            pass
        cache_limit()  # raises if it is none
    return Place(cpus_of(options), address, budget)


def run_planned(
    study: Study,
    origin: Origin,
    chosen: tuple[Plan, datasets.Data, str],
    read_by_study: FilesRead,
    where: Place,
    options: Namespace,
) -> Ended:
    """Run what is missing of a study, and show the scores.

    Args:
        study, origin: what to run, and where it comes from.
        chosen: as `planned` returns it.
        read_by_study: the files that its code read until now.
        where: to run it.
        options: of the command.

    Raises:
        InputError, StorageError: see `drive`; also if the run cannot be continued.
    """
    from qkd_study.cli import failures
    from qkd_study.results import (
        ResultsLocation,
        changed_files,
        compact_tables,
        drop_retryable,
        finish_compaction,
        may_be_retried,
        new_run,
        read_table,
        same_run,
        start_tables,
        write_manifest,
    )
    from qkd_study.results.run_schema import own_columns
    from qkd_study.search.schedule import Schedule

    counted, dataset, dataset_line = chosen
    place = ResultsLocation.of(options.out, "write", study.name)
    files = read_by_study.digests()
    text = origin.text(study)
    console = terminal_console()
    console.print(dataset_line, markup=False)

    runs = place.runs(study.name)
    own = {part.name: part.digest for part in dataset.parts}
    found = None if options.new else same_run(study, dataset.digest, runs, files, own)
    if found is None and not options.new:
        for name in changed_files(runs, files):
            console.print(f"{name} is not what it was: this is a new run", markup=False)
    folder = found or new_run(study, place.path)
    with folder.locked(), place.held(folder) as folder:
        finish_compaction(folder.path)
        start_tables(folder.path, own_columns(study))

        def read() -> tuple[Any, Schedule]:
            rows = read_table(folder.path, "runs", columns=Schedule.columns(study))
            needed = _needed_after(study, folder, counted)
            made = Schedule(study, dataset.name, rows, needed_after=needed, budget=where.budget)
            return rows, made

        rows, schedule = read()
        if schedule.surplus:
            raise InputError(
                f"{origin}: the run in {folder.where} has {schedule.surplus} trials in "
                f"some cell and arm already, more than trials={study.trials}. A smaller budget "
                f"would be unequal: ask for as many or more, or start over with --new."
            )
        rule = _search_rule(schedule, folder, found is None)
        if options.retry_failed:
            drop_retryable(folder.path)
            rows, schedule = read()
        folder.push()

        def update_manifest() -> None:
            write_manifest(
                folder,
                study,
                text,
                dataset=dataset.name,
                digest=dataset.digest,
                class_names=dataset.class_names,
                class_names_of={part.name: part.class_names for part in dataset.parts},
                datasets=own,
                plan=counted.as_json(),
                session=session(where.cpus, origin.file, command(options)),
                files=files,
                confirm_rows=int((rows["phase"] == "confirm").sum()),
                search_rule=rule,
            )

        missing = schedule.missing_runs()
        if missing:
            what = "goes on in" if found else "writes to"
            most = "at most " if study.replicates.looks else ""
            console.print(
                f"{study.name}: {most}{counted.runs} runs, {missing} to do; {what} {folder.where}",
                markup=False,
            )
            update_manifest()
            options.begun = True
            outcome = _drive(schedule, dataset, folder, where, counted, console, options)
            code = DONE if outcome.complete else INCOMPLETE
            fault = outcome.fault
            if code == DONE and folder.remote_sync is None:
                compact_tables(folder.path)
        else:
            if folder.manifest()["declaration"] != declaration(study):
                update_manifest()  # claims may have been added or withdrawn
            console.print(f"{study.name}: the run in {folder.where} is complete.", markup=False)
            code, fault = DONE, None
        fault_lines: list[str] = []
        if fault is None:
            print_summary(study, folder, counted, console)
        ended = read_table(folder.path, "runs", columns=failures.COLUMNS)
    failed_searches = schedule.failed_searches()
    searches = counted.branches + len(counted.teacher_searches)
    lines = failures.failed_lines(ended, study.replicates.least)
    if fault is None:
        lines += failures.unsearched_lines(failed_searches, searches)
    if fault is not None:
        code = ERROR
        fault_lines = failures.fault_lines(
            fault, continue_command(options, retry_failed=True), folder.where
        )
        lines += fault_lines
    elif lines:
        lines.append(f"With tracebacks: qkd-study status {folder.where}")
        if any(map(may_be_retried, ended[["status", "reason"]].to_dict("records"))):
            again = continue_command(options, retry_failed=True)
            lines.append(f"To run again what failed, but did not diverge: {again}")
    out_of_time = code == INCOMPLETE and schedule.out_of_time
    if out_of_time:
        lines += out_of_time_lines(schedule, options.time_budget)
    if code == INCOMPLETE:
        lines.append(f"Incomplete. This goes on where it stopped: {continue_command(options)}")
    if schedule.spared:
        lines.append(f"{schedule.spared} of {counted.runs} runs were not needed for the verdicts")
    for line in lines:
        console.print(line, markup=False)
    failed = ended.loc[ended["phase"] == "confirm", "status"].eq("failed").any()
    code = ERROR if (failed or failed_searches) and code == DONE else code
    return Ended(code, folder, tuple(fault_lines), out_of_time)


def _needed_after(study: Study, folder: Any, counted: Plan) -> NeededAfter | None:
    """What decides at the study's looks what goes on, from the rows in the folder."""
    if not study.replicates.looks:
        return None
    from qkd_study.analysis.claims.progress import needed_after
    from qkd_study.analysis.run_tables import read_run
    from qkd_study.results.claim_history import updated_history

    def needed(replicates: int) -> Collection[tuple[str, str]]:
        run, declared = read_run(folder.path, search_curves=False), declaration(study)
        # study.json is written only if there is something to run.
        claims = updated_history(run.manifest, declared, at=None, confirm_rows=1)
        now = {"declaration": declared, "plan": counted.as_json(), **claims}
        return needed_after(replace(run, manifest=run.manifest | now), replicates)

    return needed


def _search_rule(schedule: Any, folder: Any, new: bool) -> int:
    """The version of the rule by which a run is searched.

    Raises:
        InputError: it is not this version's, and the search has not ended.
    """
    rule = SEARCH_RULE if new else int(folder.manifest().get("search_rule", 1))
    if rule == SEARCH_RULE or schedule.searched:
        return rule
    raise InputError(
        f"{folder.where} was begun by a version of qkd-study that searches by another rule, and "
        f"its search is not over: going on would mix two rules. Finish it with the version that "
        f"began it (study.json says which), or start over with --new."
    )


def _drive(
    schedule: Any,
    dataset: datasets.Data,
    folder: Any,
    where: Place,
    counted: Plan,
    console: Any,
    options: Namespace,
) -> Outcome:
    from qkd_study.tune.progress import Display, format_duration

    cpus, address = where.cpus, where.address

    start = time.monotonic()
    runs = counted.runs - schedule.spared
    done = runs - schedule.missing_runs()
    teachers = tuple(f"{kind} teacher" for kind in counted.teacher_kinds)
    arms = (*teachers, *counted.arms)
    with Display(console, runs, done, arms, update=cell_output()) as display:
        display.show_activity("starting Ray" if address is None else f"connecting to {address}")
        # Imported late: with Ray they take seconds.
        from qkd_study.tune.driver import drive
        from qkd_study.tune.loggers import loggers

        outcome = drive(
            schedule,
            dataset,
            folder,
            cpus,
            display,
            address=address,
            time_limit=options.time_limit,
            retry_failed=options.retry_failed,
            callbacks=loggers(options.log, folder.path, schedule.study.name),
            own_process="command" in options,  # not of a call from Python
        )
    cpus = cpus or outcome.slots
    line = f"took {format_duration(time.monotonic() - start)}"
    if cpus and outcome.compute:  # a cluster may have lost all its nodes
        line += (
            f"; wall time was {outcome.seconds / (outcome.compute / cpus):.2f} times the "
            f"runs' own {outcome.compute:.0f} s over {cpus} CPUs, start-up left out"
        )
    console.print(line)
    return outcome


def _submit(options: Namespace) -> int:
    from qkd_study.tune.jobs import submit

    arguments = run_arguments(options, without=("address", "out"))
    code = submit(options.address, Path(options.study), arguments, options.out)
    code = INCOMPLETE if code is None else code
    if code == INCOMPLETE:
        print(f"From here, this goes on: {continue_command(options)}")
    return code
