"""Teachers that were trained elsewhere: they teach as their outputs say, and cost nothing here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from qkd_study import (
    PARAMETERS,
    CachedTeacher,
    ClassicalToClassical,
    FrozenTeacher,
    InputError,
    Int,
    Mlp,
    Study,
)
from qkd_study.data import draw, load
from qkd_study.distill import TeacherSpec, TeacherStore, run, run_replicates, runs_in_batch
from qkd_study.study import ExternalTeacher
from qkd_study.study.canonical import canonical
from qkd_study.study.identity import fingerprint

DIGITS = load("digits")
SAMPLES, VALIDATION = 30, 50


class Net(nn.Module):
    """Two layers; returns logits and the hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(64, 12), nn.Linear(12, 10)

    def forward(self, samples: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = torch.relu(self.first(samples.flatten(1)))
        return self.head(hidden), hidden


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained network, and with its outputs."""
    folder = tmp_path_factory.mktemp("elsewhere")
    torch.manual_seed(0)
    net = Net()
    inputs = torch.from_numpy(DIGITS.pool_inputs(np.arange(len(DIGITS.pool_labels))))
    optimizer = torch.optim.Adam(net.parameters(), 0.03)
    for _ in range(30):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(inputs)[0], torch.from_numpy(DIGITS.pool_labels))
        loss.backward()
        optimizer.step()
    save_file(net.state_dict(), folder / "net.safetensors")
    with torch.no_grad():
        logits, features = net(inputs)
        test, _ = net(torch.from_numpy(DIGITS.test_inputs()))
    np.savez(folder / "all.npz", logits=logits, features=features, test_logits=test)
    np.savez(folder / "pool.npz", logits=logits)
    return folder


def teacher(folder: Path, kind: str) -> ExternalTeacher:
    if kind == "frozen":
        return FrozenTeacher(Net, folder / "net.safetensors")
    return CachedTeacher(folder / f"{kind}.npz")


def study(of: ExternalTeacher, **changes: Any) -> Study:
    fixed = {"samples": SAMPLES, "epochs": 4, "validation_samples": VALIDATION}
    given: dict[str, Any] = {
        "setting": ClassicalToClassical(teacher=of, student=Mlp((12,))),
        "arms": ("scratch", "soft", "soft+features", "relational"),
        "fixed": fixed,
    }
    return Study(question="?", **given | changes)


def result(of: ExternalTeacher, arm: str, folder: Path, **more: Any) -> Any:
    asked = study(of)
    config = asked.config(asked.cells()[0], asked.arm(arm), {}, "digits")
    call = {"replicate": 1000, "test": True} | more
    store = TeacherStore(folder)
    return run(asked.setting, asked.arm(arm), config, DIGITS, store, **call)


def close(found: torch.Tensor, expected: Any) -> None:
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["frozen", "all"])
def test_a_student_gets_the_outputs_for_its_own_samples(
    trained: Path, tmp_path: Path, kind: str
) -> None:
    asked = study(teacher(trained, kind))
    arm = asked.arm("soft+features")
    config = asked.config(asked.cells()[0], arm, {}, "digits")
    drawn = draw(DIGITS, SAMPLES, SAMPLES, VALIDATION, seed=0, replicate=7)
    spec = TeacherSpec.of(asked.setting, arm, config, DIGITS, 7)
    store = TeacherStore(tmp_path)
    found = store.get(spec)
    file = np.load(trained / "all.npz")
    close(found.train.logits, file["logits"][drawn.student])
    close(found.train.features, file["features"][drawn.student])
    close(found.validation, file["logits"][drawn.validation])
    close(store.test_logits(spec), file["test_logits"])
    assert store.get(TeacherSpec.of(asked.setting, arm, config, DIGITS, 8)) is not found
    assert (store.seconds, store.executions) == (0, 0)


@pytest.mark.parametrize("kind", ["frozen", "all", "pool"])
def test_a_row_has_its_scores_and_no_cost_of_training(
    trained: Path, tmp_path: Path, kind: str
) -> None:
    found = result(teacher(trained, kind), "soft", tmp_path)
    assert found.costs["labels"] == SAMPLES + VALIDATION
    assert found.costs["seconds_teacher"] == 0
    assert found.costs["circuit_executions"] == 0
    weights = 64 * 12 + 12 + 12 * 10 + 10
    assert found.costs["teacher_parameters"] == (weights if kind == "frozen" else None)
    if kind == "pool":
        assert "teacher_agreement" not in found.metrics
        return
    guesses = np.load(trained / "all.npz")["test_logits"].argmax(1)
    accuracy = (guesses == DIGITS.test_labels).mean()
    assert found.metrics["teacher_test_accuracy"] == pytest.approx(accuracy, abs=1e-12)
    agreement = (guesses == found.predictions.predicted).mean()
    assert found.metrics["teacher_agreement"] == pytest.approx(agreement, abs=1e-12)
    drawn = draw(DIGITS, SAMPLES, SAMPLES, VALIDATION, seed=0, replicate=1000).validation
    right = np.load(trained / "all.npz")["logits"][drawn].argmax(1) == DIGITS.pool_labels[drawn]
    assert found.metrics["teacher_val_accuracy"] == pytest.approx(right.mean(), abs=1e-12)


@pytest.mark.parametrize("arm", ["soft", "soft+features", "relational"])
def test_the_module_teaches_as_its_outputs_do(trained: Path, tmp_path: Path, arm: str) -> None:
    by_module, by_file = (
        result(teacher(trained, kind), arm, tmp_path / kind) for kind in ("frozen", "all")
    )
    for ours, other in zip(by_module.curve, by_file.curve, strict=True):
        assert ours.parts.keys() == other.parts.keys()
        assert ours.total == pytest.approx(other.total, rel=1e-4)
    nll = by_file.metrics["test_nll"]
    assert by_module.metrics["test_nll"] == pytest.approx(nll, rel=1e-3)


def test_replicates_in_a_batch_are_those_alone(trained: Path, tmp_path: Path) -> None:
    asked = study(teacher(trained, "all"))
    arm = asked.arm("soft")
    config = asked.config(asked.cells()[0], arm, {}, "digits")
    given = (asked.setting, arm, config, DIGITS)
    assert runs_in_batch(*given)
    store = TeacherStore(tmp_path)
    both = run_replicates(*given, store, replicates=(1000, 1001), test=True)
    for replicate, batched in zip((1000, 1001), both, strict=True):
        alone = run(*given, store, replicate=replicate, test=True)
        assert not isinstance(batched, Exception)
        assert batched.metrics["test_nll"] == pytest.approx(alone.metrics["test_nll"], rel=1e-4)
        assert batched.metrics["teacher_agreement"] is not None


def test_the_hash_of_the_file_is_the_identity_and_its_path_is_not(
    trained: Path, tmp_path: Path
) -> None:
    moved, changed = tmp_path / "moved.npz", tmp_path / "changed.npz"
    moved.write_bytes((trained / "all.npz").read_bytes())
    np.savez(changed, **{**np.load(trained / "all.npz")} | {"test_logits": np.zeros((597, 10))})
    prints = [
        fingerprint(study(CachedTeacher(path)), "data")
        for path in (trained / "all.npz", moved, changed)
    ]
    assert prints[0] == prints[1] != prints[2]
    other = torch.nn.init.normal_(torch.empty(12, 64))
    net = Net().state_dict()
    save_file({**net, "first.weight": other}, tmp_path / "net.safetensors")
    assert canonical(teacher(trained, "frozen")) != canonical(teacher(tmp_path, "frozen"))


@pytest.mark.filterwarnings("ignore:no arm of this study reads")
def test_what_only_a_training_reads_is_null_and_makes_no_cells(trained: Path) -> None:
    asked = study(teacher(trained, "all"), factors={"teacher_samples": (30, 60)}, fixed={})
    assert {
        arm.name for arm in asked.all_arms if asked.uses(arm, PARAMETERS["teacher_samples"])
    } == set()
    config = asked.config(asked.cells()[1], asked.arm("soft"), {}, "digits")
    assert config.teacher_hidden is None
    assert config.teacher_activation is None
    assert config.teacher_dropout is None


def test_controls_that_need_a_training_are_refused(trained: Path) -> None:
    for arm in ("random-teacher", "separable-teacher", "classical-teacher", "kernel-teacher"):
        with pytest.raises(InputError, match=r"CachedTeacher was trained elsewhere.*self-teacher"):
            study(teacher(trained, "all"), arms=("scratch", arm))
    study(teacher(trained, "all"), arms=("scratch", "self-teacher", "shuffled-labels"))
    with pytest.raises(InputError, match="generations=2 trains teachers in a row, but CachedTe"):
        study(teacher(trained, "all"), fixed={"generations": 2})
    with pytest.raises(InputError, match="a CachedTeacher can only teach, but stands as student"):
        ClassicalToClassical(student=teacher(trained, "all"))
    space = {"teacher_epochs": Int(5, 9)}
    with pytest.raises(InputError, match="teacher_epochs, which no teacher of this study reads"):
        study(teacher(trained, "all"), teacher_search=space, arms=("scratch", "soft"))
