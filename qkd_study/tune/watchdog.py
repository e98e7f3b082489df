"""Looking after workers: one that says nothing for too long is ended, so that its run is retried.

A run that hangs is ended by its own process (`trial.py`). This is for what cannot do that: a
process that is stopped, or caught in the kernel.
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

from qkd_study.tune.dispatcher import TrialDispatcher
from qkd_study.tune.waiting import Waiting
from qkd_study.tune.worker import TRACEBACK_LINES

#: How long after its limit a worker is still waited for: it should end itself.
GRACE_SECONDS = 15.0
#: How often to look.
LOOK_SECONDS = 1.0


class Watchdog:
    """Knows the process of every bundle.

    Args:
        dispatcher: knows when each worker was last heard.
        scratch: where workers on this machine leave the stack of a run that overstayed.
    """

    def __init__(self, dispatcher: TrialDispatcher, scratch: Path) -> None:
        self._dispatcher, self._scratch, self._waits = dispatcher, scratch, Waiting(scratch)
        self._actors: dict[str, Any] = {}
        self._processes: dict[str, Any] = {}
        self._known: dict[str, Any] = {}
        self._expected: dict[str, float] = {}
        self._looked = 0.0

    def expect_start(self, name: str, actor: Any, seconds: float) -> None:
        """A worker is to begin with a bundle; it is ended if it does not within some seconds."""
        if name not in self._actors:
            self._expected[name] = time.monotonic() + seconds
            self._actors[name] = actor
            self._processes[name] = self._known.get(_id(actor))

    def started(self, name: str, actor: Any) -> None:
        """A worker begins with a bundle; a new one is asked for its process before it is busy."""
        self._expected.pop(name, None)
        if (key := _id(actor)) not in self._known:
            self._known[key] = actor.process.remote()
        self._actors[name] = actor
        self._processes[name] = self._known[key]

    def ended(self, name: str) -> None:
        """A worker is done with a bundle."""
        for kept in (self._actors, self._processes, self._expected):
            kept.pop(name, None)

    def poll(self) -> None:
        """End workers that have not been heard for longer than a run may take."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        for name, bundle in self._dispatcher.out.items():
            # Replicates that are trained side by side are heard of together.
            together = max((len(work.left) for work in bundle.works), default=1)
            patience = bundle.limit * max(together, 1) + GRACE_SECONDS
            if bundle.last_heartbeat is not None and self._waits_for_others(name):
                bundle.last_heartbeat = now
            if bundle.last_heartbeat is not None and now - bundle.last_heartbeat > patience:
                bundle.last_heartbeat = None  # once
                self._end(name)
        for name, until in list(self._expected.items()):
            if now > until:
                self._expected[name] = math.inf
                self._end(name)

    def _waits_for_others(self, name: str) -> bool:
        return name in self._actors and self._waits.lately(_id(self._actors[name]))

    def _end(self, name: str) -> None:
        process = self._process(name) or _of_start(self._actors[name])
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
        """The actor id of a bundle's worker; `None` if it never said so."""
        process = self._process(name) if name in self._processes else None
        return None if process is None else process[2]

    def _process(self, name: str) -> tuple[str, int, str] | None:
        with contextlib.suppress(Exception):
            found: tuple[str, int, str] = ray.get(self._processes[name], timeout=0)
            return found
        return None

    def said(self, name: str) -> str | None:
        """What is known of a worker that died because its run overstayed; `None` otherwise."""
        process = self._process(name) if name in self._processes else None
        if process is None:
            return None
        with contextlib.suppress(OSError):
            trace = (self._scratch / f"stuck-{process[1]}.txt").read_text().strip()
            if trace:
                limit = self._dispatcher.out[name].limit
                # The main thread comes last; its innermost call first.
                lines = trace.split("Thread ")[-1].splitlines()[1 : 1 + TRACEBACK_LINES]
                calls = "\n".join(line.strip() for line in lines)
                return f"a run took longer than {limit:g} s (see --time-limit), in:\n{calls}"
        return None


def _id(actor: Any) -> str:
    return str(actor._actor_id.hex())


def _of_start(actor: Any) -> tuple[str, int, str] | None:
    """What Ray knows of the process of an actor that has not answered yet."""
    with contextlib.suppress(Exception):
        known = ray._private.state.actors(_id(actor))
        return str(known["Address"]["NodeID"]), int(known["Pid"]), _id(actor)
    return None


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
