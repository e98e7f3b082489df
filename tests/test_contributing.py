"""The recipes of CONTRIBUTING.md can be followed: what they name is there, and their study runs."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Cli

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
FENCED = re.findall(r"^( *)```(\w+)\n(.*?)^ *```", TEXT, re.MULTILINE | re.DOTALL)
PROSE = re.sub(r"^ *```.*?^ *```", "", TEXT, flags=re.MULTILINE | re.DOTALL)
QUOTED = re.findall(r"`([^`\n]+)`", PROSE)
PATHS = [
    name
    for name in [*QUOTED, *(word for _, _, code in FENCED for word in code.split())]
    if re.fullmatch(
        r"(qkd_study|tests|docs|deploy|studies|results)/[\w./-]*|[\w.-]+\.(lock|md)", name
    )
    and "NAME" not in name
]
#: Names in code that a recipe tells a reader to look for.
SYMBOLS = (
    *("feature_loss", "BatchedModel", "KINDS", "Style", "learning_curves", "for_report"),
    "alt_text",
)


@pytest.mark.parametrize("path", sorted(set(PATHS)))
def test_files_that_recipes_name_are_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_symbols_that_recipes_name_are_defined_where_they_say() -> None:
    for symbol in SYMBOLS:
        (paragraph,) = {p for p in PROSE.split("\n\n") if f"`{symbol}`" in p}
        named = re.findall(r"`(qkd_study/[\w./]+)`", paragraph)
        files = [ROOT / name for name in named if name.endswith(".py")]
        pattern = re.compile(rf"^(def|class) {symbol}\b|^{symbol}\b.*=", re.MULTILINE)
        assert any(pattern.search(file.read_text()) for file in files), symbol


def test_make_targets_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z-]+)\b(?= |`|\n)", TEXT))
    assert {"lint", "test", "test-slow", "lock", "upgrade"} <= named
    commands = {n for n in named if re.search(rf"`make {n}`|^make {n}\b", TEXT, re.MULTILINE)}
    assert [n for n in commands if not re.search(rf"^{n}:", makefile, re.MULTILINE)] == []


@pytest.mark.slow
def test_the_study_of_the_recipe_runs(tmp_path: Path, cli: Cli) -> None:
    (code,) = (textwrap.dedent(code) for _, language, code in FENCED if language == "python")
    (tmp_path / "wide.py").write_text(code)
    done = cli("run", "wide.py", "--set", "epochs=2", "--set", "teacher_epochs=2", "--trials", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pd.read_parquet(tmp_path / "results" / "wide" / "latest" / "runs")
    assert set(rows["arm"]) == {"scratch", "scaled-ce", "soft"}
    assert set(rows["status"]) == {"ok"}
