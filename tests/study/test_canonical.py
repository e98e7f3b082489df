"""What a run's identity knows of a study file's own code: all that it does, and no address."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from qkd_study.study.canonical import canonical
from qkd_study.study.load import load_study

FILE = """
import functools
import math

from qkd_study import Arm, ClassicalToClassical, Mlp, Own, Replicates, Study
from qkd_study.models import Model

SCALE = 1
WIDTHS = {"hidden": 8}


def helper(x):
    return 2 * x


class Base(Model):
    width = 8

    def size(self):
        return WIDTHS["hidden"]


class Net(Base):
    def forward(self, inputs):
        return [helper(i) for i in inputs]


class Weight:
    def __init__(self, value):
        self.value = value

    def of(self, x):
        return self.value * x


def made(weight, parts=frozenset({"logits", "features", "labels"})):
    def loss(student, teacher, labels):
        return SCALE * weight.of(student.logits.mean()) + math.pi
    return loss


study = Study(
    question="What is it?",
    setting=ClassicalToClassical(teacher=Mlp((4,)), student=Own(Net)),
    arms=(
        "scratch",
        Arm("own", (made(Weight(2.0)),)),
        Arm("part", (functools.partial(made(Weight(3)), weight=1),)),
    ),
    replicates=Replicates(2, 2),
)
"""
PRINT = """
import sys
from qkd_study.study.identity import declaration
from qkd_study.study.load import load_study
import json
said = declaration(load_study(sys.argv[1]))
print(json.dumps([said["setting"], said["arms"]]))
"""


def said(folder: Path, source: str) -> str:
    path = folder / "own.py"
    path.write_text(source)
    study = load_study(path)
    return json.dumps(canonical([study.setting, study.all_arms]))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SCALE = 1", "SCALE = 100"),
        ("return 2 * x", "return -7 * x"),
        ("width = 8", "width = 64"),
        ('{"hidden": 8}', '{"hidden": 64}'),
        ("return self.value * x", "return -self.value * x"),
        ("Weight(2.0)", "Weight(2.5)"),
        ("weight=1", "weight=2"),
        ("+ math.pi", "- math.pi"),
    ],
)
def test_an_edit_anywhere_in_what_is_used_is_seen(tmp_path: Path, old: str, new: str) -> None:
    assert FILE.count(old) == 1
    assert said(tmp_path, FILE) != said(tmp_path, FILE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("What is it?", "What was it?"),
        ("Replicates(2, 2)", "Replicates(2, 9)"),
        ("SCALE = 1", "UNUSED = 3\nSCALE = 1"),
    ],
)
def test_other_edits_are_not(tmp_path: Path, old: str, new: str) -> None:
    assert said(tmp_path, FILE) == said(tmp_path, FILE.replace(old, new))


def test_it_is_the_same_in_every_process(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(FILE)
    found = {
        subprocess.run(
            [sys.executable, "-c", PRINT, "own.py"],
            cwd=tmp_path, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(found) == 1
    assert "0x" not in found.pop()


def test_what_refers_to_itself_ends() -> None:
    ring: list[object] = [1]
    ring.append(ring)
    assert canonical(ring) == [1, {"again": 0}]
