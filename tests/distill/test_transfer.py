"""The transfer set: samples without labels, on which only the distillation terms act."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from qkd_study import Arm, ClassicalToClassical, HybridCircuit, InputError, Mlp, Study
from qkd_study.data import Dataset, draw, load
from qkd_study.distill import Objective, TeacherStore, run, run_replicates, runs_in_batch
from qkd_study.distill.run import RunSetup, set_up_run
from qkd_study.models import Outputs, predict
from qkd_study.planning.plan import make_plan
from qkd_study.study import Config, Setting

DIGITS = load("digits")
K, T, V, BATCH = 22, 37, 50, 8
A, B = slice(0, K), slice(K, K + T)


def mean_gap(student: Outputs, teacher: Outputs, labels: torch.Tensor) -> torch.Tensor:
    assert len(student.logits) == len(teacher.logits) == len(labels)
    return functional.mse_loss(student.logits, teacher.logits)


ARMS = ("scratch", "soft", "soft+features", "relational", "decoupled", Arm("own", (mean_gap,)))


def study(student: Any = None, **changes: Any) -> Study:
    fixed = {"samples": K, "validation_samples": V, "batch_size": BATCH, "epochs": 3}
    fixed |= {"teacher_epochs": 5, "transfer_samples": T, "learning_rate": 0.01} | changes
    student = Mlp((6,)) if student is None else student
    setting = ClassicalToClassical(teacher=Mlp((6,)), student=student)
    return Study(question="?", setting=setting, arms=ARMS, fixed=fixed)


def given(arm: str, **changes: Any) -> tuple[Setting, Arm, Config, Dataset]:
    asked = study(**changes)
    config = asked.config(asked.cells()[0], asked.arm(arm), {}, "digits")
    return asked.setting, asked.arm(arm), config, DIGITS


def test_the_draw_is_beside_labels_and_validation() -> None:
    few, many = (draw(DIGITS, K, 2 * K, V, t, seed=3, replicate=1) for t in (T, 2 * T))
    assert len(few.transfer) == T
    assert len({*few.student, *few.validation, *few.transfer}) == K + V + T
    assert (many.transfer[:T] == few.transfer).all()
    without = draw(DIGITS, K, 2 * K, V, seed=3, replicate=1)
    assert (without.student == few.student).all()
    assert (without.validation == few.validation).all()
    draw(DIGITS, K, K, V, 1200 - V - K, seed=0, replicate=0)
    with pytest.raises(InputError, match=r"transfer_samples=1129 is larger .* up to 1128"):
        draw(DIGITS, K, K, V, 1200 - V - K + 1, seed=0, replicate=0)


def test_the_loss_is_that_of_its_definition() -> None:
    torch.manual_seed(0)
    student, teacher = (
        Outputs(torch.randn(9, 10, dtype=torch.float64), torch.randn(9, 4, dtype=torch.float64))
        for _ in range(2)
    )
    student = Outputs(student.logits.requires_grad_(), student.features.requires_grad_())
    labels = torch.tensor([3, 1, 4, 1])
    objective = Objective(2.0, weights={"soft": 0.7, "features": 0.3}, values={"temperature": 3.0})
    terms = objective(student, labels, teacher)
    logits, targets = student.logits.detach().numpy(), teacher.logits.numpy()

    def softmax(z: Any) -> Any:
        return np.exp(z) / np.exp(z).sum(-1, keepdims=True)

    cross_entropy = -np.mean([math.log(softmax(logits[i])[c]) for i, c in enumerate(labels)])
    p, q = softmax(targets / 3), softmax(logits / 3)
    soft = 9 * np.mean((p * np.log(p / q)).sum(-1))
    features = np.mean((student.features.detach().numpy() - teacher.features.numpy()) ** 2)
    assert terms.cross_entropy.item() == pytest.approx(cross_entropy, rel=1e-12)
    assert terms.parts["soft"].item() == pytest.approx(soft, rel=1e-12)
    total = 2 * cross_entropy + 0.7 * soft + 0.3 * features
    assert terms.total.item() == pytest.approx(total, rel=1e-12)
    terms.total.backward()
    assert student.logits.grad is not None
    # The gradient on transfer samples is that of the distillation terms alone.
    alone = 0.7 * 3 * (q - p) / 9
    np.testing.assert_allclose(student.logits.grad[4:], alone[4:], rtol=1e-10)
    first = alone[:4] + 2 * (softmax(logits[:4]) - np.eye(10)[labels]) / 4
    np.testing.assert_allclose(student.logits.grad[:4], first, rtol=1e-10)


def test_terms_with_labels_act_on_labelled_samples_alone() -> None:
    torch.manual_seed(0)
    student, teacher = (Outputs(torch.randn(9, 10), torch.randn(9, 4)) for _ in range(2))
    labels = torch.tensor([3, 1, 4, 1])
    setting = given("decoupled")
    for arm in ("decoupled", "own"):
        objective = Objective.of(setting[2], study().arm(arm))
        if arm == "decoupled":
            objective = Objective.of(given(arm)[2], study().arm(arm))
        cut = [Outputs(o.logits[:4], o.features[:4]) for o in (student, teacher)]
        assert objective(student, labels, teacher).total == objective(cut[0], labels, cut[1]).total


def test_who_reads_it() -> None:
    read = {arm.name: given(arm.name)[2].transfer_samples for arm in study().all_arms}
    assert read == {
        "scratch": None,
        "soft": T,
        "soft+features": T,
        "relational": T,
        "decoupled": None,
        "own": None,
    }


@pytest.mark.parametrize("arm", ["soft", "soft+features", "relational"])
def test_an_epoch_is_that_of_a_loop_by_hand(tmp_path: Path, arm: str) -> None:
    """With one batch an epoch, the order does not matter: the loss of the first is known."""
    call = given(arm, batch_size=K, epochs=1)
    store = TeacherStore(tmp_path)
    setup = set_up_run(*call, store, 0)
    assert setup.transfer is not None
    assert setup.targets is not None
    assert len(setup.targets.logits) == K + T
    setup.student.fit(setup.training.inputs)
    inputs = torch.cat([setup.training.inputs, setup.transfer])
    outputs = setup.student(setup.student.prepare(inputs))
    expected = Objective.of(call[2], call[1])(outputs, setup.training.labels, setup.targets)
    (found,) = run_replicates(*call, store, replicates=(0,), test=False)
    assert not isinstance(found, Exception)
    assert found.curve[0].total == pytest.approx(expected.total.item(), rel=1e-5)
    for name, value in expected.parts.items():
        assert found.curve[0].parts[name] == pytest.approx(value.item(), rel=1e-5)


@pytest.mark.parametrize("student", [Mlp((6,)), HybridCircuit()], ids=["mlp", "circuit"])
@pytest.mark.parametrize("arm", ["soft", "soft+features"])
def test_replicates_in_a_batch_are_those_alone(tmp_path: Path, student: Any, arm: str) -> None:
    if isinstance(student, HybridCircuit) and arm == "soft+features":
        pytest.skip("feature maps of different shapes")
    changes = {"qubits": 6} if isinstance(student, HybridCircuit) else {}
    call = given(arm, student=student, **changes) if changes else given(arm)
    assert runs_in_batch(*call)
    store = TeacherStore(tmp_path)
    both = run_replicates(*call, store, replicates=(1000, 1001), test=True)
    for replicate, batched in zip((1000, 1001), both, strict=True):
        alone = run(*call, store, replicate=replicate, test=True)
        (single,) = run_replicates(*call, store, replicates=(replicate,), test=True)
        assert not isinstance(batched, Exception)
        assert not isinstance(single, Exception)
        assert single.metrics == batched.metrics  # to the last bit
        for ours, theirs in zip(batched.curve, alone.curve, strict=True):
            assert ours.total == pytest.approx(theirs.total, rel=1e-4)
            assert ours.cross_entropy == pytest.approx(theirs.cross_entropy, rel=1e-4)
            assert ours.parts == pytest.approx(theirs.parts, rel=1e-4)
        assert batched.metrics["test_nll"] == pytest.approx(alone.metrics["test_nll"], rel=1e-3)


def test_labels_are_not_counted_and_queries_are(tmp_path: Path) -> None:
    call = given("soft")
    found = run(*call, TeacherStore(tmp_path), replicate=1000, test=True)
    assert found.costs["labels"] == K + V
    assert found.costs["teacher_queries"] == K + T
    scratch = run(*given("scratch"), TeacherStore(tmp_path), replicate=1000, test=True)
    assert scratch.costs["teacher_queries"] is None
    assert "transfer_agreement" not in scratch.metrics


def trained(folder: Path, **changes: Any) -> tuple[RunSetup, Any]:
    """A setup whose student is trained, and the result."""
    from qkd_study.distill import training

    call = given("soft", **changes)
    setup = set_up_run(*call, TeacherStore(folder), 0)
    result = training.train(
        setup.student,
        setup.training,
        setup.validation,
        Objective.of(call[2], call[1]),
        training.TrainingConfig("adam", 0.01, 30, BATCH),
        teacher=setup.targets,
        transfer=setup.transfer,
        seed=setup.seed,
    )
    return setup, result


def test_students_learn_from_samples_without_labels(tmp_path: Path) -> None:
    setup, result = trained(tmp_path)
    assert setup.transfer is not None
    assert setup.teacher is not None
    mine = predict(setup.student, setup.transfer).logits.argmax(1)
    same = (mine == setup.teacher.train.logits[K:].argmax(1)).double().mean().item()
    assert setup.validation_metrics(result)["transfer_agreement"] == pytest.approx(same)
    drawn = draw(DIGITS, K, K, V, T, seed=0, replicate=0)
    assert (setup.transfer.numpy() == DIGITS.pool_inputs(drawn.transfer)).all()


def test_its_gradient_reaches_the_student(tmp_path: Path) -> None:
    """A step on all terms is one on the labelled samples, and one on the transfer samples."""
    call = given("soft", batch_size=K)
    setup = set_up_run(*call, TeacherStore(tmp_path), 0)
    assert setup.transfer is not None
    assert setup.targets is not None
    inputs = torch.cat([setup.training.inputs, setup.transfer])
    outputs = setup.student(setup.student.prepare(inputs))
    Objective.of(call[2], call[1])(outputs, setup.training.labels, setup.targets).total.backward()
    found = [p.grad.clone() for p in setup.student.parameters() if p.grad is not None]
    setup.student.zero_grad()
    logits = setup.student(setup.student.prepare(inputs)).logits
    temperature, weight = 4.0, call[2].weight_soft
    assert call[2].temperature == temperature
    gap = functional.kl_div(
        functional.log_softmax(logits / temperature, -1),
        functional.softmax(setup.targets.logits / temperature, -1),
        reduction="none",
    ).sum(-1)
    of_labels = functional.cross_entropy(logits[:K], setup.training.labels)
    shares = of_labels, *(weight * temperature**2 * gap[i].sum() / (K + T) for i in (A, B))
    parts = [
        torch.autograd.grad(s, list(setup.student.parameters()), retain_graph=True) for s in shares
    ]
    for whole, *mine in zip(found, *parts, strict=True):
        torch.testing.assert_close(whole, sum(mine), rtol=1e-4, atol=1e-7)
    assert any(part.abs().max() > 1e-4 for part in parts[2])


def test_more_transfer_samples_bring_the_student_nearer_to_its_teacher(tmp_path: Path) -> None:
    """On test samples, of a teacher that knows more than the student's labels."""

    def agreement(transfer: int) -> float:
        more = {"teacher_samples": 400, "transfer_samples": transfer, "epochs": 60}
        call = given("soft", student=Mlp((24,)), **more, teacher_epochs=60, epoch_choice="last")
        store = TeacherStore(tmp_path)
        (found,) = run_replicates(*call, store, replicates=(1000,), test=True)
        assert not isinstance(found, Exception)
        value = found.metrics["teacher_agreement"]
        assert isinstance(value, float)
        return value

    assert agreement(400) > agreement(0) + 0.05


def test_scratch_sees_the_same_batches_with_and_without(tmp_path: Path) -> None:
    """A weight of 0 on the terms is training from scratch: transfer samples add no steps."""
    plain = run(*given("scratch"), TeacherStore(tmp_path), replicate=0, test=False)
    off = run(*given("soft", weight_soft=0.0), TeacherStore(tmp_path), replicate=0, test=False)
    for ours, theirs in zip(off.curve, plain.curve, strict=True):
        assert ours.cross_entropy == pytest.approx(theirs.cross_entropy, rel=1e-5)


def test_a_plan_refuses_more_than_there_are() -> None:
    make_plan(study(), DIGITS)
    with pytest.raises(InputError, match=r"transfer_samples=1200 is larger than what is left: dig"):
        make_plan(study(transfer_samples=1200), DIGITS)
