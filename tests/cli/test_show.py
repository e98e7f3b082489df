"""`qkd-study show` prints what a study declares, resolved: sizes, circuits, ranges, arms, cells."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from qkd_study.cli.main import main
from qkd_study.study.identity import declaration
from qkd_study.study.load import load_study

Captured = pytest.CaptureFixture[str]

SIZES = """
from qkd_study import ClassicalToQuantum, FullyQuantum, Int, LogFloat, Mlp, Study

study = Study(
    question="Which size?",
    setting=ClassicalToQuantum(teacher=Mlp((18,)), student=FullyQuantum()),
    datasets=("xor4",),
    factors={"qubits": (6, 7), "samples": (50, 100)},
    search={
        "learning_rate": LogFloat(1e-3, 1e-1),
        "depth": Int(1, 3),
        "weight_soft": LogFloat(1, 9),
    },
    arms=("scratch", "decayed", "soft", "separable-student"),
)
"""


@pytest.fixture
def sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "sizes.py"
    path.write_text(SIZES)
    return path


@pytest.mark.filterwarnings("ignore::qkd_study.common.errors.StudyWarning")
def test_json(sizes: Path, capsys: Captured) -> None:
    assert main(["show", "sizes.py", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["declaration"] == json.loads(json.dumps(declaration(load_study("sizes.py"))))
    assert found["cells"] == [f"qubits={q},samples={n}" for q in (6, 7) for n in (50, 100)]
    models = {(m["role"], tuple(m["arms"]), tuple(m["cells"])): m for m in found["models"]}
    assert len(models) == len(found["models"]) == 5
    for qubits in (6, 7):
        cells = tuple(f"qubits={qubits},samples={n}" for n in (50, 100))
        student = models["student", ("scratch", "decayed", "soft"), cells]
        for depth, size in ((1, student["smallest"]), (3, student["largest"])):
            angles = 2 * qubits * depth
            assert size == {"parameters": angles, "angles": angles, "gates": 3 * qubits * depth}
        assert student["embedding"] == "amplitude"
        assert len(student["circuit"]) == qubits
        alone = models["student", ("separable-student",), cells]
        assert alone["largest"]["gates"] == 6 * qubits
    teacher = models["teacher", ("soft", "separable-student"), tuple(found["cells"])]
    assert teacher["smallest"]["parameters"] == 64 * 18 + 18 + 18 * 3 + 3
    assert teacher["circuit"] is None
    assert found["arms"]["soft"] == {
        "question": "Do the teacher's soft targets help?",
        "searches": ["depth", "learning_rate", "weight_soft"],
        "trials": 10,
    }


@pytest.mark.filterwarnings("ignore::qkd_study.common.errors.StudyWarning")
def test_text(sizes: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["show", "sizes.py", "--set", "qubits=6", "--set", "depth=1"]) == 0
    out = capsys.readouterr().out
    assert "sizes: Which size?" in out
    assert "xor4: samples of shape (64,), 3 classes, 12,000 in the pool, 4,000 in the test" in out
    assert "0: ─RY(w0)───RZ(w1)───●──────────────X─" in out
    assert out.count("circuit of the student FullyQuantum") == 2
    assert "learning_rate │ LogFloat(low=0.001, high=0.1) │ every arm" in out
    assert "decayed           │ Does weight decay gain as much as a teacher?" in out
    assert "│ adamw" in out


def test_bad_input(sizes: Path, capsys: Captured) -> None:
    assert main(["show", "none.py"]) == 2
    assert "none.py" in capsys.readouterr().err
    sizes.write_text(SIZES.replace("(6, 7)", "(1, 7)"))
    assert main(["show", "sizes.py"]) == 2
    said = capsys.readouterr()
    assert (said.out, "qubits=1" in said.err) == ("", True)


def test_a_study_without_a_search(sizes: Path, capsys: Captured) -> None:
    sizes.write_text(re.sub(r"    search={.*?\n    },\n", "", SIZES, flags=re.DOTALL))
    assert main(["show", "sizes.py"]) == 0
    assert "\nsearch space: nothing is searched\n" in capsys.readouterr().out


def test_what_no_arm_reads_is_named(sizes: Path, capsys: Captured) -> None:
    says = "no arm of this study reads {0}: {0}={1} has no effect.\n"
    plain = SIZES.replace('("scratch", "decayed", "soft", "separable-student")', '("scratch",)')
    sizes.write_text(plain.replace('"weight_soft": LogFloat(1, 9),\n', ""))
    for command in (["show"], ["plan", "--no-forecast"]):
        given = ["--set", "momentum=0.5", "--set", "epochs=3", "--quick"]
        assert main([*command, "sizes.py", *given]) == 0
        said = capsys.readouterr().err
        assert said.count(says.format("momentum", 0.5)) == 1
        assert "epochs" not in said  # of teachers neither, which --quick limits
