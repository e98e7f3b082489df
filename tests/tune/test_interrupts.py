"""Signals: what was ignored before a run stays so."""

from __future__ import annotations

import signal

import pytest

from qkd_study.tune.interrupts import Interrupts


@pytest.mark.parametrize("before", [signal.SIG_IGN, signal.SIG_DFL])
def test_a_closed_terminal_ends_a_run_unless_nohup_has_it_ignored(before: signal.Handlers) -> None:
    was = {n: signal.signal(n, before) for n in (signal.SIGHUP,)}
    try:
        with Interrupts(lambda: None, lambda: None) as interrupts:
            interrupts.take_over()
            taken = signal.getsignal(signal.SIGHUP)
        assert (taken is signal.SIG_IGN) == (before is signal.SIG_IGN)
        assert signal.getsignal(signal.SIGHUP) is before
    finally:
        for number, handler in was.items():
            signal.signal(number, handler)
