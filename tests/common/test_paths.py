"""Where things are kept of a user who has no home."""

from __future__ import annotations

import subprocess
import sys

NOBODY = """
import os, pwd
def unknown(uid):
    raise KeyError(uid)
pwd.getpwuid = unknown
from qkd_study.common.paths import cache_folder
print(cache_folder())
"""


def test_a_user_without_a_home_has_a_folder() -> None:
    found = subprocess.run(
        [sys.executable, "-c", NOBODY], env={}, capture_output=True, text=True, check=True
    )
    assert "qkd-study" in found.stdout
    assert found.stdout.startswith("/")
