"""Values and others' errors in messages: short, safe, and the same every time."""

from __future__ import annotations

import pytest

from qkd_study.common.errors import format_error, is_text, safe_repr


class Plain:
    pass


class Endless:
    def __repr__(self) -> str:
        return f"<{self!r}>"


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError


class Odd(tuple):  # type: ignore[type-arg]
    def __repr__(self) -> str:
        raise RuntimeError


loop: list[object] = []
loop.append(loop)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (20, "20"),
        ("soft", "'soft'"),
        pytest.param(10**5000, "an integer of 16610 bits", id="huge"),
        ({"b": 1, "a": (0.5,)}, "{'b': 1, 'a': (0.5,)}"),
        (Plain(), "<Plain object>"),
        ([Plain()], "[<Plain object>]"),
        (lambda: 0, "<function <lambda>>"),
        (Endless(), "<Endless whose repr fails>"),
        (Odd((1, 2)), "<Odd whose repr fails>"),
        ([Endless(), 1], "[<Endless whose repr fails>, 1]"),
        (loop, "[[[[[...]]]]]"),
    ],
)
def test_values(value: object, said: str) -> None:
    assert safe_repr(value) == said


@pytest.mark.parametrize("value", ["x" * 10**6, [["y" * 50] * 50] * 50, {"z" * 400: "z" * 400}])
def test_long_values_are_cut(value: object) -> None:
    assert 100 < len(safe_repr(value)) < 310


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("bad\nmore"), "ValueError: bad"),
        (ValueError(f"no {Plain()}"), "ValueError: no <tests.common.test_errors.Plain object>"),
        (KeyError(), "KeyError"),
        (Exception("\n"), "Exception"),
        (Mute(), "Mute"),
        (SystemExit(0), "SystemExit: 0"),
    ],
)
def test_errors_of_others(error: BaseException, said: str) -> None:
    assert format_error(error) == said


def test_long_errors_are_cut() -> None:
    assert len(format_error(ValueError("x" * 10**6))) < 320


def test_text() -> None:
    assert is_text("naïve 量子")
    assert not any(map(is_text, ("", " ", "a\0b", "\ud800", 3, None, b"x")))
