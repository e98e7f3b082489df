"""The hooks of pre-commit run what CI's `make lint` runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent


def test_hooks_are_what_make_lint_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    lines = recipe[1].replace("$(BIN)", ".venv/bin").splitlines()
    # The hooks get the files that change; make names the folder.
    assert [hook["entry"] for hook in hooks] == [line.strip().removesuffix(" .") for line in lines]
    assert {hook["language"] for hook in hooks} == {"system"}


def test_mypy_checks_every_folder() -> None:
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["files"]
    named = (path.relative_to(ROOT) for path in ROOT.glob("[!.]*/**/*.py"))
    folders = {path.parts[0] for path in named} - {"build", "dist", "site"}
    assert folders == set(checked)
