"""What the driver costs per trial, and how long it takes to take up a run with 10,000 trials.

No Ray and no training: records are made up, everything else is real (tables, log, Optuna and its
journal, fsync included). Prints seconds of wall time; run it on a quiet machine.

    python benchmarks/driver.py [--trials 10000]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from qkd_study import LogFloat, Replicates, Study
from qkd_study.results import Record, RunFolder, read_table, start_tables, without_result
from qkd_study.search.schedule import Schedule
from qkd_study.study.trial import Trial
from qkd_study.tune.dispatcher import TrialDispatcher
from qkd_study.tune.environment import prepare_driver
from qkd_study.tune.progress import Display

EPOCHS = 50


def study(trials: int) -> Study:
    """100 cells of one arm."""
    return Study(
        question="What does the driver cost?",
        datasets=("digits",),
        factors={"samples": tuple(range(20, 120))},
        search={"learning_rate": LogFloat(1e-4, 1e-1)},
        fixed={"epochs": EPOCHS},
        arms=("scratch",),
        trials=-(-trials // 100),
        replicates=Replicates(search=2, confirm=5),
        name="driver",
    )


def record(trial: Trial, replicate: int) -> Record:
    """A run that ended well."""
    now = datetime.now(UTC)
    row = without_result("driver", "run", trial, replicate, "ok", "", now).row
    accuracy = 0.5 + (hash((trial.number, replicate)) % 1000) / 2500
    curve = [
        {**{k: row[k] for k in list(row)[:7]}, "epoch": e, "loss.total": 1.0 / e}
        for e in range(1, EPOCHS + 1)
    ]
    found = {"reason": None, "metric.val_accuracy": accuracy, "cost.seconds_total": 1.0}
    return Record({**row, **found}, curve)


def drain(dispatcher: TrialDispatcher) -> tuple[int, list[float]]:
    """Hand out and take in everything; returns trials, and seconds per trial along the way."""
    marks: list[float] = []
    count, started = 0, time.perf_counter()
    while (bundle := dispatcher.bundle(f"b{count}", 2)) is not None:
        name = f"b{count}"
        trials = list(bundle.trials)
        for active in trials:
            for replicate in active.left:
                dispatcher.take(name, [record(active.trial, replicate)])
        dispatcher.end(name)
        count += len(trials)
        if count // 500 > len(marks):
            now = time.perf_counter()
            marks.append((now - started) / 500)
            started = now
    return count, marks


def main() -> None:
    """Print the two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    trials = parser.parse_args().trials
    prepare_driver()
    made = study(trials)
    console = Console(quiet=True)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        run = RunFolder(Path(folder))
        start_tables(run.path)
        started, cpu = time.perf_counter(), time.process_time()
        schedule = Schedule(made, "digits", read_table(run.path, "runs"))
        dispatcher = TrialDispatcher(schedule, run, Display(console, 1, 0, ("scratch",)), None)
        count, marks = drain(dispatcher)
        dispatcher.close()
        seconds = time.perf_counter() - started
        cpu = time.process_time() - cpu
        assert schedule.done
        assert dispatcher.broken is None
        print(
            f"{count} trials of 2 or 5 runs: {1000 * seconds / count:.1f} ms per trial, "
            f"{1000 * cpu / count:.1f} ms of it computing, the rest waiting for the disk"
        )
        print(f"first 500: {1000 * marks[0]:.1f} ms, last 500: {1000 * marks[-1]:.1f} ms")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory of the process: {peak:.0f} MB")
        size = sum(p.stat().st_size for p in run.path.rglob("*") if p.is_file()) / 2**20
        print(f"{size:.0f} MB in {sum(1 for _ in run.path.rglob('*'))} files")

        started = time.perf_counter()
        start_tables(run.path)
        rows = read_table(run.path, "runs", columns=Schedule.columns(made))
        read = time.perf_counter() - started
        again = Schedule(made, "digits", rows)
        assert again.missing_runs() == 0
        planned = time.perf_counter() - started - read
        TrialDispatcher(again, run, Display(console, 1, 0, ("scratch",)), None).close()
        whole = time.perf_counter() - started
        print(
            f"taking it up again: {whole:.1f} s (reading {len(rows)} rows {read:.1f} s, "
            f"schedule {planned:.1f} s, journal {whole - read - planned:.1f} s)"
        )


if __name__ == "__main__":
    main()
