"""A start that does not end after an interrupt ends the process; one that does is left alone."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from qkd_study.common.exit_codes import INCOMPLETE
from qkd_study.tune.interrupts import Interrupts
from qkd_study.tune.start_guard import StartGuard

#: Locks a mutex twice: the main thread waits in C for ever, and no signal ends that.
BLOCKED = """
import ctypes
from qkd_study.tune.interrupts import Interrupts
from qkd_study.tune.start_guard import StartGuard

mutex = ctypes.create_string_buffer(64)
lock = ctypes.CDLL(None).pthread_mutex_lock
with Interrupts(print, print, StartGuard(0.3)):
    print("starting", flush=True)
    lock(mutex)
    lock(mutex)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_blocked_start_ends_after_an_interrupt(number: signal.Signals) -> None:
    handled = f"import signal\nsignal.signal({int(number)}, lambda *_: None)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", handled + BLOCKED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "starting\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (
        INCOMPLETE,
        "qkd-study: interrupted while Ray was starting. The same command goes on.\n",
    )


def test_a_guard_leaves_nothing_behind_when_ray_has_started() -> None:
    before, threads = signal.set_wakeup_fd(-1), threading.active_count()
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interrupts(lambda: None, lambda: None, StartGuard(0.0)) as interrupts:
        assert threading.active_count() == threads + 1
        interrupts.prepare()
        assert threading.active_count() == threads
        signal.raise_signal(signal.SIGTERM)  # recorded: nothing ends the process
    assert signal.set_wakeup_fd(before) == -1
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
