"""Files that a study's own code reads are noticed, and nothing else is."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from qkd_study import InputError, Study
from qkd_study.cli.parser import build_parser
from qkd_study.cli.study_options import planned, study_of
from qkd_study.common.paths import cache_folder
from qkd_study.data import Data
from qkd_study.results import changed_files, new_run, runs_of, same_run, write_manifest
from qkd_study.results.provenance import session
from qkd_study.results.replay import Replayer
from qkd_study.study.files import FilesRead, may_be_one_run
from qkd_study.study.origin import Origin


def read_by(folder: Path, act: Callable[[], Any]) -> dict[str, str]:
    """What a study file in a folder reads."""
    files = FilesRead.by(folder / "study.py")
    with files.recording():
        act()
    return files.digests()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


READERS: dict[str, tuple[Callable[[Path], Any], Callable[[Path], Any]]] = {
    "w.txt": (lambda path: path.write_text("a"), lambda path: path.read_text()),
    "w.bin": (lambda path: path.write_bytes(b"a"), lambda path: os.close(os.open(path, 0))),
    "w.npy": (lambda path: np.save(path, np.ones(2)), np.load),
    "w.npz": (lambda path: np.savez(path, x=np.ones(2)), lambda path: np.load(path)["x"]),
    "m.npy": (lambda path: np.save(path, np.ones(2)), lambda path: np.load(path, mmap_mode="r+")),
    "w.pt": (lambda path: torch.save({"w": torch.ones(2)}, path), torch.load),
    "w.csv": (lambda path: path.write_text("a,b\\n1,2"), pd.read_csv),
}


@pytest.mark.parametrize("name", READERS)
def test_what_is_read_has_its_digest(tmp_path: Path, name: str) -> None:
    write, read = READERS[name]
    path = tmp_path / "weights" / name
    path.parent.mkdir()
    write(path)
    assert read_by(tmp_path, lambda: read(path)) == {f"weights/{name}": sha256(path)}


def test_paths_are_from_the_folder_of_the_study_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "studies").mkdir()
    (tmp_path / "w.txt").write_text("a")
    monkeypatch.chdir(tmp_path)

    def act() -> None:
        Path("w.txt").read_text()
        os.chdir("/")

    files = FilesRead.by("studies/study.py")
    with files.recording():
        act()
    assert list(files.digests()) == ["../w.txt"]


OWN = """
from pathlib import Path

import numpy as np
import torch

from qkd_study import Arm, ClassicalToClassical, Mlp, Own, Replicates, Study
from qkd_study.models import MLP

FOLDER = Path(__file__).parent
WIDTH = int((FOLDER / "width.txt").read_text())


def build(config, shape, classes):
    model = MLP(shape, classes, hidden=(WIDTH,))
    model.head.bias.data += float(np.load(FOLDER / "start.npy"))
    return model


study = Study(
    question="?",
    setting=ClassicalToClassical(student=Own(build)),
    datasets=("digits",),
    fixed={"samples": 20, "validation_samples": 50},
    arms=("scratch",),
    trials=1,
    replicates=Replicates(1, 2),
)
"""


def made(folder: Path) -> tuple[Study, Data, dict[str, str], dict[str, Any]]:
    """A study, its data and the files that it reads, as `run` has them."""
    options = build_parser().parse_args(["run", str(folder / "own.py")])
    files = FilesRead.by(options.study)
    study = study_of(options, files)
    counted, dataset, _ = planned(study, Origin(options.study), files)
    return study, dataset, files.digests(), counted.as_json()


def test_a_changed_file_starts_a_new_run(tmp_path: Path) -> None:
    out = tmp_path / "results"
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "width.txt").write_text("3")
    np.save(tmp_path / "start.npy", 0.0)
    study, dataset, files, plan = made(tmp_path)
    names = ("start.npy", "width.txt")  # read by a worker as it builds the model; at loading
    assert files == {name: sha256(tmp_path / name) for name in names}
    run = new_run(study, out)
    here = session(1, str(tmp_path / "own.py"))
    write_manifest(
        run, study, tmp_path / "own.py",
        dataset=dataset.name, digest=dataset.digest, plan=plan, session=here, files=files,
    )  # fmt: skip
    assert run.manifest()["files"] == files
    study, dataset, files, _ = made(tmp_path)
    assert same_run(study, dataset.digest, runs_of(out), files) == run
    assert Replayer.of(run).study.setting.kind == study.setting.kind
    assert changed_files(runs_of(out), files) == []
    np.save(tmp_path / "start.npy", 1.0)
    study, dataset, files, _ = made(tmp_path)
    assert same_run(study, dataset.digest, runs_of(out), files) is None
    assert changed_files(runs_of(out), files) == ["start.npy"]
    with pytest.raises(InputError, match=r"its rows come from .*/start\.npy, which had SHA-256"):
        Replayer.of(run)
    (tmp_path / "start.npy").unlink()
    with pytest.raises(InputError, match=r"start\.npy, which had SHA-256 \w+ and is gone"):
        Replayer.of(run)


def unwritten(folder: Path) -> None:
    with tempfile.NamedTemporaryFile("w+", dir=folder, delete=False) as file:
        file.write("a")
    Path(file.name).read_text()


def in_a_thread(path: Path) -> None:
    other = threading.Thread(target=path.read_text)
    other.start()
    other.join()


def missing(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        (folder / "absent").read_text()


def test_what_is_no_file_of_the_study_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fonts = tmp_path_factory.mktemp("matplotlib") / "fonts.json"
    fonts.write_text("{}")
    monkeypatch.setenv("MPLCONFIGDIR", str(fonts.parent))
    for name in ("helper.py", ".cache/a.txt", "a.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a")
    kept = cache_folder() / "kept.txt"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text("a")
    for act in (
        lambda: (tmp_path / "helper.py").read_text(),
        lambda: (tmp_path / ".cache" / "a.txt").read_text(),
        lambda: kept.read_text(),
        lambda: fonts.read_text(),
        lambda: Path(np.__file__).with_name("version.pyi").read_text(),
        lambda: Path("/proc/cpuinfo").read_text(),
        lambda: unwritten(tmp_path),
        lambda: in_a_thread(tmp_path / "a.txt"),
        lambda: missing(tmp_path),
        lambda: os.listdir(tmp_path),
    ):
        assert read_by(tmp_path, act) == {}
    (tmp_path / "a.txt").read_text()  # nothing records now
    installed = Path(sys.prefix) / "a.txt"
    assert FilesRead.by(tmp_path / "s.py")._is_input(tmp_path / "a.txt", [])
    assert not FilesRead.by(tmp_path / "s.py")._is_input(installed, [sys.prefix])


@pytest.mark.parametrize(
    ("before", "now", "one"),
    [
        ({}, {}, True),
        ({"a": "1"}, {"a": "1"}, True),
        ({"a": "1"}, {"a": "1", "b": "2"}, True),
        ({"a": "1", "b": "2"}, {"a": "1"}, True),
        ({"a": "1"}, {"a": "2"}, False),
        ({"a": "1"}, {"b": "1"}, False),
        ({"a": "1", "b": "2"}, {"a": "1", "c": "2"}, False),
    ],
)
def test_which_files_make_one_run(before: dict[str, str], now: dict[str, str], one: bool) -> None:
    assert may_be_one_run(before, now) == one
