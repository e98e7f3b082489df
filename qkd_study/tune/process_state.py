"""What a drive changes in its process, put back for the script or notebook that called it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator

import optuna

from qkd_study.common.errors import InputError, InterruptedStart
from qkd_study.tune.environment import prepare_driver

_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
    if hasattr(signal, name)
]
#: Variables that stay: Ray itself has read them for as long as the process lives, and any other Ray
#: that is started in it needs the same.
_KEPT = {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN"}
_LOGGERS = ("ray", "ray.tune", "ray.air", "ray.train")


@contextlib.contextmanager
def restored(*, local: bool) -> Iterator[None]:
    """Prepare this process for a driver, and undo at the end what it and Ray change.

    That is: variables, signal handlers, levels of loggers, Tune's settings, and Ray itself. Ray's
    token stays in the environment.

    Args:
        local: whether Ray will run on this machine alone.

    Raises:
        InputError: Ray runs in this process already, or this is not its main thread.
        KeyboardInterrupt: of an `InterruptedStart`, when what had started of Ray was ended.
    """
    if threading.current_thread() is not threading.main_thread():
        raise InputError(
            "run handles Ctrl-C, which only the main thread of a process can: call it there."
        )
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        raise InputError(
            "Ray runs in this process already, and a study needs a Ray of its own: call "
            "ray.shutdown() first."
        )
    variables = dict(os.environ)
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    verbosity = optuna.logging.get_verbosity()
    try:
        prepare_driver(local=local)
        # Imported late: Ray reads the variables on import.
        from qkd_study.compat.ray import tune_unchanged

        with tune_unchanged():
            yield
    except InterruptedStart:
        import ray as started

        started.shutdown()
        raise KeyboardInterrupt from None
    finally:
        for name, value in levels.items():
            logging.getLogger(name).setLevel(value)
        optuna.logging.set_verbosity(verbosity)
        for number, handler in handlers.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: not set from Python
        kept = _KEPT if "RAY_AUTH_TOKEN" in os.environ else set()
        for name in os.environ.keys() - variables.keys() - kept:
            del os.environ[name]
        os.environ.update(variables)
