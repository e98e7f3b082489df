"""What several fault tests compare with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import harness


@pytest.fixture(scope="package")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a complete run."""
    folder = tmp_path_factory.mktemp("whole")
    done = harness.finish(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
