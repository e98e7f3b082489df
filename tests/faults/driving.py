"""Driving the real command line, and what must hold whatever it was handed."""

from __future__ import annotations

import io
import os
import re
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import qkd_study
from qkd_study.cli.main import main
from qkd_study.common.errors import InputError
from qkd_study.data.datasets import load
from qkd_study.study.load import load_study

PACKAGE = Path(qkd_study.__file__).parent

#: What the README documents.
CODES = {0: "done", 1: "anything else", 2: "bad input", 3: "interrupted or incomplete"}
#: More than anybody reads at a prompt.
LONGEST = 3000


@dataclass(frozen=True)
class Outcome:
    """What a command came to; `died` is the traceback of what it let through."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str
    died: str = ""

    @property
    def message(self) -> str:
        """What was said on standard error, without warnings and argparse's usage."""
        lines = [line for line in self.err.splitlines() if not line.startswith("warning: ")]
        said = "\n".join(lines)
        return said[said.index("qkd-study") :] if said.startswith("usage: ") else said

    def complaint(self, allowed: Sequence[int] = (0, 2)) -> str | None:
        """What is wrong with it; `None` if nothing is."""
        if self.died:
            return f"an exception reached the user:\n{self.died}"
        if "Traceback" in self.err + self.out or 'File "' in self.err:
            return "a traceback reached the user"
        if "internal error" in self.err:
            kept = re.search(r"(\S+internal-error\.txt)", self.err)
            where = Path(kept[1]).read_text() if kept else ""
            return f"an error of qkd-study itself:\n{where}"
        if self.code not in CODES:
            return f"an exit code that is not documented: {self.code}"
        if self.code not in allowed:
            return f"exit code {self.code}, but allowed are {allowed}"
        if self.code == 0:
            return None
        if "qkd-study" not in self.message:
            return "no message says what is wrong"
        if (
            len(self.err) > LONGEST + sum(map(len, self.argv))
            or len(self.message.splitlines()) > 12
        ):
            return f"a message of {len(self.err)} characters"
        if re.search(r"(Error|Exception): *$", self.message) or "object at 0x" in self.message:
            return "a message that says nothing"
        return None


@dataclass
class Tally:
    """How many commands were run, by part and exit code."""

    codes: Counter[tuple[str, int]] = field(default_factory=Counter)

    def add(self, part: str, outcome: Outcome) -> None:
        self.codes[part, outcome.code] += 1

    def of(self, part: str, *codes: int) -> int:
        """How many commands of a part there were, perhaps with these exit codes only."""
        return sum(n for (p, c), n in self.codes.items() if p == part and (c in codes or not codes))

    def __str__(self) -> str:
        parts = sorted({part for part, _ in self.codes})
        lines = [
            f"{part}: {self.of(part)} commands, "
            + ", ".join(f"{n} ended {c}" for (p, c), n in sorted(self.codes.items()) if p == part)
            for part in parts
        ]
        return "\n".join([*lines, f"{self.codes.total()} commands in all, no traceback"])


@contextmanager
def _as_in_a_process() -> Iterator[None]:
    """Undo what a command or a study file does to its process."""
    modules, path, limit = dict(sys.modules), list(sys.path), sys.getrecursionlimit()
    environment, folder = dict(os.environ), Path.cwd()
    load.cache_clear()
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            sys.modules.pop("qkd_study_file", None)
            sys.modules.update(modules)
            sys.path[:] = path
            sys.setrecursionlimit(limit)
            os.environ.clear()
            os.environ.update(environment)
            os.chdir(folder)


def drive(*arguments: str | Path) -> Outcome:
    """`qkd-study ARGUMENTS` in this process, with streams as strict about text as real ones."""
    argv = tuple(map(str, arguments))
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    died, code = "", 0
    with redirect_stdout(out), redirect_stderr(err), _as_in_a_process():
        try:
            code = main(argv)
            out.flush()
        except SystemExit as stop:  # argparse
            code = stop.code if isinstance(stop.code, int) else 1
            died = "" if code == 2 or {"-h", "--help"} & set(argv) else f"SystemExit({stop.code!r})"
        except BaseException:
            code, died = 1, traceback.format_exc()
    said = []
    for stream in (out, err):
        stream.flush()
        said.append(stream.buffer.getvalue().decode("utf-8", "backslashreplace"))
    return Outcome(argv, code, said[0], said[1], died)


def unforeseen(path: Path) -> str | None:
    """Where a study file makes one of our own checks fail, rather than object; `None` if nowhere.

    What the file's own code raises, be it called by ours, is the file's.
    """
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), _as_in_a_process():
        try:
            load_study(path)
        except InputError as error:
            cause = error.__context__
            if cause is None or isinstance(
                cause, InputError | RecursionError | MemoryError | SyntaxError | Warning
            ):
                return None
            frames = traceback.extract_tb(cause.__traceback__)
            if frames and frames[-1].filename.startswith(str(PACKAGE)):
                at = frames[-1]
                return f"{type(cause).__name__} in {Path(at.filename).name}:{at.lineno} {at.line}"
        except BaseException:
            pass
    return None
