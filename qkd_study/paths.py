"""Folders outside of a study's own."""

from __future__ import annotations

from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Where downloads and measurements of this machine are kept between runs, for one user."""
    return Path(platformdirs.user_cache_dir("qkd-study"))
