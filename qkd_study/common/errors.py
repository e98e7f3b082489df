"""The errors that a user can cause, the warnings that a user should read, and values in both."""

from __future__ import annotations

import re
import reprlib
from pathlib import Path
from typing import TypeGuard

#: Characters of a value or of another's error that a message shows at most.
_MOST = 300
#: In the repr of an object: it tells nobody anything, and differs from run to run.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class InputError(Exception):
    """Something handed to qkd-study cannot work; the message says what, and what to do.

    The command line prints the message without a traceback and exits with code 2.
    """


class StorageError(Exception):
    """A folder stopped taking or giving files: full, read-only, or gone.

    The run stops; what was written is kept, and the same command goes on.
    """

    @classmethod
    def of(cls, path: Path, error: OSError) -> StorageError:
        """An error that names the file and what the system says."""
        return cls(f"{path} cannot be written: {error.strerror or error}")


class StudyWarning(UserWarning):
    """A study that will run, but probably does not ask what its author means."""


class _Shown(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxtuple = self.maxlist = self.maxdict = self.maxset = self.maxfrozenset = 20
        self.maxstring = self.maxother = _MOST // 2

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if abs(x) < 10**40 else f"an integer of {x.bit_length()} bits"

    def repr_dict(self, x: dict[object, object], level: int) -> str:
        kept = list(x.items())[: self.maxdict] if level > 0 else []
        parts = [f"{self.repr1(k, level - 1)}: {self.repr1(v, level - 1)}" for k, v in kept]
        return "{" + ", ".join([*parts, *(["..."] if len(kept) < len(x) else [])]) + "}"

    def repr_instance(self, x: object, level: int) -> str:
        kind = type(x)
        if kind.__repr__ is object.__repr__:
            return f"<{kind.__name__} object>"
        try:
            said = _ADDRESS.sub("", repr(x))
        except Exception:
            return f"<{kind.__name__} whose repr fails>"
        return said if len(said) <= self.maxother else said[: self.maxother] + "..."


def is_text(value: object) -> TypeGuard[str]:
    """Whether a value is text that says something and can be written to a file."""
    if not isinstance(value, str) or not value.strip():
        return False
    return not any("\ud800" <= c <= "\udfff" or c == "\0" for c in value)


def shown(value: object) -> str:
    """A value as a message shows it: its repr, but short, and whatever that repr does."""
    try:
        said = _Shown().repr(value)
    except Exception:  # of what only calls itself a tuple
        said = f"<{type(value).__name__} whose repr fails>"
    return said if len(said) <= _MOST else said[:_MOST] + "..."


def format_error(error: BaseException) -> str:
    """An error of others' code in one line: its kind, and what it says if it says anything."""
    try:
        lines = _ADDRESS.sub("", str(error)).strip().splitlines()
    except Exception:
        lines = []
    kind = type(error).__name__
    said = lines[0] if lines else ""
    return f"{kind}: {said if len(said) <= _MOST else said[:_MOST] + '...'}" if said else kind
