"""The errors that a user can cause, and the warnings that a user should read."""

from __future__ import annotations


class InputError(Exception):
    """Something handed to qkd-study cannot work; the message says what, and what to do.

    The command line prints the message without a traceback and exits with code 2.
    """


class StudyWarning(UserWarning):
    """A study that will run, but probably does not ask what its author means."""
