"""Study files, good and bad."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from qkd_study import InputError
from qkd_study.data import choose, load
from qkd_study.study.canonical import MODULE
from qkd_study.study.load import load_study, running

SHIPPED = sorted((Path(__file__).parents[2] / "studies").glob("*.py"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_studies_load_and_say_what_they_ask(path: Path) -> None:
    study = load_study(path)
    assert study.name == path.stem
    assert study.question.endswith("?")
    assert len(path.read_text().splitlines()) < 80


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("study = ", "bad.py:1: not Python: invalid syntax"),
        ("x = 1\nif:", "bad.py:2: not Python:"),
        ("a\0b", "bad.py"),
        ("x = 1", "bad.py binds no `study`. It must bind one, as in: study = Study("),
        ("study = 3", "bad.py: `study` is int, not a Study."),
        ("import nothing_of_that_name", "bad.py:1: the study file failed: ModuleNotFoundError"),
        ("x = 1\nx / 0", "bad.py:2: the study file failed: ZeroDivisionError: division by zero"),
        ("raise SystemExit(5)", "bad.py:1: the study file failed: SystemExit: 5"),
        ("import sys\nsys.exit()", "bad.py:2: the study file failed: SystemExit"),
        (
            "import warnings\nfrom qkd_study import *\nwarnings.simplefilter('error')\n"
            "study = Study(question='?', search={'samples': Int(20, 30)})",
            "bad.py:4: samples is searched on accuracy alone",
        ),
        ("raise GeneratorExit", "bad.py:1: the study file failed: GeneratorExit"),
        ("raise KeyError", "bad.py:1: the study file failed: KeyError"),
        (
            "class E(Exception):\n    def __str__(self):\n        raise E\nraise E",
            "bad.py:4: the study file failed: E",
        ),
        ("x = " + "-" * 20_000 + "1", "bad.py: not Python: an expression in it is nested too"),
        (
            "from qkd_study import Study\n\nstudy = Study(question='?', fixed={'epochs': 0})",
            "bad.py:3: epochs must be an integer >= 1, but got epochs=0",
        ),
        (
            "from qkd_study import Study\nstudy = Study()",
            "bad.py:2: the study file failed: TypeError",
        ),
    ],
)
def test_bad_files(tmp_path: Path, source: str, message: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(source)
    with pytest.raises(InputError, match=re.escape(message)):
        load_study(path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match=r"bad\.py:?1?: not Python"):
        load_study(path)


def test_missing_files_name_their_neighbours(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("")
    with pytest.raises(InputError, match=r"there is no such study file.*holds: other\.py"):
        load_study(tmp_path / "absent.py")
    with pytest.raises(InputError, match=r"is a folder.*holds: other\.py"):
        load_study(tmp_path)


@pytest.mark.parametrize("name", ["a\0b.py", "x" * 300 + ".py"])
def test_names_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be read: "):
        load_study(tmp_path / name)


@pytest.mark.parametrize(("file", "name"), [(".py", "py"), ("..a b.py", "a-b"), ("...py", "study")])
def test_a_study_is_named_as_a_folder_can_be(tmp_path: Path, file: str, name: str) -> None:
    (tmp_path / file).write_text("from qkd_study import Study\nstudy = Study(question='?')")
    assert load_study(tmp_path / file).name == name


@pytest.mark.parametrize("raised", ["1 / 0", "exit(0)"])
def test_what_a_study_file_defines_may_fail_later(tmp_path: Path, raised: str) -> None:
    path = tmp_path / "late.py"
    path.write_text(
        f"from qkd_study import Study\nstudy = Study(question='?')\n\ndef f():\n    {raised}\n"
    )
    failing = load_study(path)
    function = sys.modules[MODULE].f
    with (
        pytest.raises(InputError, match=r"late\.py:5: the study file failed: "),
        running(path),
    ):
        function()
    with pytest.raises(InputError, match=r"late\.py: seed must be"), running(path):
        failing.replaced(seed=-1)


def test_a_defect_of_ours_is_not_blamed_on_the_study_file(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), running(tmp_path / "fine.py"):
        1 / 0  # noqa: B018


def test_loading_leaves_nothing_behind(tiny_study: Path) -> None:
    load_study(tiny_study)
    assert [p.name for p in tiny_study.parent.iterdir()] == [tiny_study.name]


@pytest.mark.parametrize("then", ["1 / 0", ""])
def test_a_low_recursion_limit_does_not_outlast_the_file(tmp_path: Path, then: str) -> None:
    path, before = tmp_path / "bad.py", sys.getrecursionlimit()
    frames, frame = 0, sys._getframe()
    while frame := frame.f_back:  # type: ignore[assignment]
        frames += 1
    path.write_text(f"import sys\nsys.setrecursionlimit({frames + 40})\n{then}")
    with pytest.raises(InputError, match=re.escape("bad.py:3: " if then else "binds no `study`")):
        load_study(path)
    assert sys.getrecursionlimit() == before


@pytest.mark.parametrize("copied", [False, True])
def test_data_files_are_found_from_the_folder_of_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: bool
) -> None:
    folder, path = tmp_path / "mine", tmp_path / "mine" / "s.py"
    folder.mkdir()
    path.write_text(
        "from qkd_study import DataFile, Study, Subset\nfile = DataFile('data/own.csv')\n"
        "study = Study(question='?', datasets=(Subset(file, (0, 1)), file, 'digits'))\n"
    )
    monkeypatch.chdir(folder)
    original = None
    if copied:  # as `replay` loads it
        original, path = str(path), path.rename(tmp_path / "study.py")
        monkeypatch.chdir("/")
    else:
        path = Path(path.name)
    study = load_study(path, original=original)
    monkeypatch.chdir("/")
    gone = f"{folder}/data/own.csv is no file"
    assert choose(study.datasets)[1] == f"dataset: digits (own:0,1: {gone}; own: {gone})"
    (folder / "data").mkdir()
    (folder / "data" / "own.csv").write_text("a,label\n" + "1,0\n2,1\n" * 5)
    assert [load(entry).classes for entry in study.datasets] == [2, 2, 10]


def test_a_copy_finds_what_lies_beside_the_original(tmp_path: Path) -> None:
    original, copy = tmp_path / "mine" / "s.py", tmp_path / "run" / "study.py"
    for path in (original, copy):
        path.parent.mkdir()
        path.write_text(
            "from pathlib import Path\nfrom qkd_study import Study, Replicates\n"
            "said = (Path(__file__).parent / 'question.txt').read_text()\n"
            "study = Study(question=said, replicates=Replicates(1, 2))\n"
        )
    (original.parent / "question.txt").write_text("Is it there?")
    assert load_study(copy, original=str(original)).question == "Is it there?"
    with pytest.raises(InputError, match="FileNotFoundError"):
        load_study(copy)
