"""`qkd-study`: runs a command, and turns errors and interrupts into messages and exit codes."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from qkd_study.cli.continuation import how_to_continue
from qkd_study.cli.parser import build_parser
from qkd_study.common.errors import (
    InputError,
    InterruptedStart,
    StorageError,
    StudyWarning,
    format_error,
)
from qkd_study.common.exit_codes import BAD_INPUT, ERROR, INCOMPLETE
from qkd_study.common.paths import cache_folder
from qkd_study.common.terminal import prepare_streams


def _warn_once() -> Callable[..., None]:
    """A `showwarning` that prints each text of a `StudyWarning` once, and no other warnings.

    Python's own filter shows a warning again after a library has changed the filters.
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
    options = build_parser().parse_args(argv)
    warnings.simplefilter("always", StudyWarning)
    warnings.showwarning = _warn_once()
    try:
        # Imported late: `--help` should not wait for torch.
        commands = importlib.import_module("qkd_study.cli.commands").COMMANDS
        with _reraise_interrupts():
            code: int = commands[options.command](options)
    except InputError as error:
        print(f"qkd-study: {error}", file=sys.stderr)
        return BAD_INPUT
    except (KeyboardInterrupt, SystemExit) as left:
        if isinstance(left, SystemExit) and left.code != signal.SIGTERM:  # Ray's, while it starts
            raise
        how = how_to_continue(options)
        print(f"qkd-study: interrupted. {how[0].upper()}{how[1:]}", file=sys.stderr)
        if isinstance(left, InterruptedStart):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(INCOMPLETE)
        return INCOMPLETE
    except StorageError as error:
        print(
            f"qkd-study: {error}. What was written is kept; {how_to_continue(options)}",
            file=sys.stderr,
        )
        return INCOMPLETE
    except BrokenPipeError:
        return ERROR
    except OSError as error:
        print(f"qkd-study: {error}. What was written is kept.", file=sys.stderr)
        return ERROR
    except Exception as error:
        print(f"qkd-study: {_report_defect(error)}", file=sys.stderr)
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
def _reraise_interrupts() -> Iterator[None]:
    """Raise a Ctrl-C or SIGTERM again that came in a `__del__` or in a callback of `os.fork`.

    Python only prints exceptions that are raised there. Ray's SIGTERM handler raises SystemExit.
    """
    previous, active = sys.unraisablehook, True
    process, main_thread = os.getpid(), threading.get_ident()

    def again(number: signal.Signals) -> None:
        if active:
            signal.pthread_kill(main_thread, number)  # ends a blocked system call, too

    def unraisable(ignored: sys.UnraisableHookArgs) -> None:
        number = _signal_behind(ignored.exc_value)
        if number is None:
            previous(ignored)
        # A forked child will run another program; its threading may not be usable.
        elif os.getpid() == process:  # an exception in this hook would be lost too
            threading.Timer(0.05, again, (number,)).start()

    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        active = False
        sys.unraisablehook = previous


def _report_defect(error: Exception) -> str:
    """Write the traceback of an unexpected error to a file; returns the message."""
    path = cache_folder() / "internal-error.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), "utf-8", "backslashreplace")
        where = f"{path} says where: please report it, with the command."
    except OSError:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"It is in {frame.filename}:{frame.lineno}: please report it, with the command."
    return f"internal error, a defect of qkd-study: {format_error(error)}. {where}"


if __name__ == "__main__":
    sys.exit(main())
