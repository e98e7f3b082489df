"""Terminal output: ASCII for what an encoding lacks, plain lines if it is not a terminal."""

from __future__ import annotations

import codecs
import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Callable
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

#: Columns if the output is not a terminal.
PIPED_WIDTH = 200
#: Columns of a notebook's cell.
NOTEBOOK_WIDTH = 115
#: The codec error handler that writes ASCII for what an encoding lacks.
IN_ASCII = "qkd-study-in-ascii"

_ASCII = {
    "±": "+-", "×": "x", "µ": "u", "μ": "u", "°": " deg", "…": "...", "≤": "<=", "≥": ">=",
    "→": "->", "←": "<-", "–": "-", "—": "-", "−": "-", "•": "*", "·": "*",
    "─": "-", "│": "|", "●": "@",
    "“": '"', "”": '"', "‘": "'", "’": "'",
}  # fmt: skip


def _in_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    parts = []
    for character in error.object[error.start : error.end]:
        bare = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
        escaped = character.encode("ascii", "backslashreplace").decode()
        parts.append(_ASCII.get(character) or bare or escaped)
    return "".join(parts), error.end


codecs.register_error(IN_ASCII, _in_ascii)


def prepare_streams() -> None:
    """Make standard output and error accept every character, as ASCII if the encoding lacks it.

    A character without an ASCII form, such as those of Chinese, becomes its escape.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=IN_ASCII)


def encodable(text: str, encoding: str) -> str:
    """A text as a stream of this encoding prints it."""
    return text.encode(encoding, IN_ASCII).decode(encoding)


def is_notebook() -> bool:
    """Whether this process, or the one that started it, is the kernel of a notebook.

    A command that a cell starts with `!` has a terminal, but lines in it cannot be overwritten.
    """
    variables = os.environ
    shell = [variables.get(name) for name in ("TERM", "PAGER", "GIT_PAGER")]
    return "JPY_PARENT_PID" in variables or shell == ["xterm-color", "cat", "cat"]


def cell_output() -> Callable[[str], None] | None:
    """Make an output in the cell of a notebook that runs, for a text that changes.

    Returns:
        A function that replaces the text; `None` if this process is no kernel.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if getattr(shell, "kernel", None) is None:
        return None
    from IPython.display import display  # type: ignore[import-not-found, unused-ignore]

    def content(text: str) -> dict[str, str]:
        return {"text/plain": text}

    show: Callable[..., Any] = display
    handle = show(content(""), raw=True, display_id=True)
    return lambda text: handle.update(content(text), raw=True)


def is_live(stream: TextIO) -> bool:
    """Whether lines of a stream can be overwritten: it is a terminal, not a notebook."""
    dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    return stream.isatty() and not dumb and not is_notebook()


def console() -> Console:
    """Standard output: on a terminal with colours and cursor moves, else plain lines."""
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


def print_wrapped(*lines: str) -> None:
    """Print lines; on a terminal they are wrapped between words, not inside of paths."""
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
