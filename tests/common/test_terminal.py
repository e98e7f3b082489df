"""Streams of any encoding take what is written; only a terminal is written over."""

from __future__ import annotations

import contextlib
import io
import re
import sys

import pytest

from qkd_study.cli.main import main
from qkd_study.common.terminal import IN_ASCII, console, encodable, is_live
from qkd_study.data import terminal_progress

#: What a kernel of a notebook hands to the commands it starts.
NOTEBOOK = {"TERM": "xterm-color", "PAGER": "cat", "GIT_PAGER": "cat", "FORCE_COLOR": "1"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Variables as in a plain terminal."""
    for name in ("JPY_PARENT_PID", "PAGER", "GIT_PAGER", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return monkeypatch


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", r"1.0 +- 0.2 -> cafe ... \u4e2d 2x"),
        ("latin-1", r"1.0 ± 0.2 -> café ... \u4e2d 2×"),
        ("cp950", "1.0 ± 0.2 → cafe … 中 2×"),
        ("utf-8", "1.0 ± 0.2 → café … 中 2×"),
    ],
)
def test_characters_that_a_stream_lacks_are_written_in_ascii(encoding: str, shown: str) -> None:
    text = "1.0 ± 0.2 → café … 中 2×"
    assert encodable(text, encoding) == shown
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=IN_ASCII)
    print(text, "\udcff", file=stream)
    stream.seek(0)
    assert stream.read() == f"{shown} \\udcff\n"


@pytest.mark.parametrize("command", [["plan", "µ.py"], ["data", "µ"]])
def test_errors_on_an_ascii_stream(monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", stream)
    with contextlib.suppress(SystemExit):  # of the parser
        assert main(command) == 2
    stream.seek(0)
    assert re.search(r"'?u'?\b", stream.read())


def test_only_a_terminal_is_live(
    outside: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert is_live(Terminal())
    assert not is_live(io.StringIO())
    for variables in (NOTEBOOK, {"JPY_PARENT_PID": "7"}, {"TERM": "dumb"}):
        with outside.context() as here:
            for name, value in variables.items():
                here.setenv(name, value)
            assert not is_live(Terminal())
            here.setattr(sys, "stdout", Terminal())
            assert not console().is_terminal  # though FORCE_COLOR asks rich for it
    assert console().width == 200  # a file
    outside.setenv("COLUMNS", "90")
    assert console().width == 90
    for done in (0, 5, 10):
        terminal_progress(done, 10)
    assert capsys.readouterr().err == "downloading 100%\n"
