"""What is written to the terminal: text that every stream takes, plain lines where it is none."""

from __future__ import annotations

import codecs
import os
import shutil
import sys
import textwrap
import unicodedata
from io import TextIOWrapper
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

#: Columns where the output is no terminal: a file is cut nowhere that matters.
PIPED_WIDTH = 200
#: Columns of a notebook's cell.
NOTEBOOK_WIDTH = 115
#: The error handler that writes ASCII for what a stream cannot take.
IN_ASCII = "qkd-study-in-ascii"

_ASCII = {
    "±": "+-", "×": "x", "µ": "u", "μ": "u", "°": " deg", "…": "...", "≤": "<=", "≥": ">=",
    "→": "->", "←": "<-", "–": "-", "—": "-", "−": "-", "•": "*", "·": "*",
    "“": '"', "”": '"', "‘": "'", "’": "'",
}  # fmt: skip


def _in_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    said = []
    for character in error.object[error.start : error.end]:
        bare = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
        escaped = character.encode("ascii", "backslashreplace").decode()
        said.append(_ASCII.get(character) or bare or escaped)
    return "".join(said), error.end


codecs.register_error(IN_ASCII, _in_ascii)


def prepare_streams() -> None:
    """Let standard output and error take every character: in ASCII what their encoding lacks.

    A character that has no ASCII form, as those of a Chinese name, becomes its escape.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=IN_ASCII)


def takes(text: str, encoding: str) -> str:
    """A text as a stream of this encoding shows it."""
    return text.encode(encoding, IN_ASCII).decode(encoding)


def is_notebook() -> bool:
    """Whether this process, or the one that started it, is the kernel of a notebook.

    A command that a cell starts with `!` has a terminal, but one that shows every line for good.
    """
    variables = os.environ
    shell = [variables.get(name) for name in ("TERM", "PAGER", "GIT_PAGER")]
    return "JPY_PARENT_PID" in variables or shell == ["xterm-color", "cat", "cat"]


def is_live(stream: TextIO) -> bool:
    """Whether what was written to a stream can be written over: a terminal, not a notebook."""
    dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    return stream.isatty() and not dumb and not is_notebook()


def console() -> Console:
    """Standard output: with colours and cursor moves on a terminal, else plain lines."""
    from rich.console import Console

    live = is_live(sys.stdout)
    width = None if live or "COLUMNS" in os.environ else PIPED_WIDTH
    return Console(
        color_system="auto" if live else None,
        force_terminal=live,
        force_interactive=live,
        force_jupyter=False,
        highlight=False,
        soft_wrap=True,
        width=NOTEBOOK_WIDTH if width and is_notebook() else width,
    )


def say(*lines: str) -> None:
    """Print lines, on a terminal broken between words; words, such as paths, stay whole."""
    width = shutil.get_terminal_size().columns if is_live(sys.stdout) else None
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        parts = (
            [line]
            if width is None
            else textwrap.wrap(
                line,
                width,
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
        )
        print(*parts, sep="\n", flush=True)
