"""Time, code, packages and machine of a command, for the sessions of `study.json`."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import qkd_study

#: A run repeats bit for bit as long as these agree.
REPRODUCIBILITY_KEYS = ("qkd_study", "code", "packages", "python", "machine", "processor")

RECORDED_PACKAGES = (
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


def session(
    cpus: int | None, study_file: str | None = None, command: Sequence[str] | None = None
) -> dict[str, Any]:
    """Describe this command, this code and this machine, as JSON values.

    Args:
        cpus: how many trials at once; `None`: as many as fit on a cluster.
        study_file: the file that it runs.
        command: its words; default: those of this process.
    """
    return {
        "study_file": None if study_file is None else os.path.abspath(study_file),
        "command": ["qkd-study", *sys.argv[1:]] if command is None else list(command),
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "qkd_study": qkd_study.__version__,
        "code": _code(),
        "packages": {name: metadata.version(name) for name in RECORDED_PACKAGES},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": processor(),
        "system": platform.platform(),
        "cpus": cpus,
        "threads": 1,
    }


def _code() -> dict[str, Any] | None:
    """Commit of the source, and whether it has changes; `None` if it is not a git checkout."""
    source = Path(qkd_study.__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(source), *arguments],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    try:
        if not git("ls-files", "--", "__init__.py"):  # the checkout is of something else
            return None
        changed = git("status", "--porcelain", "--", ".")
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(changed)}
    except (OSError, subprocess.SubprocessError):
        return None


def processor() -> str:
    """The name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or os.uname().machine
