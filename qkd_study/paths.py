"""Folders outside of a study's own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Where downloads and measurements of this machine are kept between runs, for one user."""
    try:
        return Path(platformdirs.user_cache_dir("qkd-study")).expanduser()
    except RuntimeError:  # a user without a home, as in some containers
        return Path(tempfile.gettempdir()) / f"qkd-study-{os.getuid()}"
