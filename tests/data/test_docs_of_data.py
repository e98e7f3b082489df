"""The page on data is true: its code and commands run, and print what it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from qkd_study.cli.main import main
from tests.data.made_folders import animals

PAGE = (Path(__file__).parent.parent.parent / "docs" / "data.md").read_text()
BLOCKS = re.findall(r"^```(python|console|text)\n(.*?)^```", PAGE, re.S | re.M)


def test_the_page_says_what_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    animals(Path("animals"))
    kind, header = BLOCKS[0]
    assert kind == "text"
    lines = header.splitlines()
    Path("flowers.csv").write_text("\n".join([lines[0], *lines[1:] * 40]) + "\n")
    names: dict[str, Any] = {}
    said, shown = "", 0
    for kind, text in BLOCKS[1:]:
        if kind == "python":
            exec(compile(text, "docs/data.md", "exec"), names)
            said = capsys.readouterr().out
        elif kind == "console":
            command, *expected = text.splitlines()
            assert main(shlex.split(command)[2:]) == 0
            assert capsys.readouterr().out.splitlines()[: len(expected)] == expected
            shown += 1
        else:
            assert said == text
            shown += 1
    assert shown == 5
    assert names["flowers"].load().class_names == ("setosa", "virginica")
    assert names["drawn"].load().shape == (5,)
    assert isinstance(names["train"], pd.DataFrame)
    assert len(names["train"]) == 50
