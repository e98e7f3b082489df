"""The command line: `qkd-study`. Parsing only; `qkd_study.cli.commands` does the work."""

from __future__ import annotations

import _thread
import argparse
import contextlib
import importlib
import os
import shlex
import shutil
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from qkd_study import __version__
from qkd_study.common.errors import InputError, StorageError, StudyWarning
from qkd_study.common.exit_codes import BAD_INPUT, ERROR, INCOMPLETE
from qkd_study.common.terminal import prepare_streams

_RUN = "a run's folder or address, STUDY/RUN_ID, or STUDY"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="qkd-study",
        description="Hyperparameter and scaling studies of quantum knowledge distillation.",
        epilog="Exit codes: 0 done, 2 bad input, 3 interrupted or incomplete, 1 anything else.",
    )
    parser.add_argument("--version", action="version", version=f"qkd-study {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser(
        "run", help="run a study; the same command again goes on where it stopped"
    )
    _run_options(run)

    plan = commands.add_parser("plan", help="what a study would run, and what that would take")
    _study_options(plan)
    plan.add_argument(
        "--cpus",
        metavar="N[,N...]",
        help="forecast for so many CPUs (default: all cores here)",
    )
    plan.add_argument(
        "--forecast",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="time short trainings and forecast the rest (default: unless --json)",
    )
    plan.add_argument(
        "--recalibrate", action="store_true", help="time anew what was timed on this machine before"
    )
    _json_option(plan)

    listing = commands.add_parser("list", help="the runs there are")
    _out_option(listing)
    _json_option(listing)

    status = commands.add_parser("status", help="how far a run is, and what failed and why")
    status.add_argument(
        "run", metavar="RUN", help="a run's folder or address, STUDY/RUN_ID, or STUDY"
    )
    _out_option(status)
    _json_option(status)

    report = commands.add_parser(
        "report", help="verdicts, tables and figures as one page that opens from disk"
    )
    report.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        help=f"{_RUN}; several are compared on one page",
    )
    report.add_argument(
        "--to",
        metavar="DIR",
        help="where to write (default: the run's folder; for several, --out; for an address, "
        "below results)",
    )
    _out_option(report)

    replay = commands.add_parser("replay", help="compute rows again, and compare every metric")
    replay.add_argument(
        "run", metavar="RUN", help="a run's folder or address, STUDY/RUN_ID, or STUDY"
    )
    replay.add_argument("--phase", choices=("search", "confirm"), help="rows of this phase")
    replay.add_argument("--cell", metavar="CELL", help="such as samples=20,depth=2")
    replay.add_argument("--arm", metavar="ARM")
    replay.add_argument("--trial", type=int, metavar="N", help="number of the configuration")
    replay.add_argument("--replicate", type=int, metavar="N", help="number of the seed")
    _out_option(replay)
    _json_option(replay)

    data = commands.add_parser("data", help="the datasets: list them, fetch or check one")
    data.add_argument("action", choices=("list", "fetch", "check"))
    data.add_argument(
        "name", nargs="?", help="of the dataset, for fetch and check; for check, also a file"
    )
    data.add_argument(
        "--label", metavar="COLUMN", default="label", help="the classes, of a file that is a table"
    )
    return parser


def _run_options(parser: argparse.ArgumentParser) -> None:
    _study_options(parser)
    parser.add_argument("--new", action="store_true", help="start over in a new folder")
    parser.add_argument("--cpus", type=int, metavar="N", help="trials at once (default: all cores)")
    parser.add_argument(
        "--address",
        metavar="WHERE",
        help="a Ray cluster: auto or HOST:PORT on one of its nodes, else http://HOST:8265",
    )
    parser.add_argument(
        "--time-limit",
        type=float,
        metavar="SECONDS",
        help="of one run; one that takes longer is stopped and tried twice more "
        "(default: an hour, or 20 times the longest run so far if that is more)",
    )
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="run again what failed for another reason than divergence",
    )
    parser.add_argument(
        "--log",
        action="append",
        default=[],
        choices=("tensorboard", "mlflow"),
        help="tell this of every run too; may be repeated",
    )
    _out_option(parser)


def _study_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY.py", help="the study file; it is code, and is run")
    parser.add_argument("--quick", action="store_true", help="a small version of the same study")
    parser.add_argument("--dataset", metavar="NAME", help="use this dataset")
    parser.add_argument("--seed", type=int, metavar="N", help="where all randomness starts")
    parser.add_argument("--trials", type=int, metavar="N", help="configurations per cell and arm")
    parser.add_argument("--replicates", type=int, metavar="N", help="confirm replicates")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="fix a parameter, wherever the study has it; may be repeated",
    )


def _out_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        default="results",
        metavar="WHERE",
        help="results folder, or s3://BUCKET/FOLDER (default: results)",
    )


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def run_arguments(options: argparse.Namespace, without: Sequence[str]) -> list[str]:
    """The options of a `run` command as arguments again, but for some and for defaults."""
    parser = argparse.ArgumentParser()
    _run_options(parser)
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


def goes_on(options: argparse.Namespace, *, retry_failed: bool = False) -> str:
    """The command that goes on with the run that a `run` command began, as a shell takes it.

    Args:
        options: of the command.
        retry_failed: whether it runs again what failed.
    """
    changed = run_arguments(options, without=("new", "retry_failed"))
    again = ["--retry-failed"] if retry_failed else []
    return shlex.join([*_program(), "run", options.study, *changed, *again])


def _program() -> list[str]:
    """How this program was started."""
    path = sys.argv[0]
    if os.path.basename(path) == "__main__.py":
        return [sys.executable, "-m", "qkd_study"]
    named = shutil.which("qkd-study")
    if os.path.basename(path) != "qkd-study" or (named and os.path.samefile(named, path)):
        return ["qkd-study"]
    return [path]


def _how_to_go_on(options: argparse.Namespace) -> str:
    """What to say where a command was cut short."""
    if options.command != "run" or not options.new:
        return "the same command goes on."
    if not getattr(options, "begun", False):
        return "nothing was begun."
    return f"this goes on, the same command would start over: {goes_on(options)}"


def _warn_once() -> Callable[..., None]:
    """What shows a study's warnings as one line each, each text once in a command, and no others.

    Python's own filter forgets what it has shown when any library changes its filters.
    """
    shown: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, StudyWarning) and str(message) not in shown:
            shown.add(str(message))
            print(f"warning: {message}", file=sys.stderr)

    return show


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    prepare_streams()
    options = _parser().parse_args(argv)
    warnings.simplefilter("always", StudyWarning)
    warnings.showwarning = _warn_once()
    try:
        # Imported late: `--help` should not wait for torch.
        commands = importlib.import_module("qkd_study.cli.commands").COMMANDS
        with _interrupts_kept():
            code: int = commands[options.command](options)
    except InputError as error:
        print(f"qkd-study: {error}", file=sys.stderr)
        return BAD_INPUT
    except (KeyboardInterrupt, SystemExit) as left:
        if isinstance(left, SystemExit) and left.code != signal.SIGTERM:  # Ray's, while it starts
            raise
        how = _how_to_go_on(options)
        print(f"qkd-study: interrupted. {how[0].upper()}{how[1:]}", file=sys.stderr)
        return INCOMPLETE
    except StorageError as error:
        print(
            f"qkd-study: {error}. What was written is kept; {_how_to_go_on(options)}",
            file=sys.stderr,
        )
        return INCOMPLETE
    except BrokenPipeError:
        return ERROR
    except OSError as error:
        print(f"qkd-study: {error}. What was written is kept.", file=sys.stderr)
        return ERROR
    except Exception as error:
        print(f"qkd-study: {_defect(error)}", file=sys.stderr)
        return ERROR
    return code


def _signal_behind(error: BaseException | None) -> signal.Signals | None:
    """The signal whose handler raised `error`, or None."""
    if isinstance(error, KeyboardInterrupt):
        return signal.SIGINT
    if isinstance(error, SystemExit) and error.code == signal.SIGTERM:
        return signal.SIGTERM
    return None


@contextlib.contextmanager
def _interrupts_kept() -> Iterator[None]:
    """Raise a Ctrl-C or SIGTERM again that came in a `__del__` or in a callback of `os.fork`.

    Python prints and forgets what is raised there. Ray's handler of SIGTERM raises SystemExit.
    """
    before, going_on = sys.unraisablehook, True

    def again(number: signal.Signals) -> None:
        if going_on:
            _thread.interrupt_main(number)

    def unraisable(ignored: sys.UnraisableHookArgs) -> None:
        number = _signal_behind(ignored.exc_value)
        if number is not None:  # raised here, it would be lost too
            threading.Timer(0.05, again, (number,)).start()
        else:
            before(ignored)

    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        going_on = False
        sys.unraisablehook = before


def _defect(error: Exception) -> str:
    """What to say of an error that nobody foresaw; its traceback goes to a file."""
    from qkd_study.common.errors import format_error
    from qkd_study.common.paths import cache_folder

    path = cache_folder() / "internal-error.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), "utf-8", "backslashreplace")
        kept = f"{path} says where: please report it, with the command."
    except OSError:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        kept = f"It is in {frame.filename}:{frame.lineno}: please report it, with the command."
    return f"internal error, a defect of qkd-study: {format_error(error)}. {kept}"


if __name__ == "__main__":
    sys.exit(main())
