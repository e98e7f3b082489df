"""The arms of a study that declares none suit its setting."""

from __future__ import annotations

import pytest

from qkd_study import (
    ClassicalToClassical,
    ClassicalToHybrid,
    ClassicalToQuantum,
    FullyQuantum,
    QuantumToClassical,
    QuantumToQuantum,
    SelfDistillation,
    Study,
)
from qkd_study.data import load
from qkd_study.planning.plan import make_plan
from qkd_study.study.setting import Setting

PLAIN = ("scratch", "scaled-ce", "soft")


@pytest.mark.parametrize(
    ("setting", "arms"),
    [
        (QuantumToClassical(), (*PLAIN, "soft+features")),
        (ClassicalToHybrid(), PLAIN),
        (ClassicalToQuantum(), PLAIN),
        (QuantumToQuantum(), (*PLAIN, "soft+features")),
        (SelfDistillation(FullyQuantum()), (*PLAIN, "soft+features")),
        (ClassicalToClassical(), PLAIN),
    ],
)
def test_they_suit_the_setting(setting: Setting, arms: tuple[str, ...]) -> None:
    circuit = setting.student_model.quantum
    fixed = {"qubits": 6} if circuit else {}  # as many amplitudes as digits have pixels
    study = Study(question="?", name="x", setting=setting, datasets=("digits",), fixed=fixed)
    assert make_plan(study, load("digits")).arms == arms
