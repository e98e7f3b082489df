"""Errors and warnings for users, and the format of values in them."""

from __future__ import annotations

import re
import reprlib
from pathlib import Path
from typing import TypeGuard

#: Characters of a value or of an error in a message, at most.
_MOST = 300
#: The address in the repr of an object, which differs from run to run.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class InputError(Exception):
    """Invalid input; the message says what is wrong and what to do.

    The command line prints the message without a traceback and exits with code 2.
    """


class StorageError(Exception):
    """A folder or store cannot be read or written: full, read-only, or missing.

    The run stops; no written file is lost, and the same command continues it.
    """

    @classmethod
    def of(cls, path: Path, error: OSError) -> StorageError:
        """An error with the name of the file and the message of the system."""
        return cls(f"{path} cannot be written: {error.strerror or error}")


class InterruptedStart(KeyboardInterrupt):
    """Ctrl-C or SIGTERM while Ray was starting.

    The end of an interpreter with a half-started Ray takes five seconds and often crashes, so the
    process must leave by `os._exit`.
    """


class StudyWarning(UserWarning):
    """A study can run, but probably not as its author intends."""


class _SafeRepr(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxtuple = self.maxlist = self.maxdict = self.maxset = self.maxfrozenset = 20
        self.maxstring = self.maxother = _MOST // 2

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if abs(x) < 10**40 else f"an integer of {x.bit_length()} bits"

    def repr_dict(self, x: dict[object, object], level: int) -> str:
        first = list(x.items())[: self.maxdict] if level > 0 else []
        parts = [f"{self.repr1(k, level - 1)}: {self.repr1(v, level - 1)}" for k, v in first]
        return "{" + ", ".join([*parts, *(["..."] if len(first) < len(x) else [])]) + "}"

    def repr_instance(self, x: object, level: int) -> str:
        kind = type(x)
        if kind.__repr__ is object.__repr__:
            return f"<{kind.__name__} object>"
        try:
            text = _ADDRESS.sub("", repr(x))
        except Exception:
            return f"<{kind.__name__} whose repr fails>"
        return text if len(text) <= self.maxother else text[: self.maxother] + "..."


def is_text(value: object) -> TypeGuard[str]:
    """Whether a value is a text that is not blank and can be written to a file."""
    if not isinstance(value, str) or not value.strip():
        return False
    return not any("\ud800" <= c <= "\udfff" or c == "\0" for c in value)


def safe_repr(value: object) -> str:
    """The repr of a value for a message: short, and safe if the repr fails."""
    try:
        text = _SafeRepr().repr(value)
    except Exception:  # in the repr of a subclass of a container
        text = f"<{type(value).__name__} whose repr fails>"
    return text if len(text) <= _MOST else text[:_MOST] + "..."


def format_error(error: BaseException) -> str:
    """An exception of other code in one line: its class and the first line of its message."""
    try:
        lines = _ADDRESS.sub("", str(error)).strip().splitlines()
    except Exception:
        lines = []
    kind = type(error).__name__
    text = lines[0] if lines else ""
    return f"{kind}: {text if len(text) <= _MOST else text[:_MOST] + '...'}" if text else kind
