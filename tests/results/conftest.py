"""A run whose rows are computed again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TINY


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study that was run."""
    folder = tmp_path_factory.mktemp("replay")
    source = TINY.replace('fixed={"epochs": 3', 'fixed={"optimizer": "sgd", "epochs": 3')
    (folder / "tiny.py").write_text(source)
    command = [sys.executable, "-m", "qkd_study", "run", "tiny.py", "--cpus", "2"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    return folder
