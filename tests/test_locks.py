"""The locks hold what pyproject.toml asks for, at versions that it allows, and nothing else."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LAYERS = {
    "requirements.lock": (),
    "requirements-cluster.lock": ("cluster",),
    "requirements-dev.lock": ("cluster", "dev"),
}
CUDA = "requirements-cuda.lock"
#: What belongs to PyPI's torch for Linux only.
OF_CUDA = re.compile(r"nvidia-|cuda-|triton$")


def _applies(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _locked(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
    parts = [line.split("--hash=")[0] for line in lines if re.match(r"\w", line)]
    return [Requirement(part) for part in parts]


def _pins(layer: str) -> dict[str, str]:
    """Versions by name for this Python and system, those of the locks below included."""
    names = list(LAYERS)[: list(LAYERS).index(layer) + 1]
    locked = (r for name in names for r in _locked(name) if _applies(r))
    return {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in locked}


def _asked(extras: tuple[str, ...]) -> list[Requirement]:
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    return [Requirement(line) for line in lines]


def _needed(wanted: list[Requirement]) -> set[str]:
    """Names of all packages that these need, by what is installed."""
    seen: set[tuple[str, str]] = set()
    todo = list(wanted)

    def parts(requirement: Requirement) -> Iterator[tuple[str, str]]:
        yield from ((canonicalize_name(requirement.name), e) for e in ("", *requirement.extras))

    while todo:
        for name, extra in set(parts(todo.pop())) - seen:
            seen.add((name, extra))
            lines = map(Requirement, metadata.requires(name) or ())
            todo += [line for line in lines if _applies(line, extra)]
    return {name for name, _ in seen}


@pytest.mark.parametrize("name", [*LAYERS, CUDA])
def test_every_package_has_its_hashes(name: str) -> None:
    packages = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
    packages = [line for line in packages if re.match(r"\w", line)]
    assert packages
    assert [p for p in packages if not re.search(r"==.*--hash=sha256:[0-9a-f]{64}", p)] == []


@pytest.mark.parametrize("name", LAYERS)
def test_ranges_allow_the_pins(name: str) -> None:
    pins = _pins(name)
    for asked in _asked(LAYERS[name]):
        assert pins[canonicalize_name(asked.name)] in asked.specifier, str(asked)


@pytest.mark.parametrize("name", LAYERS)
def test_a_lock_holds_what_is_needed_and_nothing_else(name: str) -> None:
    needed = {n for n in _needed(_asked(LAYERS[name])) if not OF_CUDA.match(n)}
    assert _pins(name).keys() == needed


def test_installed_is_what_is_locked() -> None:
    pins = _pins("requirements-dev.lock")
    assert {n: metadata.version(n).split("+")[0] for n in pins} == pins


def test_only_the_cuda_lock_has_what_a_cpu_build_does_without() -> None:
    named = {name: {r.name for r in _locked(name)} for name in (*LAYERS, CUDA)}
    assert all(OF_CUDA.match(n) for n in named[CUDA])
    assert not [n for name in LAYERS for n in named[name] if OF_CUDA.match(n)]
    assert all("sys_platform == 'linux'" in str(r).replace('"', "'") for r in _locked(CUDA))
