"""The page on states is true: its code runs, and prints what it shows; its study can be planned."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from qkd_study.data.spin_chains import CHAINS

PAGE = (Path(__file__).parent.parent.parent / "docs" / "quantum_data.md").read_text()
BLOCKS = re.findall(r"^```(python|text)\n(.*?)^```", PAGE, re.S | re.M)


def test_the_page_says_what_happens(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    shown = 0
    for kind, text in BLOCKS:
        if kind == "python":
            exec(compile(text, "docs/quantum_data.md", "exec"), names)
            said = capsys.readouterr().out
        else:
            assert said == text
            shown += 1
    assert shown == 6
    assert re.findall(r"^\| `(.+?)` \|", PAGE, re.M) == list(CHAINS)
