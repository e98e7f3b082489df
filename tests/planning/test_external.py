"""Teachers that were trained elsewhere are checked before anything trains."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.stats import binom, hypergeom
from torch import nn

from qkd_study import (
    Arm,
    CachedTeacher,
    ClassicalToClassical,
    Ensemble,
    FrozenTeacher,
    InputError,
    Mlp,
    Study,
    StudyWarning,
)
from qkd_study.data import load
from qkd_study.planning.external import binomial, fisher, suspicion
from qkd_study.planning.plan import make_plan
from qkd_study.study.load import load_study

DIGITS = load("digits")
POOL, TESTED = len(DIGITS.pool_labels), len(DIGITS.test_labels)
RNG = np.random.default_rng(0)


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def wide() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 12))


def named() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.BatchNorm1d(10))


def saved(path: Path, module: nn.Module) -> Path:
    save_file(module.state_dict(), path)
    return path


def logits(labels: Any, accuracy: float) -> Any:
    """Logits that are right for a share of the samples."""
    wrong = np.arange(len(labels)) >= round(accuracy * len(labels))
    return np.eye(10)[(labels + wrong) % 10] * 5


def cached(path: Path, pool: float = 0.9, test: float = 0.9, **more: Any) -> CachedTeacher:
    of_test = logits(DIGITS.test_labels, test)
    np.savez(path / "t.npz", logits=logits(DIGITS.pool_labels, pool), test_logits=of_test)
    return CachedTeacher(path / "t.npz", **more)


def plan(teacher: Any, arms: Any = ("scratch", "soft"), **more: Any) -> Any:
    setting = ClassicalToClassical(teacher=teacher, student=Mlp((8,)))
    return make_plan(Study(question="?", setting=setting, arms=arms, **more), DIGITS)


def test_a_plan_trains_no_teacher(tmp_path: Path) -> None:
    assert plan(cached(tmp_path)).teachers == 0
    assert plan(cached(tmp_path), ("scratch", "self-teacher")).teachers > 0


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (wide, r"does not fit the module wide: 1.weight is \(10, 64\) in the file and \(12, 64\)"),
        (named, "the file lacks 2.weight, 2.bias, 2.running_mean, 2.running_var"),
        (nn.Flatten, "the file has 1.bias, 1.weight, which the module has not"),
        (lambda: 3, "must give a torch.nn.Module, but gave 3"),
        (nn.Linear, "failed when it was called without arguments: TypeError.*lambda: Module"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, module: Any, message: str) -> None:
    path = saved(tmp_path / "w.safetensors", linear())
    with pytest.raises(InputError, match=message):
        plan(FrozenTeacher(module, path))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sequential(nn.Linear(8, 10)), r"return logits of shape \(4, 10\) for samples of shape"),
        (nn.Sequential(nn.Conv2d(3, 1, 2)), r"float32 of shape \(4, 8, 8\): RuntimeError"),
        (wide(), r"one number for each class of digits, but returned \(4, 12\)"),
    ],
)
def test_modules_that_do_not_take_the_samples_are_refused(
    tmp_path: Path, module: nn.Module, message: str
) -> None:
    path = saved(tmp_path / "w.safetensors", module)
    with pytest.raises(InputError, match=message):
        plan(FrozenTeacher(lambda: module, path))


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    torch.save(linear().state_dict(), tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"w.pt'\)?: a pickle, which could run any code"):
        FrozenTeacher(linear, tmp_path / "w.pt")
    (tmp_path / "w.safetensors").write_bytes((tmp_path / "w.pt").read_bytes())
    with pytest.raises(InputError, match=r"cannot be read as safetensors.*Write it anew"):
        plan(FrozenTeacher(linear, tmp_path / "w.safetensors"))
    with pytest.raises(InputError, match=r"none.safetensors.* cannot be read: No such file"):
        FrozenTeacher(linear, tmp_path / "none.safetensors")
    with pytest.raises(InputError, match=r"ends in .npz or .parquet, but got 't.csv'"):
        CachedTeacher("t.csv")
    path = saved(tmp_path / "w.safetensors", linear())
    with pytest.raises(InputError, match=r"a module itself, Sequential. Give a function"):
        FrozenTeacher(linear(), path)
    with pytest.raises(InputError, match="reported_accuracy of FrozenTeacher must be a number"):
        FrozenTeacher(linear, path, reported_accuracy=97)
    bad = {name: value * torch.nan for name, value in linear().state_dict().items()}
    save_file(bad, path)
    with pytest.raises(InputError, match=r"1.bias holds numbers that are not finite"):
        plan(FrozenTeacher(linear, path))
    with pytest.raises(InputError, match="members of an Ensemble are trained"):
        plan(Ensemble(FrozenTeacher(linear, path)))


def test_outputs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", logits=RNG.normal(size=(POOL, 9)))
    with pytest.raises(InputError, match=r"9 columns, but the dataset has 10 classes. Needed"):
        plan(CachedTeacher(tmp_path / "t.npz"))
    np.savez(tmp_path / "t.npz", logits=RNG.normal(size=(POOL - 5, 10)))
    with pytest.raises(InputError, match="5 of the 1,200 samples of the pool of digits have no"):
        plan(CachedTeacher(tmp_path / "t.npz"))


@pytest.mark.parametrize("arm", ["soft+features", "relational", "constant-features"])
def test_arms_on_features_need_features(tmp_path: Path, arm: str) -> None:
    with pytest.raises(InputError, match=r"compares feature maps, but CachedTeacher\('/"):
        plan(cached(tmp_path), ("scratch", arm))
    path = saved(tmp_path / "w.safetensors", linear())
    with pytest.raises(InputError, match="a module that returns a pair of logits and features"):
        plan(FrozenTeacher(linear, path), ("scratch", arm))


def test_features_must_have_the_shape_of_the_students(tmp_path: Path) -> None:
    given = {"logits": logits(DIGITS.pool_labels, 0.9), "features": RNG.normal(size=(POOL, 7))}
    np.savez(tmp_path / "t.npz", test_logits=logits(DIGITS.test_labels, 0.8), **given)
    of = CachedTeacher(tmp_path / "t.npz")
    with pytest.raises(InputError, match=r"student, Mlp, are of shape \(8,\) .* of shape \(7,\)"):
        plan(of, ("scratch", "soft+features"))
    plan(of, ("scratch", "relational"))


def test_own_terms_get_the_outputs(tmp_path: Path) -> None:
    def term(student: Any, teacher: Any, labels: Any) -> Any:
        assert teacher.features.shape[1:] == (0,)
        return nn.functional.mse_loss(student.logits, teacher.logits)

    plan(cached(tmp_path), ("scratch", Arm("own", (term,))), fixed={"samples": 20})


def test_a_teacher_that_knows_test_samples_is_suspicious(tmp_path: Path) -> None:
    plan(cached(tmp_path, 0.95, 0.93, reported_accuracy=0.92))  # by chance
    with pytest.warns(StudyWarning, match=r"99.0% of 597 test .* only 90.0% of 1,200 pool"):
        plan(cached(tmp_path, 0.9, 0.99))
    with pytest.warns(StudyWarning, match=r"97.0% of 597 test .* source reports 92.0%"):
        plan(cached(tmp_path, 0.99, 0.97, reported_accuracy=0.92))
    with pytest.warns(StudyWarning, match="makes no error on 597 test samples"):
        plan(cached(tmp_path, 1, 1))
    with pytest.warns(StudyWarning, match="no more than the most frequent class has"):
        plan(cached(tmp_path, 0.08, 0.08))
    np.savez(tmp_path / "t.npz", logits=logits(DIGITS.pool_labels, 0.9))
    with pytest.warns(StudyWarning, match="no logits for the test set"):
        plan(CachedTeacher(tmp_path / "t.npz"))


def test_the_chances_are_those_of_scipy() -> None:
    for hits, count, right, tested in [(90, 100, 95, 100), (900, 1200, 500, 597), (5, 9, 4, 4)]:
        exact = hypergeom.sf(right - 1, count + tested, hits + right, tested)
        assert fisher(hits, count, right, tested) == pytest.approx(exact, rel=1e-8)
        for share in (0.5, 0.93):
            tail = binom.sf(right - 1, tested, share)
            assert binomial(right, tested, share) == pytest.approx(tail, rel=1e-8)
    assert binomial(5, 5, 1.0) == 1


def test_false_alarms_are_as_rare_as_said() -> None:
    rng = np.random.default_rng(1)
    drawn = zip(rng.binomial(1200, 0.9, 2000), rng.binomial(597, 0.9, 2000), strict=True)
    alarms = sum(suspicion((a, 1200), (b, 597), 0.9) is not None for a, b in drawn)
    assert alarms <= 10  # at most 4 expected


def test_paths_are_from_the_folder_of_the_study_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(tmp_path)
    (tmp_path / "s.py").write_text(
        "from qkd_study import CachedTeacher, ClassicalToClassical, Study\n"
        "teacher = CachedTeacher('t.npz')\n"
        "study = Study(question='?', setting=ClassicalToClassical(teacher=teacher))\n"
    )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    teacher = load_study(tmp_path / "s.py").setting.teacher_model
    assert isinstance(teacher, CachedTeacher)
    assert teacher.path == tmp_path / "t.npz"
    with pytest.raises(InputError, match=r"elsewhere/t.npz, the file of CachedTeacher, cannot be"):
        CachedTeacher("t.npz")
    (tmp_path / "t.npz").unlink()
    with pytest.raises(InputError, match=r"s.py:2: .*t.npz, the file of CachedTeacher"):
        load_study(tmp_path / "s.py")


def test_a_plan_of_outputs_needs_no_torch(tmp_path: Path) -> None:
    cached(tmp_path)
    code = (
        "import sys; from qkd_study import CachedTeacher, ClassicalToClassical, Study;"
        "from qkd_study.data import load;"
        "from qkd_study.planning.plan import make_plan;"
        "setting = ClassicalToClassical(teacher=CachedTeacher('t.npz'));"
        "make_plan(Study(question='?', setting=setting), load('digits'));"
        "print('torch' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert said.stdout == "False\n"
