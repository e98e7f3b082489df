"""What a driver must know of Ray and Tune that they do not tell: actors, processes, addresses.

Checked with Ray 2.60.0. Functions that look something up raise whatever Ray raises where it is not
there; callers for whom that is no error suppress it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import ray
from ray._private import services
from ray._private.node import Node
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.tune.execution import class_cache

from qkd_study.compat import idle_agent
from qkd_study.compat.idle_agent import FILES

#: Variables with which Ray gives this process a runtime environment.
RUNTIME_ENVIRONMENT = ("RAY_JOB_CONFIG_JSON_ENV_VAR", "RAY_RUNTIME_ENV_HOOK")


def start_in(folder: str, **options: Any) -> None:
    """`ray.init` of a Ray on this machine, with its sockets and logs in a folder.

    `ray.init` has no public argument for that: `_temp_dir` is it. Nor has it one to leave out the
    services that this package does not use (see `_without_services`).
    """
    with _without_services():
        ray.init(_temp_dir=folder, **options)


def keep_alive() -> None:
    """Undo what Ray does at a SIGTERM while it starts: it has the process aborted 3 s later.

    Its handler in C++ sets an alarm for the case that it hangs, and leaves it set when it passes
    the signal on to Python, whose clean-up may take longer.
    """
    if hasattr(signal, "alarm"):
        signal.alarm(0)


@contextlib.contextmanager
def _without_services() -> Iterator[None]:
    """Start no dashboard, autoscaler, log monitor, nor the agents of metrics and environments.

    They take most of Ray's start, and memory. `ray.init` starts them even if `include_dashboard`
    is false. If this process is a job with a runtime environment, or has a hook that makes one,
    everything is started, because the agent is needed.
    """
    if any(name in os.environ for name in RUNTIME_ENVIRONMENT):
        yield
        return

    def start(command: list[str], *arguments: Any, **options: Any) -> Any:
        return process(list(map(_idle, command)), *arguments, **options)

    process = services.start_ray_process
    names = ("start_api_server", "start_monitor", "start_log_monitor")
    methods = {name: getattr(Node, name) for name in names}
    try:
        for name in names:
            setattr(Node, name, lambda node, **options: None)
        services.start_ray_process = start
        yield
    finally:
        services.start_ray_process = process
        for name, method in methods.items():
            setattr(Node, name, method)


def _idle(argument: str) -> str:
    """An argument of a raylet, with `idle_agent` in place of an agent."""
    for kind in FILES:
        flag = f"--{kind.replace('-', '_')}_agent_command="
        if argument.startswith(flag):
            _, _, rest = argument.removeprefix(flag).partition(" --node-id=")
            own = subprocess.list2cmdline([sys.executable, "-I", "-S", idle_agent.__file__, kind])
            return f"{flag}{own} --node-id={rest}" if rest else argument
    return argument


def without_runtime_environment() -> None:
    """Let Tune start workers in no runtime environment of their own.

    Tune sends some of the driver's variables to its workers in one. Those of a Ray on this machine
    have inherited them already, and Ray would start other processes than the workers that it has
    ready, each importing Ray twice.
    """
    if not any(name in os.environ for name in RUNTIME_ENVIRONMENT):
        class_cache.DEFAULT_ENV_VARS.clear()
        class_cache.ENV_VARS_TO_PROPAGATE.clear()


@contextlib.contextmanager
def tune_unchanged() -> Iterator[None]:
    """Undo `without_runtime_environment` at the end: the process may use Tune for other things."""
    values = dict(class_cache.DEFAULT_ENV_VARS), set(class_cache.ENV_VARS_TO_PROPAGATE)
    try:
        yield
    finally:
        class_cache.DEFAULT_ENV_VARS.update(values[0])
        class_cache.ENV_VARS_TO_PROPAGATE.update(values[1])


def actor_id(actor: Any) -> str:
    """The id of an actor in hexadecimal, from its handle's `_actor_id`.

    Publicly only an actor itself can ask for its id, and one that is starting does not answer.
    """
    return str(actor._actor_id.hex())


def process_of(actor: str) -> tuple[str, int]:
    """The node and the process id of an actor, given its id, from `ray._private.state.actors`.

    The public `ray.util.state` needs a dashboard, which a Ray of our own does not start.
    """
    known = ray._private.state.actors(actor)
    return str(known["Address"]["NodeID"]), int(known["Pid"])


def trial_actor(trial: Any) -> Any | None:
    """The actor of a Tune trial, `trial.temporary_state.ray_actor`; `None` if it is a new one.

    Callbacks are told of trials, but not of the actors that run them.
    """
    return trial.temporary_state.ray_actor


def starting_actor(controller: Any, trial: Any) -> Any:
    """The actor that starts for a Tune trial.

    Until it has started, only Tune's controller knows it: `_trial_to_actor` and
    `_actor_manager._live_actors_to_ray_actors_resources`.
    """
    tracked = controller._trial_to_actor[trial]
    return controller._actor_manager._live_actors_to_ray_actors_resources[tracked][0]


def last_result(trial: Any) -> dict[str, Any]:
    """What a Tune trial reported last, as Tune itself keeps it: `trial.run_metadata.last_result`.

    The property `trial.last_result` waits for the actor's answer where nothing was reported.
    """
    found: dict[str, Any] = trial.run_metadata.last_result
    return found


def head_address(address: str) -> str | None:
    """HOST:PORT of the cluster at an address; `None` if `auto` finds none on this machine.

    `ray._private.services.canonicalize_bootstrap_address` does what `ray.init` does first, which
    waits for minutes where nothing answers.
    """
    try:
        found: str | None = services.canonicalize_bootstrap_address(address)
    except ConnectionError:
        return None
    return found


def is_node_of(address: str, seconds: float) -> bool:
    """Whether this machine is a node of the cluster whose head is at HOST:PORT.

    The nodes come from `ray._raylet.GcsClient.get_all_node_info`, those that run on this machine
    from `ray._private.services.find_node_ids`: without `ray.init`, which would wait for minutes.

    Args:
        seconds: until the head must have answered.
    """
    nodes = GcsClient(address=address).get_all_node_info(timeout=seconds)
    return bool(services.find_node_ids() & {node.hex() for node in nodes})
