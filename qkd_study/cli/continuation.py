"""The shell command that continues an interrupted run."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from qkd_study.cli.parser import add_run_options


def run_arguments(options: argparse.Namespace, without: Sequence[str]) -> list[str]:
    """The options of a `run` command as arguments, except defaults and those in `without`."""
    names = {action.dest: action.option_strings[-1] for action in _actions()}
    arguments: list[str] = []
    for dest, value in changed_options(options, without):
        if isinstance(value, bool):
            arguments.append(names[dest])
        else:
            values = value if isinstance(value, list) else [value]
            arguments += [f"{names[dest]}={one}" for one in values]
    return arguments


def changed_options(
    options: argparse.Namespace, without: Sequence[str] = ()
) -> list[tuple[str, Any]]:
    """The options of a `run` command that are not as by default, except those in `without`."""
    there = ((one.dest, getattr(options, one.dest, one.default), one.default) for one in _actions())
    return [
        (name, value) for name, value, default in there if value != default and name not in without
    ]


def _actions() -> list[argparse.Action]:
    parser = argparse.ArgumentParser(add_help=False)
    add_run_options(parser)
    return [action for action in parser._actions if action.option_strings]


def command(options: argparse.Namespace) -> list[str] | None:
    """The words for study.json of a call of `qkd_study.run`; `None`: those of this process."""
    if options.study is not None:
        return None
    return [_call(options, without=())]


def continue_command(options: argparse.Namespace, *, retry_failed: bool = False) -> str:
    """The shell command, or the call, that continues the run that a `run` command began.

    Args:
        options: of the command; without a study file, of a call of `qkd_study.run`.
        retry_failed: whether it also repeats failed runs.
    """
    if options.study is None:
        again = argparse.Namespace(**{**vars(options), "retry_failed": retry_failed})
        return _call(again, without=("new",))
    changed = run_arguments(options, without=("new", "retry_failed"))
    retry = ["--retry-failed"] if retry_failed else []
    return shlex.join([*_program(), "run", options.study, *changed, *retry])


def _call(options: argparse.Namespace, without: Sequence[str]) -> str:
    """The call of `qkd_study.run` with these options."""
    given = "".join(f", {name}={value!r}" for name, value in changed_options(options, without))
    return f"qkd_study.run(study{given})"


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
