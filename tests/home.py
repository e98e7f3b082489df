"""Homes of tests: what a new user has, and nothing of whoever runs the tests."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

#: Variables that lead to files of the user, or change how Ray and downloads work.
_OWN = ("RAY_", "TUNE_", "MPL", "MLFLOW_", "JUPYTER_", "IPYTHONDIR")
_FOLDERS = {f"XDG_{kind}_HOME" for kind in ("CACHE", "CONFIG", "DATA", "STATE")}
_PROXIES = {"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"}
#: Below a home: what qkd-study, Ray and Matplotlib write.
WRITTEN = (".cache/qkd-study", ".cache/matplotlib", ".config/matplotlib", ".ray")


def new_home() -> Path:
    """An empty folder with a short path: that of a Unix socket in it has 107 bytes at most."""
    short = Path("/tmp")
    return Path(tempfile.mkdtemp(prefix="qt-", dir=short if short.is_dir() else None))


def environment_of(home: Path) -> dict[str, str]:
    """The environment of this process, but of a user whose home, cache and Ray are in `home`.

    Matplotlib and Jupyter follow from the home. `QKD_STUDY_DATA` stays as it is given.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OWN) and name not in _FOLDERS and name.lower() not in _PROXIES
    }
    ray = home / "ray"
    ray.mkdir(exist_ok=True)
    return kept | {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "RAY_TMPDIR": str(ray),
    }


def in_home(home: Path) -> set[Path]:
    """What of `WRITTEN` there is in a home."""
    return {home / name for name in WRITTEN if (home / name).exists()}
