"""The glossary names files and classes that exist, in alphabetical order."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import qkd_study

PACKAGE = Path(qkd_study.__file__).parent
PAGE = PACKAGE.parent / "docs" / "glossary.md"
ROWS = [
    line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line[:2] == "| "
][2:]


def test_terms_are_in_alphabetical_order() -> None:
    terms = [row[0].lower() for row in ROWS]
    assert len(terms) > 50
    assert terms == sorted(set(terms))


@pytest.mark.parametrize(("term", "meaning", "files"), ROWS, ids=[row[0] for row in ROWS])
def test_a_row_names_what_is_defined_in_its_files(term: str, meaning: str, files: str) -> None:
    defined = {
        node.name
        for name in re.findall(r"`(.+?)`", files)
        for node in ast.walk(ast.parse((PACKAGE / name).read_text()))
        if isinstance(node, ast.ClassDef)
    }
    assert defined or re.findall(r"`(.+?)`", files)
    assert set(re.findall(r"`([A-Z]\w+)`", meaning)) <= defined, term
