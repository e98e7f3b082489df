"""The time, memory and disk space of a study, on this machine and on others with more CPUs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from qkd_study.common.errors import InputError
from qkd_study.common.progress import Progress, no_progress
from qkd_study.data import Data
from qkd_study.forecast.calibrate import calibrate
from qkd_study.forecast.disk import Disk, disk
from qkd_study.forecast.simulate import Machine, Timeline, simulate
from qkd_study.forecast.workload import Workload, workload_of
from qkd_study.results.compact import COMPACT_FROM
from qkd_study.study.study import Study

#: Bytes that Ray adds to a worker.
RAY_WORKER = 120e6
#: Below this share of the wall time, a gain is not named.
LEAST_GAIN = 0.1


@dataclass(frozen=True)
class Scenario:
    """A study on some number of CPUs.

    Attributes:
        cpus: how many.
        timeline: of the simulated schedule.
        bottleneck: what limits the wall time: `cpus`, `driver`, `storage`, `teachers`, or
            `chain`, if none of them: runs of one cell and arm that wait for each other.
        counterfactual: wall time in seconds if there were twice the CPUs, or the driver, the
            storage or the teachers took no time.
        least: wall time in seconds if all claims stop at the first look; `None` without looks.
    """

    cpus: int
    timeline: Timeline
    bottleneck: str
    counterfactual: dict[str, float]
    least: float | None

    @property
    def used(self) -> float:
        """The share of the CPUs' time that runs use."""
        return self.timeline.busy / (self.cpus * self.timeline.wall)


@dataclass(frozen=True)
class Forecast:
    """The estimated cost of a study.

    Attributes:
        cpu_seconds: of all runs with their teachers, at most.
        cpu_seconds_least: the same if all claims stop at the first look.
        teacher_seconds: the part that trains teachers.
        teachers: how many are trained; an ensemble counts once.
        memory: peak memory of a worker, in bytes.
        disk: what is written.
        timed, interpolated: trainings that were timed on this machine, and that were not.
        calibration_seconds: of the timing in this command.
        busy: whether other processes used much of the CPU meanwhile.
        scenarios: one for every number of CPUs.
    """

    cpu_seconds: float
    cpu_seconds_least: float
    teacher_seconds: float
    teachers: int
    memory: float
    disk: Disk
    timed: int
    interpolated: int
    calibration_seconds: float
    busy: bool
    scenarios: tuple[Scenario, ...]

    def as_json(self) -> dict[str, Any]:
        """The forecast as `qkd-study plan --json --forecast` prints it."""
        return {
            "cpu_seconds": self.cpu_seconds,
            "cpu_seconds_least": self.cpu_seconds_least,
            "teacher_seconds": self.teacher_seconds,
            "teachers_trained": self.teachers,
            "worker_memory_bytes": round(self.memory),
            "disk_bytes": round(self.disk.bytes),
            "disk": {name: round(v, 6) for name, v in asdict(self.disk).items()},
            "timed": self.timed,
            "interpolated": self.interpolated,
            "calibration_seconds": self.calibration_seconds,
            "busy": self.busy,
            "machines": [
                {
                    "cpus": scenario.cpus,
                    "wall_seconds": scenario.timeline.wall,
                    "wall_seconds_least": scenario.least,
                    "used": scenario.used,
                    "bottleneck": scenario.bottleneck,
                    "wall_seconds_without": scenario.counterfactual,
                    "simulated": asdict(scenario.timeline),
                }
                for scenario in self.scenarios
            ],
        }


def scenario(work: Workload, machine: Machine) -> Scenario:
    """Simulate a schedule, and again without each possible bottleneck."""
    timeline = simulate(work, machine)
    counterfactual = {
        "cpus": simulate(work, replace(machine, cpus=2 * machine.cpus)).wall,
        "driver": simulate(work, replace(machine, driver=0.0, bundle=0.0)).wall,
        "storage": simulate(work, replace(machine, storage=0.0)).wall,
        "teachers": simulate(work.with_free_teachers(), machine).wall,
    }
    best = min(counterfactual, key=lambda name: counterfactual[name])
    gains = counterfactual[best] < (1 - LEAST_GAIN) * timeline.wall
    least = simulate(work, machine, least=True).wall if work.study.replicates.looks else None
    return Scenario(machine.cpus, timeline, best if gains else "chain", counterfactual, least)


def forecast(
    study: Study,
    dataset: Data,
    cpus: Sequence[int],
    *,
    refresh: bool = False,
    progress: Progress = no_progress,
) -> Forecast:
    """Time short trainings of a study here, and compute what all of it takes.

    Args:
        study, dataset: what is forecast.
        cpus: numbers of CPUs to simulate.
        refresh: whether to time again what was timed before.
        progress: called with the number of timed trainings and of all.

    Raises:
        InputError: a trial fits on none of the CPUs.
    """
    if min(cpus) < study.trial_cpus:
        raise InputError(
            f"a trial reserves {study.trial_cpus} CPUs (trial_cpus of the study): a forecast needs "
            f"as many, but got {min(cpus)}. Ask for more with --cpus."
        )
    found = calibrate(study, dataset, refresh=refresh, progress=progress)
    work = workload_of(study, dataset, found.cost)
    alone = Machine(cpus=1, slowdown=1.0)
    one = simulate(work, alone)
    least = simulate(work, alone, least=True) if study.replicates.looks else one
    search, confirm = (1 if files >= COMPACT_FROM else files for files in one.files)
    written = disk(work, dataset, search + confirm, confirm)
    storage = written.seconds * sum(one.files) / max(one.trials, 1)
    machines = [Machine(cpus=count, per_trial=study.trial_cpus, storage=storage) for count in cpus]
    return Forecast(
        cpu_seconds=one.busy,
        cpu_seconds_least=least.busy,
        teacher_seconds=one.teaching,
        teachers=one.teachers,
        memory=found.memory + RAY_WORKER,
        disk=written,
        timed=found.timed,
        interpolated=len(found.shapes) - found.timed,
        calibration_seconds=found.seconds,
        busy=found.busy,
        scenarios=tuple(scenario(work, machine) for machine in machines),
    )
