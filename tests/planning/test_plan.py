"""The plan counts what will run, and refuses what cannot."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

from qkd_study import Claim, Float, InputError, Int, QuantumToClassical, Replicates, Study
from qkd_study.common.memory import circuit_bytes
from qkd_study.data import load
from qkd_study.planning.plan import make_plan
from qkd_study.quantum import form_sides
from qkd_study.study.circuits import Quanvolution


def study(**changes: Any) -> Study:
    return Study(
        **{
            "question": "?",
            "factors": {"samples": (20, 50, 100)},
            "search": {"temperature": Float(1, 9)},
            "trials": 6,
            "replicates": Replicates(search=3, confirm=10),
            **changes,
        }
    )


def test_counts() -> None:
    plan = make_plan(study(), load("digits"))
    # scratch and scaled-ce have nothing to search: one trial each.
    assert plan.trials == 3 * (1 + 1 + 6 + 6)
    assert plan.runs_search == plan.trials * 3
    assert plan.runs_confirm == 3 * 4 * 10
    assert plan.runs == plan.runs_search + plan.runs_confirm
    assert plan.teachers == 3 * (3 + 10)
    said = plan.as_json()
    assert {k: said[k] for k in ("cells", "arms", "runs", "teachers")} == {
        "cells": 3,
        "arms": 4,
        "runs": 246,
        "teachers": 39,
    }
    assert said["runs_least"] == 246
    claim = Claim(says="It helps.", better="soft", than="scratch", margin=0.01)
    looks = make_plan(study(replicates=Replicates(3, (4, 10)), claims=(claim,)), load("digits"))
    assert (looks.runs_least, looks.runs) == (246 - 3 * 4 * 6, 246)


def test_cells_share_the_searches_of_arms_that_do_not_read_a_factor() -> None:
    factors = {"samples": (20, 50), "temperature": (1.0, 4.0)}
    search = {"learning_rate": Float(1e-3, 1e-2)}
    plan = make_plan(study(factors=factors, search=search), load("digits"))
    # scratch and scaled-ce have 2 searches each, soft and soft+features 4.
    assert (plan.branches, plan.trials, plan.runs_confirm) == (12, 12 * 6, 12 * 10)
    assert list(plan.shared) == ["scratch", "scaled-ce"]
    assert plan.shared["scratch"]["samples=50,temperature=4.0"] == "samples=50"
    assert plan.as_json()["branches"] == 12


def test_factors_that_leave_the_teacher_alone_add_no_teachers() -> None:
    factors = {"samples": (20, 50), "learning_rate": (1e-3, 1e-2)}
    assert make_plan(study(factors=factors), load("digits")).teachers == 2 * 13
    # One teacher for all K where M is fixed.
    fixed = {"teacher_samples": 200}
    assert make_plan(study(fixed=fixed), load("digits")).teachers == 13


@pytest.mark.filterwarnings("ignore::qkd_study.StudyWarning")
def test_a_searched_teacher_is_counted_per_configuration() -> None:
    made = study(search={"depth": Int(1, 3)}, factors={}, arms=("scratch", "soft"))
    assert make_plan(made, load("digits")).teachers == 6 * 3 + 10


@pytest.mark.filterwarnings("ignore::qkd_study.StudyWarning")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"factors": {"samples": (20, 5000)}},
            "samples=5000 is larger than the dataset: digits has",
        ),
        ({"factors": {"samples": (5,)}}, "samples=5 is too few: digits has 10 classes"),
        (
            {"factors": {"samples": (50,)}, "fixed": {"teacher_samples": 20}},
            "teacher_samples=20 must be >= samples=50",
        ),
        ({"fixed": {"teacher_samples": 900}}, "teacher_samples=900 is larger than the dataset"),
        ({"fixed": {"validation_samples": 1150}}, "Allowed: up to 50"),
        (
            {"fixed": {"qubits": 45}},
            f"qubits=45 needs {circuit_bytes(45, 16 * 60, 500, matrices=True):,} bytes",
        ),
        ({"factors": {}, "search": {"samples": Int(20, 3000)}}, "samples=3000 is larger than"),
        (
            {"search": {"validation_samples": Int(100, 1190)}},
            "validation_samples=1190 are held out",
        ),
        ({"factors": {}, "search": {"qubits": Int(4, 50)}}, "qubits=50 needs"),
    ],
)
def test_what_cannot_run_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        make_plan(study(**changes), load("digits"))


def test_messages_name_the_cell() -> None:
    made = study(factors={"samples": (20, 5000), "depth": (1, 2)})
    with pytest.raises(InputError, match=re.escape("(cell samples=5000,depth=1)")):
        make_plan(made, load("digits"))


def test_bytes_of_a_quanvolution_by_hand() -> None:
    # 6 matrices of 16 x 16 complex128; 1,000 images of 16 patches of 60 float32: twice the 9
    # features of each half, and 6 for each of 4 pixels.
    values = {"qubits": 4, "embedding": "angle"}
    numbers = Quanvolution().embedding_numbers(values, (8, 8))
    assert numbers == 16 * (2 * sum(form_sides("angle", 4)) + 6 * 4) == 16 * 60
    assert circuit_bytes(4, numbers, 500, matrices=True) == 6 * 256 * 16 + 1000 * 16 * 60 * 4
    assert Quanvolution().embedding_numbers({**values, "qubits": 9}, (8, 8)) == numbers
    amplitude = {**values, "embedding": "amplitude"}
    assert Quanvolution().embedding_numbers(amplitude, (8, 8)) == 16 * (4 * 16 + 2 * 4)


@pytest.mark.slow
def test_features_of_a_quanvolution_take_the_memory_that_is_estimated() -> None:
    """Of 9 pixels, on 9 qubits: 2^9 amplitudes per patch would be as many numbers again."""
    program = """
import torch
from qkd_study.quantum import Quanvolution

def kilobytes(name):
    (line,) = (line for line in open("/proc/self/status") if line.startswith(name))
    return int(line.split()[1])

torch.set_num_threads(1)
layer = Quanvolution(kernel=3, stride=3, qubits=9, seed=0)
images = torch.rand(500, 28, 28)
layer.embed(images[:2])
open("/proc/self/clear_refs", "w").write("5")
before = kilobytes("VmRSS")
layer.embed(images)
print((kilobytes("VmHWM") - before) * 1024 / 500)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    values = {"qubits": 9, "embedding": "angle"}
    estimated = 4 * Quanvolution(kernel=3, stride=3).embedding_numbers(values, (28, 28))
    assert 0.6 * estimated < float(done.stdout) < 1.1 * estimated


def test_a_kernel_larger_than_the_image() -> None:
    made = study(setting=QuantumToClassical(kernel=9), fixed={"qubits": 7})
    with pytest.raises(InputError, match=r"kernel=9 is larger than the images of \(8, 8\) pixels"):
        make_plan(made, load("digits"))
