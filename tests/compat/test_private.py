"""What is used of other packages beyond their public interfaces: it is there, and all in `compat`.

A release of another package may take any of it away, and few callers would notice: the driver does
without what Ray does not tell. So these tests say what the installed versions lack.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Set
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import qkd_study
from tests.compat.used import UNDOCUMENTED, UNDOCUMENTED_MODULES, USED

ROOT = Path(qkd_study.__file__).parent
TREES = {path: ast.parse(path.read_text()) for path in ROOT.rglob("*.py")}
COMPAT = {path.name: path for path in TREES if path.parent == ROOT / "compat"}

#: Documented, underscore or not; and argparse's only ways to tell the options and the commands that
#: a parser has, with their help.
ALLOWED = re.compile(
    r"os\._exit|.*\._(replace|asdict|fields)|parser\._actions|.*\._choices_actions"
)


@pytest.mark.parametrize(
    ("package", "file", "name"),
    [(package, file, name) for (package, file), names in USED.items() for name in names],
)
def test_the_installed_version_has_it(package: str, file: str, name: str) -> None:
    try:
        there = USED[package, file][name]()
    except (ImportError, AttributeError):
        there = False
    assert there, (
        f"{package} {metadata.version(package)} has no {name} as qkd_study/compat/{file} uses it. "
        f"Adapt that file, or lower the upper bound of {package} in pyproject.toml."
    )


def own_names(*trees: ast.AST) -> set[str]:
    """Names that modules give themselves: functions, classes, attributes, fields."""
    found = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                found.add(node.name)
            case ast.AnnAssign(target=ast.Name(name)):
                found.add(name)
            case ast.Attribute(value=ast.Name("self" | "cls"), ctx=ast.Store()):
                found.add(node.attr)
    return found


#: What `self` may have: it is inherited too.
INHERITED = own_names(*TREES.values())


def hidden(name: object, own: Set[str] = frozenset()) -> bool:
    """Whether a name is another package's and not meant for others."""
    underscored = re.match(r"_[^_]", str(name)) is not None
    return (underscored and name not in own) or name in UNDOCUMENTED


def private(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of what a module uses of others that is not meant for others."""
    own = own_names(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name("self" | "cls")):
                found = hidden(node.attr, INHERITED)
            case ast.Attribute():
                found = hidden(node.attr, own)
            case ast.keyword():
                found = hidden(node.arg, INHERITED)
            case ast.Call(func, [_, ast.Constant(name), *_]):
                by_name = ast.unparse(func) in ("getattr", "setattr", "hasattr")
                found = by_name and hidden(name, own)
            case ast.Import(names):
                found = any(hidden(part) for alias in names for part in alias.name.split("."))
            case ast.ImportFrom(str(module), names):
                parts = [*module.split("."), *(alias.name for alias in names)]
                found = any(map(hidden, parts)) or module in UNDOCUMENTED_MODULES
                found = found and parts[0] not in ("qkd_study", "__future__")
            case _:
                continue
        if found:
            yield node.lineno, ast.unparse(node)


def test_the_rest_of_the_package_uses_nothing_private() -> None:
    found = [
        f"{path.relative_to(ROOT.parent)}:{line}: {text}"
        for path, tree in TREES.items()
        if path not in COMPAT.values()
        for line, text in private(tree)
        if not ALLOWED.fullmatch(text)
    ]
    assert found == [], "put this into a function of qkd_study/compat/, and a line into USED"


@pytest.mark.parametrize(
    "code",
    [
        "from ray._private import services",
        "from torch.nn.modules.dropout import _DropoutNd",
        "import ray._raylet",
        "from torch.optim.adam import adam",
        "from pennylane_lightning import lightning_qubit_ops as ops",
        "ray.init(_temp_dir=folder)",
        "getattr(thing, '_rng', None)",
        "self._optuna._storage",
        "self._actor_id",
        "trial.temporary_state.ray_actor",
    ],
)
def test_the_scan_finds(code: str) -> None:
    assert list(private(ast.parse(code)))


@pytest.mark.parametrize("code", ["self._optuna.tell()", "from qkd_study.quantum import _product"])
def test_the_scan_lets_pass(code: str) -> None:
    assert not list(private(ast.parse(code)))


@pytest.mark.parametrize(("package", "file"), USED)
def test_all_that_a_module_of_compat_uses_is_in_the_table(package: str, file: str) -> None:
    named = {part for name in USED[package, file] for part in re.findall(r"\w+", name)}
    for line, text in private(TREES[COMPAT[file]]):
        words = {word for word in re.findall(r"\w+", text) if hidden(word)}
        assert words <= named, f"line {line} uses {text}, which is in no line of USED"


def test_the_table_has_every_module_of_compat() -> None:
    assert COMPAT.keys() - {"__init__.py"} == {file for _, file in USED}


def test_exactly_these_packages_have_an_upper_bound() -> None:
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["project"]
    requirements = map(Requirement, project["dependencies"])
    bounded = {r.name for r in requirements if "<" in str(r.specifier)}
    assert bounded == {package for package, _ in USED}
