"""Ends workers that have not reported for too long, so that their runs are retried.

A worker ends itself when a run exceeds its limit (`waiting.TimeLimit`). The watchdog is for
processes that cannot: those that are stopped, or blocked in the kernel.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from qkd_study.compat.ray import actor_id, process_of
from qkd_study.tune.dispatcher import TrialDispatcher
from qkd_study.tune.waiting import Waiting
from qkd_study.tune.worker import TRACEBACK_LINES

#: Seconds beyond its limit before a worker is ended: it should end itself.
GRACE_SECONDS = 15.0
#: Seconds between checks.
POLL_SECONDS = 1.0


class Watchdog:
    """Tracks the process of every bundle and ends those that hang.

    Args:
        dispatcher: has the last heartbeat of each worker.
        scratch: where workers on this machine write the stack of a run that exceeded its limit.
    """

    def __init__(self, dispatcher: TrialDispatcher, scratch: Path) -> None:
        self._dispatcher, self._scratch, self._waits = dispatcher, scratch, Waiting(scratch)
        self._actors: dict[str, Any] = {}
        self._processes: dict[str, Any] = {}
        self._process_of: dict[str, Any] = {}
        self._start_deadlines: dict[str, float] = {}
        self._last_poll = 0.0

    def expect_start(self, name: str, actor: Any, seconds: float) -> None:
        """End a worker if it does not begin with its bundle within some seconds."""
        if name not in self._actors:
            self._start_deadlines[name] = time.monotonic() + seconds
            self._actors[name] = actor
            self._processes[name] = self._process_of.get(actor_id(actor))

    def started(self, name: str, actor: Any) -> None:
        """Register that a worker begins with a bundle, and ask a new worker for its process."""
        self._start_deadlines.pop(name, None)
        if (key := actor_id(actor)) not in self._process_of:
            self._process_of[key] = actor.process.remote()
        self._actors[name] = actor
        self._processes[name] = self._process_of[key]

    def ended(self, name: str) -> None:
        """Forget a bundle that has ended."""
        for by_name in (self._actors, self._processes, self._start_deadlines):
            by_name.pop(name, None)

    def poll(self) -> None:
        """End workers that have not reported for longer than a run may take."""
        now = time.monotonic()
        if now - self._last_poll < POLL_SECONDS:
            return
        self._last_poll = now
        for name, bundle in self._dispatcher.in_flight.items():
            # Replicates that are trained in one batch are reported together.
            batch = max((len(active.left) for active in bundle.trials), default=1)
            timeout = bundle.limit * max(batch, 1) + GRACE_SECONDS
            if bundle.last_heartbeat is not None and self._waits_for_others(name):
                bundle.last_heartbeat = now
            if bundle.last_heartbeat is not None and now - bundle.last_heartbeat > timeout:
                bundle.last_heartbeat = None  # once
                self._end(name)
        for name, deadline in list(self._start_deadlines.items()):
            if now > deadline:
                self._start_deadlines[name] = math.inf
                self._end(name)

    def _waits_for_others(self, name: str) -> bool:
        return name in self._actors and self._waits.waited_recently(actor_id(self._actors[name]))

    def _end(self, name: str) -> None:
        process = self._process(name) or _starting_process(self._actors[name])
        if process is not None:
            node, pid, _ = process
            with contextlib.suppress(Exception):
                if node == ray.get_runtime_context().get_node_id():
                    os.kill(pid, signal.SIGKILL)
                else:
                    there = NodeAffinitySchedulingStrategy(node, soft=False)
                    ray.remote(_kill).options(num_cpus=0, scheduling_strategy=there).remote(pid)
        with contextlib.suppress(Exception):
            ray.kill(self._actors[name])

    def worker(self, name: str) -> str | None:
        """The actor id of a bundle's worker; `None` if it is not known."""
        process = self._process(name) if name in self._processes else None
        return None if process is None else process[2]

    def _process(self, name: str) -> tuple[str, int, str] | None:
        with contextlib.suppress(Exception):
            found: tuple[str, int, str] = ray.get(self._processes[name], timeout=0)
            return found
        return None

    def timeout_message(self, name: str) -> str | None:
        """The error of a worker that ended itself because its run exceeded the limit, or `None`."""
        process = self._process(name) if name in self._processes else None
        if process is None:
            return None
        with contextlib.suppress(OSError):
            trace = (self._scratch / f"stuck-{process[1]}.txt").read_text().strip()
            if trace:
                limit = self._dispatcher.in_flight[name].limit
                # The main thread comes last; its innermost call first.
                lines = trace.split("Thread ")[-1].splitlines()[1 : 1 + TRACEBACK_LINES]
                calls = "\n".join(line.strip() for line in lines)
                return f"a run took longer than {limit:g} s (see --time-limit), in:\n{calls}"
        return None


def _starting_process(actor: Any) -> tuple[str, int, str] | None:
    """Node, process and id of an actor that has not answered yet, from Ray's own state."""
    with contextlib.suppress(Exception):
        return *process_of(actor_id(actor)), actor_id(actor)
    return None


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
