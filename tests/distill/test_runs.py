"""Teachers, training and whole runs."""

from __future__ import annotations

import dataclasses
import multiprocessing
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qkd_study.data import Dataset, load
from qkd_study.distill import (
    Diverged,
    Objective,
    Samples,
    TeacherSpec,
    TeacherStore,
    TrainingConfig,
    run,
    train,
)
from qkd_study.models import Model, build_model, predict
from qkd_study.study import Config, Study

DIGITS = load("digits")
STUDY = Study(question="?", fixed={"samples": 40, "epochs": 12, "teacher_epochs": 15})


def config(arm: str = "soft+features", **changes: Any) -> Config:
    made = STUDY.config(STUDY.cells()[0], STUDY.arm(arm), {}, "digits")
    return dataclasses.replace(made, **changes)


def student(of: Config) -> Model:
    return build_model(STUDY.setting.student_model, of, DIGITS.shape, DIGITS.classes, seed=0)


def go(folder: Path, arm: str = "soft+features", replicate: int = 1000, **changes: Any) -> Any:
    store = TeacherStore(folder)
    return run(
        STUDY.setting,
        STUDY.arm(arm),
        config(arm, **changes),
        DIGITS,
        store,
        replicate=replicate,
        test=replicate >= 1000,
    )


@pytest.mark.parametrize("arm", [arm.name for arm in STUDY.all_arms])
def test_every_arm_learns(tmp_path: Path, arm: str) -> None:
    result = go(tmp_path, arm, epochs=60)
    assert result.metrics["test_accuracy"] > 0.5  # chance is 0.1
    assert result.metrics["test_nll"] < 2.3
    assert len(result.curve) == 60
    assert result.curve[-1].cross_entropy < result.curve[0].cross_entropy
    best = max(e.val_accuracy for e in result.curve)
    assert result.metrics["val_accuracy"] == best
    assert result.curve[result.metrics["best_epoch"] - 1].val_accuracy == best
    with_teacher = arm.startswith("soft")
    assert (result.metrics.get("teacher_agreement") is not None) == with_teacher
    assert result.backend == ("lightning.qubit" if with_teacher else "torch")
    assert result.plan == ("matrix" if with_teacher else None)
    assert (result.costs["circuit_executions"] > 0) == with_teacher
    assert result.costs["parameters"] == 15 + 48 * 10 + 10
    assert result.costs["teacher_parameters"] == (33 + 48 * 10 + 10 if with_teacher else None)
    drawn = config(arm)
    taught = drawn.teacher_samples if with_teacher else drawn.samples
    assert result.costs["labels"] == taught + drawn.validation_samples


class Untouchable(Dataset):
    """A dataset whose test set must not be looked at."""

    def test_inputs(self) -> Any:
        raise AssertionError("the test set was touched")


def test_search_runs_never_touch_the_test_set(tmp_path: Path) -> None:
    names = ("name", "pool_raw", "pool_labels", "test_raw", "test_labels", "classes", "max_value")
    guarded = Untouchable(**{name: getattr(DIGITS, name) for name in names})

    def search(test: bool) -> Any:
        arm, store = STUDY.arm("soft"), TeacherStore(tmp_path)
        return run(STUDY.setting, arm, config("soft"), guarded, store, replicate=0, test=test)

    result = search(test=False)
    assert not [name for name in result.metrics if "test" in name or "agreement" in name]
    assert not list(tmp_path.glob("*-test*"))
    with pytest.raises(AssertionError, match="the test set was touched"):
        search(test=True)


def test_the_same_run_gives_the_same_numbers_in_a_fresh_process(tmp_path: Path) -> None:
    here = go(tmp_path / "here")
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r});"
        "import torch; torch.set_num_threads(1);"
        "from pathlib import Path; from test_runs import go;"
        f"print(go(Path({str(tmp_path / 'there')!r})).metrics)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(here.metrics)
    assert go(tmp_path / "here").metrics == here.metrics  # with the kept teacher too
    assert go(tmp_path / "other", replicate=1001).metrics != here.metrics


def test_a_weight_of_zero_is_training_from_scratch(tmp_path: Path) -> None:
    plain = go(tmp_path, "scratch")
    distilled = go(tmp_path, "soft+features", weight_soft=0.0, weight_features=0.0)
    assert distilled.metrics["test_nll"] == pytest.approx(plain.metrics["test_nll"], rel=1e-4)
    assert distilled.curve[-1].parts.keys() == {"soft", "features"}
    assert plain.curve[-1].parts == {}


def test_adam_hardly_sees_the_scale_of_the_loss_and_sgd_does(tmp_path: Path) -> None:
    def distance(optimizer: str, rate: float) -> float:
        nll = [
            go(
                tmp_path,
                "scaled-ce",
                scale_cross_entropy=scale,
                optimizer=optimizer,
                learning_rate=rate,
            ).metrics["test_nll"]
            for scale in (1.0, 10.0)
        ]
        return float(abs(nll[0] - nll[1]))

    assert distance("adam", 3e-3) < 0.01 < 0.3 < distance("sgd", 3e-2)


def order(replicate: int = 0, **changes: Any) -> TeacherSpec:
    made = config(**changes)
    return TeacherSpec.of(STUDY.setting, STUDY.arm("soft+features"), made, DIGITS, replicate)


def test_a_teacher_is_trained_once_and_kept(tmp_path: Path) -> None:
    first = TeacherStore(tmp_path)
    trained = first.get(order())
    assert first.seconds > 0
    spent = first.seconds
    assert first.get(order()) is trained
    assert first.seconds == spent
    again = TeacherStore(tmp_path)
    kept = again.get(order())
    assert again.seconds == 0
    assert torch.equal(kept.train.logits, trained.train.logits)
    assert torch.equal(kept.train.features, trained.train.features)
    assert kept.train.features.shape == (40, 3, 4, 4)
    assert len(list(tmp_path.glob("*.safetensors"))) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"replicate": 1},
        {"depth": 2},
        {"teacher_samples": 60},
        {"teacher_epochs": 16},
        {"seed": 1},
        {"validation_samples": 300},
        {"qubits": 2, "embedding": "amplitude"},
    ],
)
def test_what_makes_another_teacher(changes: dict[str, Any]) -> None:
    assert order(**changes).name() != order().name()


@pytest.mark.parametrize(
    "changes",
    [{"temperature": 9.0}, {"learning_rate": 1.0}, {"optimizer": "sgd"}, {"weight_soft": 3.0}],
)
def test_what_does_not(changes: dict[str, Any]) -> None:
    assert order(**changes).name() == order().name()


def test_students_of_different_k_share_a_teacher_of_fixed_m(tmp_path: Path) -> None:
    store = TeacherStore(tmp_path)
    small = store.get(order(samples=20, teacher_samples=80))
    spent = store.seconds
    large = store.get(order(samples=80, teacher_samples=80))
    assert store.seconds == spent
    assert (len(small.train.logits), len(large.train.logits)) == (20, 80)
    torch.testing.assert_close(large.train.logits[:20], small.train.logits)


@pytest.mark.parametrize("damage", ["weights", "cut", "json", "no json"])
def test_a_damaged_teacher_is_trained_again(tmp_path: Path, damage: str) -> None:
    trained = TeacherStore(tmp_path).get(order())
    (path,) = tmp_path.glob("*.safetensors")
    body = path.read_bytes()
    if damage == "weights":
        path.write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    elif damage == "cut":
        path.write_bytes(body[:100])
    elif damage == "json":
        path.with_suffix(".json").write_text("[]")
    else:
        path.with_suffix(".json").unlink()
    store = TeacherStore(tmp_path)
    again = store.get(order())
    assert store.seconds > 0
    assert torch.equal(again.train.logits, trained.train.logits)
    assert path.read_bytes() == body


def _seconds_of_training(folder: Path, queue: Any) -> None:
    torch.set_num_threads(1)
    store = TeacherStore(folder)
    store.get(order())
    queue.put(store.seconds)


def test_two_processes_that_want_one_teacher_train_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    both = [context.Process(target=_seconds_of_training, args=(tmp_path, queue)) for _ in range(2)]
    for process in both:
        process.start()
    seconds = sorted(queue.get(timeout=120) for _ in both)
    for process in both:
        process.join()
    assert seconds[0] == 0 < seconds[1]


def test_test_logits_are_the_trained_teachers(tmp_path: Path) -> None:
    store = TeacherStore(tmp_path)
    store.get(order())
    logits = store.test_logits(order())
    model = order().build()
    from qkd_study.common.artifact_store import FolderArtifactStore
    from qkd_study.distill.teacher_ending import TeacherEnding
    from qkd_study.distill.tensors import read_tensors

    tensors = read_tensors(FolderArtifactStore(tmp_path), order().name())
    assert tensors is not None
    assert TeacherEnding.taken(tensors) is not None  # what is left are the weights
    model.load_state_dict(tensors)
    expected = predict(model, torch.from_numpy(DIGITS.test_inputs())).logits
    # Computed as in a batch of teachers, where sums run in another order.
    torch.testing.assert_close(logits, expected, rtol=1e-6, atol=2e-6)
    executions = store.executions
    assert torch.equal(store.test_logits(order()), logits)
    assert store.executions == executions


def test_diverging_says_so() -> None:
    model = student(config("scratch"))
    samples = Samples(
        torch.full((10, 8, 8), float("nan")), torch.from_numpy(DIGITS.pool_labels[:10].copy())
    )
    with pytest.raises(Diverged, match="the loss was nan in epoch 1"):
        train(
            model,
            samples,
            samples,
            Objective(),
            TrainingConfig("sgd", 1.0, epochs=3, batch_size=4),
            seed=0,
        )


def test_the_curve_is_the_loss_of_the_samples() -> None:
    model = student(config("scratch"))
    images = torch.from_numpy(DIGITS.pool_inputs(np.arange(50)))
    labels = torch.from_numpy(DIGITS.pool_labels[:50].copy())
    with torch.no_grad():
        logits = model(model.prepare(images)).logits
    samples = Samples(images, labels)
    started = time.perf_counter()
    recipe = TrainingConfig("sgd", 1e-12, epochs=1, batch_size=16)
    result = train(model, samples, samples, Objective(2.0), recipe, seed=0)
    (epoch,) = result.curve
    expected = torch.nn.functional.cross_entropy(logits, labels).item()
    assert epoch.cross_entropy == pytest.approx(expected, rel=1e-5)
    assert epoch.total == pytest.approx(2 * expected, rel=1e-5)
    assert epoch.train_accuracy == (logits.argmax(1) == labels).double().mean().item()
    assert 0 < epoch.seconds < time.perf_counter() - started
