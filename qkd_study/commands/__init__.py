"""What the commands of `qkd-study` do. Each takes the parsed options and returns an exit code."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable

from qkd_study.commands.data import data
from qkd_study.commands.look import list_runs, report, status
from qkd_study.commands.plan import plan
from qkd_study.commands.replay import replay
from qkd_study.commands.run import run

COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "run": run,
    "plan": plan,
    "list": list_runs,
    "status": status,
    "report": report,
    "replay": replay,
    "data": data,
}
