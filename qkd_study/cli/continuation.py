"""The shell command that continues an interrupted run."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Sequence

from qkd_study.cli.parser import add_run_options


def run_arguments(options: argparse.Namespace, without: Sequence[str]) -> list[str]:
    """The options of a `run` command as arguments, except defaults and those in `without`."""
    parser = argparse.ArgumentParser()
    add_run_options(parser)
    arguments: list[str] = []
    for action in parser._actions:
        value = getattr(options, action.dest, action.default)
        if not action.option_strings or action.dest in without or value == action.default:
            continue
        name = action.option_strings[-1]
        if value is True:
            arguments.append(name)
        else:
            values = value if isinstance(value, list) else [value]
            arguments += [f"{name}={one}" for one in values]
    return arguments


def continue_command(options: argparse.Namespace, *, retry_failed: bool = False) -> str:
    """The shell command that continues the run that a `run` command began.

    Args:
        options: of the command.
        retry_failed: whether it also repeats failed runs.
    """
    changed = run_arguments(options, without=("new", "retry_failed"))
    again = ["--retry-failed"] if retry_failed else []
    return shlex.join([*_program(), "run", options.study, *changed, *again])


def _program() -> list[str]:
    """The words with which this program was started."""
    path = sys.argv[0]
    if os.path.basename(path) == "__main__.py":
        return [sys.executable, "-m", "qkd_study"]
    named = shutil.which("qkd-study")
    if os.path.basename(path) != "qkd-study" or (named and os.path.samefile(named, path)):
        return ["qkd-study"]
    return [path]


def how_to_continue(options: argparse.Namespace) -> str:
    """The end of a sentence: how to continue a command that was interrupted."""
    if options.command != "run" or not options.new:
        return "the same command goes on."
    if not getattr(options, "begun", False):
        return "nothing was begun."
    return f"this goes on, the same command would start over: {continue_command(options)}"
