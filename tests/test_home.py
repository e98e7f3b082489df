"""The tests begin in an empty home: what they keep between commands is not the user's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import HOME, REAL_HOME
from tests.home import environment_of, in_home

KEPT = """
import json
from pathlib import Path
import matplotlib
from ray._common.utils import get_default_ray_temp_dir
from qkd_study.common.paths import cache_folder
places = [Path.home(), cache_folder(), matplotlib.get_configdir(), matplotlib.get_cachedir(),
          Path("~/.ray/auth_token").expanduser(), get_default_ray_temp_dir()]
print(json.dumps([str(place) for place in places]))
"""


def places(environment: dict[str, str]) -> list[Path]:
    """Where a process keeps what later ones may find."""
    command = [sys.executable, "-c", KEPT]
    return [Path(one) for one in json.loads(subprocess.check_output(command, env=environment))]


def test_what_is_kept_between_commands_is_in_the_sessions_home() -> None:
    assert HOME != REAL_HOME
    for place in places(dict(os.environ)):
        assert place.is_relative_to(HOME)


def test_a_fresh_home_has_nothing_of_the_sessions(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "MPLCONFIGDIR", "XDG_CONFIG_HOME", "https_proxy"):
        monkeypatch.setenv(name, "/elsewhere")
    monkeypatch.setenv("QKD_STUDY_DATA", "/given")
    environment = environment_of(home)
    assert "/elsewhere" not in environment.values()
    assert environment["QKD_STUDY_DATA"] == "/given"
    assert in_home(home) == set()
    for place in places(environment):
        assert place.is_relative_to(home)
        assert not place.is_relative_to(HOME)
