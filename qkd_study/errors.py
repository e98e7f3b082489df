"""The errors that a user can cause, and the warnings that a user should read."""

from __future__ import annotations

from pathlib import Path


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
