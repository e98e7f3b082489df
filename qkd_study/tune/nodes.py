"""Checks that the nodes of a cluster have the environment of this process."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import time
import types
from importlib import metadata
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from qkd_study.common.errors import InputError
from qkd_study.tune.environment import WORKER

#: Packages whose versions must agree between the driver and every node.
SAME_EVERYWHERE = ("ray", "torch", "pennylane", "pennylane-lightning", "optuna")
#: How long a node may take to report its environment.
ANSWER_SECONDS = 20.0
#: Seconds between checks for nodes that joined.
POLL_SECONDS = 3.0
#: Seconds between counts of free slots.
COUNT_SECONDS = 1.0

Environment = dict[str, str]


def describe() -> Environment:
    """The environment of this process: versions, a digest of this package's source, threads.

    Self-contained: nodes without this package run it too.
    """
    found = {"python": platform.python_version()}
    spec = importlib.util.find_spec("qkd_study")
    if spec is None or spec.origin is None:
        found["qkd-study"] = "none"
    else:
        import qkd_study

        digest = hashlib.sha256()
        folder = Path(spec.origin).parent
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
        found["qkd-study"] = qkd_study.__version__
        found["source of qkd-study"] = digest.hexdigest()[:12]
    for name in SAME_EVERYWHERE:
        try:
            found[name] = metadata.version(name).partition("+")[0]  # torch: without its +cpu
        except metadata.PackageNotFoundError:
            found[name] = "none"
    for name in WORKER:
        found[name] = os.environ.get(name, "not set")
    return found


def mismatch(node: str, theirs: Environment, ours: Environment) -> str | None:
    """Name the first difference of a node in one sentence; `None` if there is none."""
    for name, here in {**ours, **WORKER}.items():
        there = theirs.get(name, "none")
        if there == "none":
            found = f"has no {name}; the driver has {here}"
        else:
            found = f"has {name} {there}; the driver has {here}"
        if there != here:
            return f"node {node} {found}. Install the same on every node, and start it again."
    return None


def _portable() -> Any:
    """`describe`, in a form that a node without this package can unpickle."""
    # Functions of __main__ are pickled by value.
    function = types.FunctionType(describe.__code__, describe.__globals__, describe.__name__)
    function.__module__ = "__main__"
    return function


class Nodes:
    """The nodes of the cluster that this process is connected to.

    Args:
        address: as the user wrote it, for messages.
        cpus, memory: what one trial reserves; nodes with less run none, and are not checked.
    """

    def __init__(self, address: str, cpus: int, memory: int) -> None:
        self._address, self._cpus, self._memory = address, cpus, memory
        self._ours = describe()
        self._pending: dict[str, tuple[str, Any]] = {}
        self._seen: set[str] = set()
        self._last_poll = self._counted = 0.0
        self._slots = 0
        self._describe = ray.remote(_portable())

    def check(self) -> None:
        """Check all nodes.

        Raises:
            InputError: no node has enough for a trial, or one has another environment or is silent.
        """
        alive = [node for node in ray.nodes() if node["Alive"]]
        if not any(self._fits(node) for node in alive):
            most = max(alive, key=lambda node: node["Resources"].get("CPU", 0))["Resources"]
            room = max(node["Resources"].get("memory", 0) for node in alive)
            raise InputError(
                f"--address {self._address}: a trial needs {self._cpus} CPUs and {self._memory:,} "
                f"bytes of memory (trial_cpus and trial_memory of the study), but no node of "
                f"the cluster has both: the most is "
                f"{most.get('CPU', 0):g} CPUs, and {room:,.0f} bytes."
            )
        self._query(alive)
        ready, late = ray.wait(
            [answer for _, answer in self._pending.values()],
            num_returns=len(self._pending),
            timeout=ANSWER_SECONDS,
        )
        problem = self._check_answers(ready)
        if problem is None and late:
            names = ", ".join(name for name, answer in self._pending.values() if answer in late)
            problem = (
                f"no answer from node {names} within {ANSWER_SECONDS:g} s. Start it again, or take "
                f"it out of the cluster."
            )
        if problem is not None:
            raise InputError(f"--address {self._address}: {problem}")

    def node_error(self) -> str | None:
        """Return an error of nodes that joined since, without a full stop; never blocks."""
        now = time.monotonic()
        if now - self._last_poll < POLL_SECONDS:
            return None
        self._last_poll = now
        self._query([node for node in ray.nodes() if node["Alive"]])
        answers = [answer for _, answer in self._pending.values()]
        ready = ray.wait(answers, num_returns=len(answers), timeout=0)[0] if answers else []
        problem = self._check_answers(ready)
        return None if problem is None else problem.removesuffix(".")

    def slots(self) -> int:
        """How many trials fit on the nodes that are alive."""
        if time.monotonic() - self._counted < COUNT_SECONDS:
            return self._slots
        self._counted = time.monotonic()
        fitting = [node["Resources"] for node in ray.nodes() if self._fits(node)]
        self._slots = sum(self._on(have) for have in fitting)
        return self._slots

    def _on(self, have: dict[str, Any]) -> int:
        by_cpus = int(have["CPU"] // self._cpus)
        return min(by_cpus, int(have["memory"] // self._memory)) if self._memory else by_cpus

    def _fits(self, node: dict[str, Any]) -> bool:
        have = node["Resources"]
        enough = have.get("CPU", 0) >= self._cpus and have.get("memory", 0) >= self._memory
        return bool(node["Alive"] and enough)

    def _query(self, nodes: list[dict[str, Any]]) -> None:
        for node in nodes:
            key = node["NodeID"]
            if self._fits(node) and key not in self._seen:
                self._seen.add(key)
                there = NodeAffinitySchedulingStrategy(key, soft=False)
                task = self._describe.options(num_cpus=0, max_retries=0, scheduling_strategy=there)
                name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
                self._pending[key] = (name, task.remote())

    def _check_answers(self, ready: list[Any]) -> str | None:
        for key, (name, answer) in list(self._pending.items()):
            if answer in ready:
                del self._pending[key]
                try:
                    theirs = ray.get(answer)
                except ray.exceptions.RayError as error:
                    if isinstance(error, ray.exceptions.RayTaskError):
                        last = str(error).strip().splitlines()[-1]
                        return f"node {name} cannot say what it has: {last}"
                    continue  # it died meanwhile
                problem = mismatch(name, theirs, self._ours)
                if problem is not None:
                    return problem
        return None
