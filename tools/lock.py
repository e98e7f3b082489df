"""Write the locks, exact versions with hashes, from pyproject.toml: see `make lock`.

Each lock holds what it adds to the one before it. What PyPI's torch needs for CUDA has a lock of
its own, since a CPU build of torch does without: no marker of a requirement can tell them apart.
torch has the hashes of PyPI's files and of those that pip preferred where the locks were made.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
LAYERS = {
    "requirements.lock": [],
    "requirements-cluster.lock": ["cluster"],
    "requirements-dev.lock": ["cluster", "dev"],
}
CUDA = "requirements-cuda.lock"
MEANINGS = {
    "requirements.lock": "What running a study needs.",
    "requirements-cluster.lock": "What the nodes of a cluster need.",
    "requirements-dev.lock": "What tests, linters and the documentation need.",
    CUDA: "What PyPI's torch for Linux needs beside requirements.lock, and a CPU build does not.",
}
ONLY_CUDA = re.compile(r"(nvidia|cuda|triton)\b")


def blocks(text: str) -> dict[str, list[str]]:
    """The requirements of a lock, each `name==version ; marker` with its hashes."""
    found = {}
    for line in text.replace("\\\n", " ").splitlines():
        if re.match(r"\w", line):
            words = line.split()
            requirement = " ".join(word for word in words if not word.startswith("--hash="))
            found[requirement] = re.findall(r"--hash=(\S+)", line)
    return found


def read(name: str) -> dict[str, list[str]]:
    path = ROOT / name
    return blocks(path.read_text()) if path.exists() else {}


def resolve(extras: list[str], pins: dict[str, list[str]]) -> dict[str, list[str]]:
    """What the project with these extras needs, on any system; `pins` are kept where they fit."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.txt"
        out.write_text("".join(f"{requirement}\n" for requirement in pins))
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal"]
        command += ["--python-version", lowest_python(), "--generate-hashes", "--no-header"]
        command += ["--no-annotate", "--output-file", str(out), "pyproject.toml"]
        command += [f"--extra={extra}" for extra in extras]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return blocks(out.read_text())


def lowest_python() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return str(project["requires-python"]).removeprefix(">=")


def hash_here(requirement: str) -> str:
    """The hash of the wheel that pip takes here, which may be a CPU build that PyPI lacks."""
    with tempfile.TemporaryDirectory() as folder:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        subprocess.run([*download, "--dest", folder, requirement], check=True)
        (wheel,) = Path(folder).iterdir()
        hashed = subprocess.run(
            [sys.executable, "-m", "pip", "hash", wheel], check=True, capture_output=True, text=True
        )
    return hashed.stdout.split("--hash=")[1].strip()


def write(name: str, before: str | None, requirements: dict[str, list[str]]) -> None:
    lines = [f"# {MEANINGS[name]} Made by make lock."]
    lines += [f"--requirement {before}"] if before else []
    for requirement, hashes in sorted(requirements.items()):
        lines.append(" \\\n    ".join([requirement, *(f"--hash={h}" for h in sorted(hashes))]))
    (ROOT / name).write_text("\n".join(lines) + "\n")


def main(upgrade: bool) -> None:
    old: dict[str, list[str]] = {}
    for name in (*LAYERS, CUDA):
        old |= read(name)
    pins = resolve(["cluster", "dev"], {} if upgrade else old)
    (torch,) = (requirement for requirement in pins if requirement.startswith("torch=="))
    builds = {hash_here(torch), *old.get(torch, [])}  # those found on other machines stay
    written: set[str] = set()
    before = None
    for name, extras in LAYERS.items():
        needed = resolve(extras, pins)
        needed[torch] = sorted({*needed[torch], *builds})
        if not written:
            write(CUDA, None, {r: h for r, h in needed.items() if ONLY_CUDA.match(r)})
        added = {r: h for r, h in needed.items() if r not in written and not ONLY_CUDA.match(r)}
        write(name, before, added)
        written |= set(added)
        before = name


if __name__ == "__main__":
    main(upgrade="--upgrade" in sys.argv)
