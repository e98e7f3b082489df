"""Where, when and with what a command runs: what `study.json` keeps of every session."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import qkd_study

#: What a row's last bit may depend on: as long as these agree, a run repeats exactly.
DECIDING = ("qkd_study", "code", "packages", "python", "machine", "processor")

PACKAGES = (
    "numpy",
    "optuna",
    "pandas",
    "pennylane",
    "pennylane-lightning",
    "pyarrow",
    "ray",
    "scikit-learn",
    "scipy",
    "torch",
)


def session(cpus: int | None, study_file: str | None = None) -> dict[str, Any]:
    """This command, this code and this machine, as JSON values.

    Args:
        cpus: how many trials at once; `None`: as many as fit on a cluster.
        study_file: what it runs.
    """
    return {
        "study_file": None if study_file is None else os.path.abspath(study_file),
        "command": ["qkd-study", *sys.argv[1:]],
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "qkd_study": qkd_study.__version__,
        "code": _code(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": _processor(),
        "system": platform.platform(),
        "cpus": cpus,
        "threads": 1,
    }


def _code() -> dict[str, Any] | None:
    """Commit of the source, and whether it was changed since; `None` where it is no checkout."""
    source = Path(qkd_study.__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(source), *arguments],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    try:
        if not git("ls-files", "--", "__init__.py"):  # a checkout of something else around it
            return None
        changed = git("status", "--porcelain", "--", ".")
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(changed)}
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or os.uname().machine
