"""The schedule of a study, simulated event by event for any number of CPUs."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace
from math import ceil

import numpy as np

from qkd_study.forecast.work import BLOCK, ArmWork, Job, TeacherWork, Work

#: Trials that a trial is compared with at least, those of its own batch left out.
SAFE_TRIALS = 5
#: Trials of a bundle, at most.
LARGEST_BUNDLE = 64
#: How often a later trial is given up after one of its replicates: those below three quarters.
GIVEN_UP = 0.25


@dataclass(frozen=True)
class Machine:
    """What runs a study.

    Attributes:
        cpus: how many.
        per_trial: of these, what a trial reserves.
        driver: seconds that the driver is busy with a trial, storage left out.
        bundle: seconds more for the trials that a worker is given at once, few or many.
        bundled: seconds of work that a worker is given at once, if there is so much for each.
        report: seconds of work after which a worker reports what has ended.
        storage: seconds that it waits for a trial's rows to be on disk.
        start: seconds from the command to the first run.
        apart: seconds from the start of a worker to that of the next.
        warm: seconds more that the first run of a worker takes.
        end: seconds from the last run to the end of the command.
        slowdown: how many times longer a run takes than on a CPU of its own.
    """

    cpus: int
    per_trial: int = 1
    driver: float = 0.005
    bundle: float = 0.015
    bundled: float = 2.0
    report: float = 0.5
    storage: float = 0.0
    start: float = 7.5
    apart: float = 0.1
    warm: float = 1.0
    end: float = 2.5
    slowdown: float = 1.05


@dataclass(frozen=True)
class Timeline:
    """What a simulated schedule came to, in seconds unless said otherwise.

    Attributes:
        wall: of the whole command.
        busy: of all runs, teachers included.
        teaching: of the trainings of teachers and their answers to the test set.
        waiting: that runs spent on a teacher that another run trained.
        driver: that the driver was busy.
        trials, runs, teachers: how many there were; a trial that was given up has fewer runs.
        files: with rows: of search trials, of confirm trials; those reported together share one.
        peak: workers busy at once, at most.
        last: the branch that ended last.
    """

    wall: float
    busy: float
    teaching: float
    waiting: float
    driver: float
    trials: int
    runs: int
    teachers: int
    files: tuple[int, int]
    peak: int
    last: str


@dataclass
class _State:
    """A branch on its way."""

    branch: ArmWork
    handed: int = 0
    ended: int = 0
    running: int = 0
    confirmed: int = 0
    counted: int = 0

    def open(self, batch: int) -> int:
        """Search trials that can start: the rest of a batch, or a whole one if all before ended."""
        last = min(-(-self.handed // batch) * batch, len(self.branch.trials))
        if self.handed == last and self.ended == self.handed:
            last = min(last + batch, len(self.branch.trials))
        return last - self.handed

    @property
    def searched(self) -> bool:
        return self.ended == len(self.branch.trials)


@dataclass
class _Trial:
    """What a worker runs: replicates of one configuration, one after the other."""

    state: _State
    place: int
    job: Job
    replicates: range
    confirms: bool
    left: int
    worker: int = -1


@dataclass
class _Run:
    """A simulation."""

    work: Work
    machine: Machine
    rng: np.random.Generator
    events: list[tuple[float, int, int, _Trial]] = field(default_factory=list)
    ready: dict[tuple[int, int], float] = field(default_factory=dict)
    tested: dict[tuple[int, int], float] = field(default_factory=dict)
    met: set[tuple[int, int, int]] = field(default_factory=set)
    warmed: set[int] = field(default_factory=set)
    busy: float = 0.0
    teaching: float = 0.0
    waiting: float = 0.0
    runs: int = 0
    trials: int = 0
    count: int = 0

    def push(self, when: float, kind: int, trial: _Trial) -> None:
        self.count += 1
        heapq.heappush(self.events, (when, self.count, kind, trial))

    def teacher(self, place: int, replicate: int, now: float) -> float:
        """When a teacher is ready; whoever asks first trains it, and its teachers before it."""
        key = (place, replicate)
        if key not in self.ready:
            recipe = self.work.recipes[place]
            before = now
            if recipe.before is not None:
                before = self.teacher(recipe.before, replicate, now)
            seconds = recipe.train * self.machine.slowdown
            self.ready[key] = before + seconds
            self.teaching += seconds
            self.busy += seconds
            return self.ready[key]
        at = self.ready[key]
        self.waiting += max(at - now, 0.0)
        return max(at, now)

    def step(self, trial: _Trial, now: float) -> float:
        """Run the next replicate of a trial; returns when it ends."""
        replicate = trial.replicates[len(trial.replicates) - trial.left]
        trial.left -= 1
        job, slow = trial.job, self.machine.slowdown
        seconds = (job.confirm if trial.confirms else job.seconds) * slow
        if trial.worker not in self.warmed:
            self.warmed.add(trial.worker)
            seconds += self.machine.warm
        end = now
        if job.recipe is not None:
            end = self.teacher(job.recipe, replicate, now)
            key = (trial.worker, job.recipe, replicate)
            if key not in self.met:
                self.met.add(key)
                seconds += job.outputs * slow
        end += seconds
        self.busy += seconds
        self.runs += 1
        if trial.confirms and job.recipe is not None:
            end = self.test(job.recipe, replicate, end)
        return end

    def test(self, place: int, replicate: int, now: float) -> float:
        key = (place, replicate)
        if key not in self.tested:
            seconds = self.work.recipes[place].test * self.machine.slowdown
            self.tested[key] = now + seconds
            self.teaching += seconds
            self.busy += seconds
            return self.tested[key]
        self.waiting += max(self.tested[key] - now, 0.0)
        return max(self.tested[key], now)

    def gives_up(self, trial: _Trial) -> bool:
        if trial.confirms or trial.job.together or not self.work.gives_up:
            return False
        before = trial.place // self.work.batch * self.work.batch
        return before >= SAFE_TRIALS and bool(self.rng.random() < GIVEN_UP)


class _Queue:
    """What can start next, as the driver picks it.

    Attributes:
        ready: how many trials could start now.
    """

    def __init__(self, work: Work) -> None:
        self.ready = 0
        self._work = work
        blocks = -(-work.confirm // BLOCK)
        self._left = sum(len(branch.trials) + blocks for branch in work.branches)
        self._states = [_State(branch) for branch in work.branches]
        self._searches: list[tuple[int, int, bool, int]] = []
        self._has_worked = False
        self._confirms: list[int] = []
        self._places = {id(state): place for place, state in enumerate(self._states)}
        for state in self._states:
            self._changed(state)

    def _changed(self, state: _State) -> None:
        place, ready = self._places[id(state)], state.open(self._work.batch)
        if ready:
            # Fewest running first, then fewest done: round-robin. Until a run ended, arms without
            # a teacher come first.
            late = state.branch.needs_teacher and not self._has_worked
            heapq.heappush(self._searches, (state.running, state.ended, late, place))
        elif state.searched and state.confirmed < self._work.confirm:
            ready = -(-(self._work.confirm - state.confirmed) // BLOCK)
            heapq.heappush(self._confirms, place)
        self.ready += ready - state.counted
        state.counted = ready

    def next(self) -> _Trial | None:
        while self._searches:
            running, ended, _, place = heapq.heappop(self._searches)
            state = self._states[place]
            fresh = (running, ended) == (state.running, state.ended)
            if fresh and state.open(self._work.batch):
                number = state.handed
                state.handed += 1
                state.running += 1
                self._left -= 1
                self._changed(state)
                job, replicates = state.branch.trials[number], range(self._work.search)
                return _Trial(state, number, job, replicates, False, len(replicates))
        while self._confirms:
            place = heapq.heappop(self._confirms)
            state = self._states[place]
            first = state.confirmed
            if first < self._work.confirm:
                state.confirmed = min(first + BLOCK, self._work.confirm)
                self._left -= 1
                self._changed(state)
                replicates = range(-1 - first, -1 - state.confirmed, -1)
                job = state.branch.confirmed
                return _Trial(state, first, job, replicates, True, len(replicates))
        return None

    @property
    def done(self) -> bool:
        """Whether everything was handed out."""
        return self._left == 0

    def ended(self, trial: _Trial) -> None:
        if trial.confirms:
            return
        trial.state.ended += 1
        trial.state.running -= 1
        if self._has_worked:
            self._changed(trial.state)
            return
        self._has_worked = True  # which changes the order of all
        self._searches.clear()
        for state in self._states:
            self._changed(state)


_STEP, _END, _FREE = 0, 1, 2


def most_at_once(work: Work) -> int:
    """How many trials can run at once at most: more CPUs than that stay idle."""
    blocks = -(-work.confirm // BLOCK)
    return sum(max(min(work.batch, len(b.trials)), blocks) for b in work.branches)


def simulate(work: Work, machine: Machine, seed: int = 0) -> Timeline:
    """Run a schedule through: the driver's policy, on as many workers as there are CPUs.

    A free worker takes search trials of the branches with the fewest running; where none can start,
    blocks of confirm replicates; several at once if they are short and there are enough for all
    workers. A run that needs a teacher that nobody has trained trains it; others wait for it. The
    driver handles one thing at a time: a trial that ended, a worker that wants more.

    Args:
        work: what is run.
        machine: on what.
        seed: of which later trials are given up.
    """
    run, queue = _Run(work, machine, np.random.default_rng(seed)), _Queue(work)
    workers = min(machine.cpus // machine.per_trial, most_at_once(work))
    free: list[int] = []
    joined = 0
    bundles: dict[int, list[_Trial]] = {}
    unreported: dict[int, tuple[float, set[bool]]] = {}
    files = [0, 0]
    driver = last = now = machine.start
    driven, peak, name = 0.0, 0, ""

    def size() -> int:
        """Trials of the next bundle."""
        if not run.runs or machine.bundled <= 0:
            return 1
        seconds = max(run.busy / run.runs * work.search, 1e-3)
        share = queue.ready // (2 * workers)
        return max(1, min(ceil(machine.bundled / seconds), share, LARGEST_BUNDLE))

    def hand_out() -> None:
        nonlocal peak
        while free:
            first = queue.next()
            if first is None:
                return
            bundle = [first]
            while len(bundle) < size() and (another := queue.next()) is not None:
                bundle.append(another)
            worker = free.pop()
            bundles[worker] = bundle[::-1]
            begin(worker)
            peak = max(peak, joined - len(free))

    def begin(worker: int) -> None:
        trial = bundles[worker].pop()
        trial.worker = worker
        unreported.setdefault(worker, (now, set()))
        run.trials += 1
        run.push(run.step(trial, now), _STEP, trial)

    def report(trial: _Trial) -> None:
        """Count the files of what a worker reports now, if it does."""
        since, phases = unreported[trial.worker]
        phases.add(trial.confirms)
        if now - since >= machine.report or not bundles[trial.worker]:
            del unreported[trial.worker]
            for confirms in phases:
                files[confirms] += 1

    def drive(seconds: float) -> float:
        nonlocal driver, driven
        driver = max(driver, now) + seconds
        driven += seconds
        return driver

    while run.events or joined < workers:
        joins = machine.start + joined * machine.apart
        if joined < workers and (not run.events or joins <= run.events[0][0]):
            now = joins
            free.append(joined)
            joined += 1
            hand_out()
            if queue.done:
                workers = joined
            continue
        now, _, kind, trial = heapq.heappop(run.events)
        if kind == _STEP:
            if trial.left and not run.gives_up(trial):
                run.push(run.step(trial, now), _STEP, trial)
                continue
            run.push(drive(machine.driver + machine.storage), _END, trial)
            report(trial)
            if bundles[trial.worker]:
                begin(trial.worker)
            else:
                run.push(drive(machine.bundle), _FREE, trial)
            continue
        last, name = now, trial.state.branch.name
        if kind == _FREE:
            free.append(trial.worker)
        else:
            queue.ended(trial)
        hand_out()
    return Timeline(
        wall=last + machine.end,
        busy=run.busy,
        teaching=run.teaching,
        waiting=run.waiting,
        driver=driven,
        trials=run.trials,
        runs=run.runs,
        teachers=len(run.ready),
        files=(files[0], files[1]),
        peak=peak,
        last=name,
    )


def without_teachers(work: Work) -> Work:
    """The same work where every teacher is there already."""
    free = [TeacherWork(0.0, 0.0, recipe.before) for recipe in work.recipes]
    return replace(work, recipes=free)
