"""Connects to Ray: starts a local instance, or joins a running cluster."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import ray

from qkd_study.common.errors import InputError, InterruptedStart
from qkd_study.compat.ray import keep_alive, start_in, without_runtime_environment
from qkd_study.tune.environment import WORKER
from qkd_study.tune.nodes import Nodes
from qkd_study.tune.ray_folder import ray_folder


@dataclass(frozen=True)
class Cluster:
    """The Ray instance that a driver runs on.

    Attributes:
        slots: returns how many trials can run at once now; it changes with the nodes.
        node_error: returns an error if a node joined with another environment; never blocks.
    """

    slots: Callable[[], int]
    node_error: Callable[[], str | None]


@contextlib.contextmanager
def connect(
    address: str | None, cpus: int | None, *, trial_cpus: int = 1, trial_memory: int = 0
) -> Iterator[Cluster]:
    """Connect to Ray for the duration of a `with` block.

    Args:
        address: `None` starts Ray on this machine, on loopback; otherwise the address of a
            cluster that `probe` found, whose nodes are checked first.
        cpus: the CPUs to use at most; required without an address.
        trial_cpus, trial_memory: the CPUs and bytes that one trial reserves.

    Raises:
        InputError: the cluster has another version of Ray or Python, a node has another environment
            or does not answer within `nodes.ANSWER_SECONDS`, a trial needs more than any node or
            `cpus` has, or there is no folder for Ray's sockets.
    """
    for name in ("ray", "ray.tune", "ray.air", "ray.train"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if cpus is not None and trial_cpus > cpus:
        raise InputError(
            f"a trial reserves {trial_cpus} CPUs (trial_cpus of the study), but {cpus} are to be "
            f"used. Give more with --cpus, or lower trial_cpus."
        )
    if address is None:
        assert cpus is not None
        with ray_folder() as folder, _shut_down_after(lambda: _start(cpus, folder)):
            free = int(ray.cluster_resources()["memory"])
            if trial_memory > free:
                raise InputError(
                    f"a trial reserves {trial_memory:,} bytes of memory (trial_memory of the "
                    f"study), but {free:,} are free on this machine. Lower trial_memory."
                )
            slots = min(cpus // trial_cpus, free // trial_memory if trial_memory else cpus)
            yield Cluster(lambda: slots, lambda: None)
        return
    with _shut_down_after(lambda: _join(address)):
        nodes = Nodes(address, trial_cpus, trial_memory)
        nodes.check()
        most = cpus or 2**31
        yield Cluster(lambda: min(most // trial_cpus, nodes.slots()), nodes.node_error)


def _start(cpus: int, folder: str) -> None:
    given = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    if os.environ.get("RAY_AUTH_MODE") == "token" and not given:
        # Ray would read or write one in the home folder, where it may be damaged or not writable.
        os.environ["RAY_AUTH_TOKEN"] = _token()
    without_runtime_environment()
    start_in(
        folder,
        address="local",
        num_cpus=cpus,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        configure_logging=True,
    )


@functools.cache
def _token() -> str:
    """A token for this process: Ray reads it once, so a second Ray must have the first one's."""
    return secrets.token_hex(32)


def _join(address: str) -> None:
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=True,
            runtime_env={"env_vars": WORKER},
        )
    except (RuntimeError, ConnectionError, ValueError) as error:
        message = " ".join(str(error).split())
        raise InputError(f"--address {address}: the cluster cannot be joined: {message}") from None


@contextlib.contextmanager
def _shut_down_after(init: Callable[[], None]) -> Iterator[None]:
    try:
        init()
        # Ray's handler would end the process at once. `Interrupts` restores the previous handler.
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    except (KeyboardInterrupt, SystemExit) as error:
        keep_alive()
        raise InterruptedStart from error
    try:
        yield
    finally:
        ray.shutdown()
