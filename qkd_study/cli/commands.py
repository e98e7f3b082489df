"""The commands of `qkd-study`: each takes the parsed options and returns an exit code."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable

from qkd_study.cli.bundle import bundle
from qkd_study.cli.cache import cache
from qkd_study.cli.completion import completion
from qkd_study.cli.data import data
from qkd_study.cli.diff import diff
from qkd_study.cli.export import export
from qkd_study.cli.init import init
from qkd_study.cli.inspect import list_runs, report, status
from qkd_study.cli.plan import plan
from qkd_study.cli.replay import replay
from qkd_study.cli.run import run
from qkd_study.cli.show import show

COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "init": init,
    "run": run,
    "plan": plan,
    "show": show,
    "list": list_runs,
    "status": status,
    "report": report,
    "diff": diff,
    "replay": replay,
    "export": export,
    "bundle": bundle,
    "cache": cache,
    "data": data,
    "completion": completion,
}
