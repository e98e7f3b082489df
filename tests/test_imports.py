"""Imports go one way, and no module is long."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import qkd_study

ROOT = Path(qkd_study.__file__).parent

#: Each imports from those before it only; what adapts other packages, errors, seeds and files come
#: first, commands last.
ORDER = [
    "compat",
    "common",
    "data",
    "study",
    "quantum",
    "models",
    "students",
    "distill",
    "planning",
    "results",
    "search",
    "tune",
    "forecast",
    "analysis",
    "cli",
]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in ROOT.rglob("*.py")}


def imported(path: Path) -> set[str]:
    """The modules of the package that a module imports anywhere, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else str(node.module) for name in names}
    return found & MODULES.keys()


def test_no_module_is_longer_than_400_lines() -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_there_is_no_circle() -> None:
    """No module imports, in however many steps, one that imports it."""
    # `qkd_study` itself looks its names up when they are used: importing it imports nothing.
    graph = {name: imported(path) - {name, ROOT.name} for name, path in MODULES.items()}
    assert len(graph) > 100
    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert order.index("qkd_study.study.study") < order.index("qkd_study.tune.driver")


def test_packages_import_in_one_direction() -> None:
    wrong = []
    for name, path in MODULES.items():
        package, *rest = name.split(".")[1:] or ["qkd_study"]
        if package not in ORDER:
            assert not rest, f"{name} is in no package of the order"
            continue
        for other in imported(path):
            of = ([*other.split("."), ""])[1]
            if of in ORDER and ORDER.index(of) > ORDER.index(package):
                wrong.append(f"{name} imports {other}")
    assert wrong == []


def test_the_driver_imports_neither_torch_nor_pennylane() -> None:
    """They take seconds, and only workers need them."""
    said = "import sys, qkd_study.tune.driver, qkd_study.cli.run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert not {"torch", "pennylane"} & set(done.stdout.split())
