"""Controls do what they are named for; parts of training against loops written by hand."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from qkd_study.common.artifact_store import FolderArtifactStore
from qkd_study.common.seeds import derive
from qkd_study.data import Arrays, load
from qkd_study.distill import (
    Objective,
    RunResult,
    Samples,
    TeacherSpec,
    TeacherStore,
    TrainingConfig,
    run,
    sample_splits,
    soft_target_loss,
    spoiled,
    train,
    training_config,
)
from qkd_study.distill.teacher_ending import TeacherEnding
from qkd_study.distill.tensors import read_tensors
from qkd_study.distill.training import TrainingResult
from qkd_study.models import Model, Outputs, build_model, predict
from qkd_study.study import (
    ARMS,
    Arm,
    ClassicalToClassical,
    ClassicalToHybrid,
    ClassicalToQuantum,
    Config,
    Ensemble,
    FullyQuantum,
    HybridCircuit,
    Mlp,
    QuantumToClassical,
    QuantumToQuantum,
    Quanvolution,
    SelfDistillation,
    Study,
)
from qkd_study.study.setting import Setting

_RNG = np.random.default_rng(0)
_LABELS = np.arange(300) % 3
DATA = Arrays("made", 0.3 * _LABELS[:, None, None] + 0.5 * _RNG.random((300, 4, 4)), _LABELS)
DATASET = load(DATA)
QUICK: dict[str, Any] = {
    "samples": 12,
    "teacher_samples": 18,
    "validation_samples": 30,
    "epochs": 3,
    "teacher_epochs": 3,
    "batch_size": 5,
}


def configured(setting: Setting, arm: Arm | str, **fixed: Any) -> tuple[Arm, Config]:
    study = Study(question="?", setting=setting, arms=(arm,), fixed={**QUICK, **fixed})
    (made,) = study.all_arms
    return made, study.config(study.cells()[0], made, {}, DATASET.name)


def ordered(setting: Setting, arm: Arm | str, replicate: int = 0, **fixed: Any) -> TeacherSpec:
    made, config = configured(setting, arm, **fixed)
    return TeacherSpec.of(setting, made, config, DATASET, replicate)


def go(store: TeacherStore, setting: Setting, arm: Arm | str, **fixed: Any) -> RunResult:
    made, config = configured(setting, arm, **fixed)
    return run(setting, made, config, DATASET, store, replicate=1000, test=True)


def weights(folder: Path, order: TeacherSpec) -> dict[str, Tensor]:
    """The trained teacher of an order, from its file."""
    kept = read_tensors(FolderArtifactStore(folder), order.name())
    assert kept is not None
    TeacherEnding.taken(kept)  # which is stored beside the weights
    return kept


# Spoiled teachers


def answers(count: int, seed: int = 0) -> Outputs:
    """Logits and features that tell samples apart."""
    rng = torch.Generator().manual_seed(seed)
    return Outputs(
        torch.randn(count, 3, generator=rng),
        torch.randn(count, 2, 4, generator=rng),
        torch.randn(count, 4, dtype=torch.complex64, generator=rng),
    )


def rows(tensor: Tensor) -> list[tuple[float, ...]]:
    return [tuple(row) for row in tensor.flatten(1).tolist()]


@given(st.integers(2, 40), st.integers(0, 2**63 - 1))
@settings(max_examples=60, deadline=None)
def test_shuffled_means_anothers_and_nobodys_twice(count: int, seed: int) -> None:
    whole = answers(count)
    for how, name, other in (
        ("shuffled labels", "logits", "features"),
        ("shuffled features", "features", "logits"),
    ):
        made = spoiled(whole, how, seed=seed)
        before, after = rows(getattr(whole, name)), rows(getattr(made, name))
        assert Counter(before) == Counter(after)
        assert all(mine != now for mine, now in zip(before, after, strict=True))
        assert torch.equal(getattr(made, other), getattr(whole, other))


def test_constant_features_are_the_mean() -> None:
    whole = answers(7)
    made = spoiled(whole, "constant features", seed=0)
    assert torch.equal(made.logits, whole.logits)
    assert made.features.shape == whole.features.shape
    mean = torch.from_numpy(whole.features.numpy().mean(0))
    for row in made.features:
        torch.testing.assert_close(row, mean)


@pytest.mark.parametrize("how", ["nothing", "constant features"])
def test_no_chance_where_nothing_is_shuffled(how: str) -> None:
    whole = answers(5)
    for one, two in zip(spoiled(whole, how, seed=1), spoiled(whole, how, seed=2), strict=True):
        assert one is not None
        assert two is not None
        assert torch.equal(one, two)


def test_the_seed_decides_who_gets_whose() -> None:
    whole = answers(20)
    one, again, other = (spoiled(whole, "shuffled labels", seed=s).logits for s in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("how", ["nothing", "shuffled labels", "constant features"])
def test_the_teacher_itself_is_left_alone(how: str) -> None:
    whole = answers(6)
    kept = [part.clone() for part in whole if part is not None]
    spoiled(whole, how, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(whole, kept, strict=True) if a is not None)


@pytest.mark.parametrize("arm", ["shuffled-labels", "shuffled-features", "constant-features"])
def test_spoiling_changes_the_student_and_not_the_teacher(tmp_path: Path, arm: str) -> None:
    store = TeacherStore(tmp_path)
    setting = QuantumToClassical()
    spoilt = go(store, setting, arm)
    whole = go(store, setting, "soft" if arm == "shuffled-labels" else "soft+features")
    assert len(list(tmp_path.glob("*-test.safetensors"))) == 1  # one teacher for both
    assert spoilt.metrics["teacher_test_accuracy"] == whole.metrics["teacher_test_accuracy"]
    part = "soft" if arm == "shuffled-labels" else "features"
    assert spoilt.curve[0].parts[part] != whole.curve[0].parts[part]
    assert spoilt.curve[0].total != whole.curve[0].total


# Teachers of random features, and teachers like the student


@pytest.mark.parametrize(
    ("setting", "fixed"),
    [
        (QuantumToClassical(), {}),
        (ClassicalToHybrid(), {}),
        (QuantumToQuantum(), {}),
        (QuantumToQuantum(), {"qubits": 2, "teacher_qubits": 3, "reduction": "linear"}),
        (ClassicalToQuantum(teacher=Ensemble(Mlp((4,)), members=2)), {}),
        (SelfDistillation(FullyQuantum(scale=True)), {}),
        (SelfDistillation(FullyQuantum()), {}),
    ],
)
def test_a_random_teacher_trains_its_last_layer_alone(
    tmp_path: Path, setting: Setting, fixed: dict[str, Any]
) -> None:
    order = ordered(setting, "random-teacher", **fixed)
    TeacherStore(tmp_path).get(order)
    model = order.build()
    head = {id(p) for p in model.head_parameters()}
    drawn_at_first = dict(model.named_parameters())
    trained = weights(tmp_path, order)
    assert drawn_at_first.keys() <= trained.keys()
    for name, value in drawn_at_first.items():
        assert torch.equal(trained[name], value) == (id(value) not in head), name


def test_a_random_teacher_starts_as_the_trained_one() -> None:
    random, own = (ordered(QuantumToClassical(), arm) for arm in ("random-teacher", "soft"))
    assert random.name() != own.name()
    state = own.build().state_dict()
    assert all(torch.equal(v, state[k]) for k, v in random.build().state_dict().items())


def test_the_cost_of_a_random_teacher_is_its_last_layer(tmp_path: Path) -> None:
    result = go(TeacherStore(tmp_path), QuantumToClassical(filters=2), "random-teacher")
    assert result.costs["teacher_parameters"] == (2 * 4 + 1) * 3


@pytest.mark.parametrize("trainable", [True, False])
def test_a_frozen_quanvolution_keeps_its_angles(tmp_path: Path, trainable: bool) -> None:
    order = ordered(QuantumToClassical(trainable=trainable), "soft")
    TeacherStore(tmp_path).get(order)
    before, after = order.build().state_dict(), weights(tmp_path, order)
    assert torch.equal(after["quanvolution.theta"], before["quanvolution.theta"]) != trainable
    assert not torch.equal(after["head.weight"], before["head.weight"])


def test_a_frozen_quanvolution_as_a_student_keeps_its_angles() -> None:
    setting = SelfDistillation(Quanvolution(filters=2, trainable=False))
    _, config = configured(setting, "scratch")
    model: Any = student_of(setting, config)
    before = model.quanvolution.theta.clone()
    training, _, validation = sample_splits(config, DATASET, 0)
    train(
        model, training, validation, Objective(), training_config(config, ARMS["scratch"]), seed=0
    )
    assert torch.equal(model.quanvolution.theta, before)


def student_of(setting: Setting, config: Config, seed: int = 0) -> Model:
    return build_model(setting.student_model, config, DATASET.shape, DATASET.classes, seed=seed)


@pytest.mark.parametrize(
    "setting",
    [
        QuantumToClassical(),
        ClassicalToHybrid(),
        ClassicalToQuantum(student=FullyQuantum(scale=True)),
        QuantumToQuantum(),
        ClassicalToClassical(),
    ],
)
def test_a_self_teacher_is_the_student_drawn_again(tmp_path: Path, setting: Setting) -> None:
    fixed = {"teacher_depth": 3} if isinstance(setting, QuantumToQuantum) else {}
    order = ordered(setting, "self-teacher", **fixed)
    student = student_of(setting, order.config, derive(order.config.seed, 0, "student weights"))
    teacher = order.build()
    assert type(teacher) is type(student)
    own, other = teacher.state_dict(), student.state_dict()
    assert {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in other.items()}
    for name, value in teacher.named_parameters():
        same_start = name == "scale"  # starts at 1, whoever has it
        assert torch.equal(value, other[name]) == same_start, name
    assert order.name() != ordered(setting, "soft", **fixed).name()


def test_a_larger_circuit_reduces_its_inputs_in_its_own_way(tmp_path: Path) -> None:
    fixed: dict[str, Any] = {"qubits": 2, "teacher_qubits": 3, "reduction": "crop"}
    fixed["teacher_reduction"] = "average"
    order = ordered(QuantumToQuantum(), "soft", **fixed)
    images = order.samples()[0].inputs
    teacher: Any = order.build()
    # 8 amplitudes: the means of pairs of pixels of a 4x4 image, one below the other, normalised.
    means = images.unflatten(1, (2, 2)).mean(2).flatten(1)
    states = means / means.norm(dim=1, keepdim=True)
    torch.testing.assert_close(teacher.prepare(images), states)
    student: Any = student_of(QuantumToQuantum(), order.config, 0)
    middle = images[:, 1:3, 1:3].flatten(1)
    torch.testing.assert_close(
        student.prepare(images), middle / middle.norm(dim=1, keepdim=True), atol=1e-6, rtol=1e-6
    )
    same = {**fixed, "teacher_reduction": "crop"}
    follows = {k: v for k, v in same.items() if k != "teacher_reduction"}
    names = [ordered(QuantumToQuantum(), "soft", **f).name() for f in (fixed, same, follows)]
    assert names[0] != names[1] == names[2]


def test_a_self_teacher_answers_otherwise_than_the_student_it_resembles(tmp_path: Path) -> None:
    # Steps this small change no weight: what differs are the initial ones.
    still = {"learning_rate": 1e-12, "teacher_learning_rate": 1e-12}
    result = go(TeacherStore(tmp_path), ClassicalToClassical(), "self-teacher", **still)
    assert result.curve[0].parts["soft"] > 1e-3


# Label noise


def noisy(share: float) -> tuple[Samples, Samples, Samples]:
    _, config = configured(QuantumToClassical(), "soft", label_noise=share)
    return sample_splits(config, DATASET, 0)


def test_label_noise_hits_teacher_and_student_alike_and_nobody_else() -> None:
    clean, wrong = noisy(0.0), noisy(0.5)
    for before, after in zip(clean, wrong, strict=True):
        assert torch.equal(before.inputs, after.inputs)
    changed = wrong[1].labels != clean[1].labels
    assert 4 <= changed.sum() <= 14  # about half of the teacher's 18
    # The student's are the first of the teacher's, with the same mistakes.
    assert torch.equal(wrong[0].labels, wrong[1].labels[:12])
    assert torch.equal(wrong[2].labels, clean[2].labels)
    pool = {
        row.tobytes(): label
        for row, label in zip(DATASET.pool_raw, DATASET.pool_labels, strict=True)
    }
    assert wrong[2].labels.tolist() == [pool[row.numpy().tobytes()] for row in wrong[2].inputs]


def test_label_noise_makes_another_teacher_that_learns_worse(tmp_path: Path) -> None:
    store = TeacherStore(tmp_path)
    found: list[dict[str, Any]] = []
    for share in (0.0, 1.0):
        fixed = {"samples": 60, "teacher_samples": 60, "epochs": 60, "teacher_epochs": 60}
        made = go(
            store, ClassicalToClassical(), "soft", label_noise=share, learning_rate=0.05, **fixed
        )
        found.append(made.metrics)
    # A third would be chance; where every label is wrong, validation still picks an epoch.
    for name in ("teacher_test_accuracy", "test_accuracy"):
        assert found[0][name] > 0.8 > 0.5 > found[1][name]


def test_gates_are_those_of_the_student_and_without_one_of_the_teacher(tmp_path: Path) -> None:
    store = TeacherStore(tmp_path)
    alone = go(store, QuantumToQuantum(), "scratch", depth=2).costs["gates"]
    taught = go(store, QuantumToQuantum(), "soft", depth=2, teacher_depth=5).costs["gates"]
    larger = go(store, QuantumToQuantum(), "scratch", depth=5).costs["gates"]
    assert alone == taught
    assert alone is not None
    assert larger is not None
    assert 0 < alone < larger
    assert go(store, QuantumToClassical(), "scratch").costs["gates"] == 0
    of_teacher = go(store, QuantumToClassical(), "soft").costs["gates"]
    assert of_teacher is not None
    assert of_teacher > 0


# Generations


@pytest.mark.parametrize(
    "setting", [SelfDistillation(), ClassicalToHybrid(Ensemble(Mlp((4,)), members=2))]
)
def test_generations_are_teachers_of_their_own(tmp_path: Path, setting: Setting) -> None:
    orders = [ordered(setting, "soft", generations=n) for n in (1, 2, 3)]
    assert len({order.name() for order in orders}) == 3
    recipes = [order.recipe() for order in orders]
    assert [recipe.pop("generation") for recipe in recipes] == [1, 2, 3]
    # Only what was taught has a temperature.
    assert recipes[1] == recipes[2] == {**recipes[0], "temperature": 4.0}
    store = TeacherStore(tmp_path)
    store.get(orders[2])  # trains those before it too
    assert {p.stem for p in tmp_path.glob("*.safetensors")} == {o.name() for o in orders}
    spent = store.seconds
    answers = [store.get(order).train.logits for order in orders]
    assert store.seconds == spent
    assert not torch.equal(answers[0], answers[1])
    assert not torch.equal(answers[1], answers[2])


def test_a_second_generation_starts_afresh_and_is_taught_by_the_first(tmp_path: Path) -> None:
    setting = ClassicalToClassical(Mlp((4,)), Mlp(()))
    first, second = (ordered(setting, "soft", generations=n) for n in (1, 2))
    TeacherStore(tmp_path).get(second)
    starts = [order.build().state_dict() for order in (first, second)]
    assert not any(torch.equal(value, starts[1][name]) for name, value in starts[0].items())

    # By hand: full soft targets at temperature 4 beside the labels, on the teacher's samples.
    taught = first.build()
    taught.load_state_dict(weights(tmp_path, first))
    _, training, validation = sample_splits(second.config, DATASET, 0)
    targets = predict(taught, training.inputs).logits
    model = second.build()
    steps = torch.optim.Adam(model.parameters(), lr=second.config.teacher_learning_rate)
    order = torch.Generator().manual_seed(derive(second.config.seed, 0, "teacher order"))
    found = []
    for _ in range(3):
        for index in torch.randperm(18, generator=order).split(32):
            logits = model(model.prepare(training.inputs[index])).logits
            loss = torch.nn.functional.cross_entropy(logits, training.labels[index])
            loss = loss + soft_target_loss(logits, targets[index], 4.0)
            steps.zero_grad()
            loss.backward()
            steps.step()
        score = (predict(model, validation.inputs).logits.argmax(1) == validation.labels).sum()
        found.append((int(score), {k: v.clone() for k, v in model.state_dict().items()}))
    best = max(score for score, _ in found)
    expected = next(state for score, state in found if score == best)
    for name, value in weights(tmp_path, second).items():
        # A fused Adam rounds otherwise than the plain one.
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)


def test_a_second_generation_is_taught_at_the_temperature_of_the_configuration(
    tmp_path: Path,
) -> None:
    setting, store = ClassicalToClassical(Mlp((4,)), Mlp(())), TeacherStore(tmp_path)
    cold, hot = (
        ordered(
            setting,
            "soft",
            generations=2,
            temperature=temperature,
            teacher_learning_rate=0.1,
            teacher_epochs=20,
        )
        for temperature in (1.0, 9.0)
    )
    before = [order.before() for order in (cold, hot)]
    assert before[0] is not None
    assert before[1] is not None
    assert before[0].name() == before[1].name()
    one, other = (store.get(order).train.logits for order in (cold, hot))
    assert not torch.allclose(one, other, atol=1e-3)
    # An arm without soft targets of its own reads it for its teacher's sake, from two on.
    for generations, temperature in ((1, None), (2, 9.0)):
        _, config = configured(setting, "features", generations=generations, temperature=9.0)
        assert config.temperature == temperature


def test_generations_reach_the_student(tmp_path: Path) -> None:
    store = TeacherStore(tmp_path)
    one, two = (go(store, SelfDistillation(), "soft", generations=n) for n in (1, 2))
    assert one.curve[0].cross_entropy != two.curve[0].cross_entropy
    assert one.curve[0].parts["soft"] != two.curve[0].parts["soft"]


# Ensembles


@pytest.mark.parametrize("of", [Mlp((4,)), HybridCircuit()])
@pytest.mark.parametrize("mean", ["logits", "probabilities"])
def test_members_are_drawn_and_trained_apart(tmp_path: Path, of: Any, mean: Any) -> None:
    setting = ClassicalToClassical(Ensemble(of, members=3, mean=mean), Mlp(()))
    order = ordered(setting, "soft")
    store = TeacherStore(tmp_path)
    together = store.get(order).train
    before, after = order.build().state_dict(), weights(tmp_path, order)
    names = [name.removeprefix("members.0.") for name in after if name.startswith("members.0.")]
    assert len(names) * 3 == len(after)
    for name in names:
        first, second, third = (after[f"members.{number}.{name}"] for number in range(3))
        assert not torch.equal(first, second)
        assert not torch.equal(second, third)
    changed = {key.split(".")[1] for key in after if not torch.equal(after[key], before[key])}
    assert changed == {"0", "1", "2"}
    model: Any = order.build()
    model.load_state_dict(after)
    inputs = order.samples()[0].inputs
    alone = torch.stack([predict(member, inputs).logits for member in model.models])
    expected = alone.softmax(-1).mean(0) if mean == "probabilities" else alone.mean(0).softmax(-1)
    torch.testing.assert_close(together.logits.softmax(-1), expected)


def test_principal_components_of_members_are_fitted(tmp_path: Path) -> None:
    setting = ClassicalToHybrid(Ensemble(HybridCircuit(), members=2), HybridCircuit())
    order = ordered(setting, "soft", qubits=2, reduction="pca")
    TeacherStore(tmp_path).get(order)
    after, (_, training, _) = weights(tmp_path, order), order.samples()
    for number in range(2):
        mean = after[f"members.{number}.reduction.mean"]
        torch.testing.assert_close(mean, training.inputs.flatten(1).mean(0))


# Optimisers, schedules, epochs


def by_hand(steps: Any, schedule: Any, epochs: int) -> list[dict[str, Tensor]]:
    """The weights after every epoch, by plain torch."""
    model, training, _ = taught_samples()
    optimiser = steps(model.parameters())
    rates = schedule(optimiser)
    order = torch.Generator().manual_seed(7)
    found = []
    for _ in range(epochs):
        for index in torch.randperm(len(training.labels), generator=order).split(5):
            logits = model(model.prepare(training.inputs[index])).logits
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(logits, training.labels[index]).backward()
            optimiser.step()
        rates.step()
        found.append({name: value.clone() for name, value in model.state_dict().items()})
    return found


def taught_samples() -> tuple[Model, Samples, Samples]:
    setting = ClassicalToClassical(student=Mlp((6,)))
    _, config = configured(setting, "scratch")
    training, _, validation = sample_splits(config, DATASET, 0)
    return student_of(setting, config), training, validation


OPTIMISERS = {
    "adam": (
        {"optimizer": "adam", "weight_decay": 0.5, "momentum": 0.3},
        lambda p: torch.optim.Adam(p, lr=0.02, fused=False),
    ),
    "adamw": (
        {"optimizer": "adamw", "weight_decay": 0.5},
        lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.5, fused=False),
    ),
    "adamw without decay": (
        {"optimizer": "adamw", "weight_decay": 0.0},
        lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.0, fused=False),
    ),
    "sgd": (
        {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.5},
        lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, fused=False),
    ),
    "sgd without momentum": (
        {"optimizer": "sgd", "momentum": 0.0},
        lambda p: torch.optim.SGD(p, lr=0.02, fused=False),
    ),
}
SCHEDULES = {
    "constant": lambda o: torch.optim.lr_scheduler.ConstantLR(o, factor=1.0),
    "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=8),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_optimisers_and_schedules_are_those_of_torch(optimiser: str, schedule: str) -> None:
    asked, steps = OPTIMISERS[optimiser]
    setting = ClassicalToClassical(student=Mlp((6,)))
    # From a study, so that every one of these parameters is read.
    fixed = {**asked, "learning_rate": 0.02, "epochs": 8, "schedule": schedule}
    _, config = configured(setting, "scratch", **fixed, epoch_choice="last")
    model, training, validation = taught_samples()
    train(
        model, training, validation, Objective(), training_config(config, ARMS["scratch"]), seed=7
    )
    expected = by_hand(steps, SCHEDULES[schedule], 8)[-1]
    for name, value in model.state_dict().items():
        # Fused steps round otherwise: 24 steps of 1e-7 relative, near signs of Adam a bit more.
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=2e-6)


def test_optimisers_and_schedules_differ() -> None:
    ends = [
        by_hand(steps, schedule, 8)[-1]["head.weight"]
        for _, steps in OPTIMISERS.values()
        for schedule in SCHEDULES.values()
    ]
    # Only then does the test above tell them apart. AdamW without decay is Adam.
    for i, one in enumerate(ends):
        for j, other in enumerate(ends[:i]):
            same = {i // 2, j // 2} == {0, 2} and i % 2 == j % 2
            assert torch.allclose(one, other, rtol=1e-3, atol=1e-4) == same


def test_the_cosine_falls_by_epochs_and_never_rises() -> None:
    recipe = TrainingConfig("adam", 0.4, epochs=10, batch_size=1, schedule="cosine")
    rates = [recipe.rate(epoch) for epoch in range(1, 11)]
    assert rates[0] == 0.4
    assert rates[5] == pytest.approx(0.2)
    assert all(a > b > 0 for a, b in pairwise(rates))
    assert rates[9] == pytest.approx(0.2 * (1 + math.cos(0.9 * math.pi)))


def test_the_last_epoch_or_the_best() -> None:
    kept = {}
    for choice in ("best", "last"):
        model, training, validation = taught_samples()
        # Steps this large jump about, so that the best epoch is not the last.
        recipe = TrainingConfig(
            "sgd", 3.0, epochs=12, batch_size=5, momentum=0.9, epoch_choice=choice
        )
        result = train(model, training, validation, Objective(), recipe, seed=7)
        kept[choice] = (result, {k: v.clone() for k, v in model.state_dict().items()})
        logits = predict(model, validation.inputs).logits
        torch.testing.assert_close(logits, result.val_logits)
    best, last = kept["best"][0], kept["last"][0]
    scores = [epoch.val_accuracy or 0 for epoch in best.curve]
    assert [epoch.val_accuracy for epoch in last.curve] == [None] * 11 + scores[11:]
    assert (best.best_epoch, last.best_epoch) == (1 + scores.index(max(scores)), 12)
    assert best.best_epoch < 12
    epochs = by_hand(
        lambda p: torch.optim.SGD(p, lr=3.0, momentum=0.9, fused=False), SCHEDULES["constant"], 12
    )
    for choice, number in (("best", best.best_epoch), ("last", 12)):
        for name, value in kept[choice][1].items():
            torch.testing.assert_close(value, epochs[number - 1][name], rtol=1e-3, atol=1e-3)


def test_of_equally_good_epochs_the_first_is_kept() -> None:
    model, training, validation = taught_samples()
    recipe = TrainingConfig("sgd", 1e-9, epochs=4, batch_size=5)
    result = train(model, training, validation, Objective(), recipe, seed=7)
    assert len({epoch.val_accuracy for epoch in result.curve}) == 1
    assert result.best_epoch == 1


@pytest.mark.parametrize(
    ("choice", "every", "expected"),
    [("best", 5, [5, 10, 12]), ("best", 40, [12]), ("last", 5, [12])],
)
def test_only_some_epochs_are_validated(choice: str, every: int, expected: list[int]) -> None:
    """The training is the same, and epochs are chosen from the validated ones."""
    passes: list[int] = []

    def trained(**chosen: Any) -> tuple[TrainingResult, dict[str, Tensor]]:
        model, training, validation = taught_samples()
        model.register_forward_hook(lambda model, *_: passes.append(int(not model.training)))
        recipe = TrainingConfig("sgd", 3.0, epochs=12, batch_size=5, momentum=0.9, **chosen)
        result = train(model, training, validation, Objective(), recipe, seed=7)
        return result, model.state_dict()

    whole, _ = trained()
    passes.clear()
    result, weights = trained(epoch_choice=choice, validate_every=every)
    assert sum(passes) == len(expected)
    scores = [epoch.val_accuracy or 0 for epoch in whole.curve]
    assert [epoch.total for epoch in result.curve] == [epoch.total for epoch in whole.curve]
    assert [epoch.val_accuracy for epoch in result.curve] == [
        scores[number - 1] if number in expected else None for number in range(1, 13)
    ]
    assert result.best_epoch == max(expected, key=lambda number: scores[number - 1])
    epochs = by_hand(
        lambda p: torch.optim.SGD(p, lr=3.0, momentum=0.9, fused=False), SCHEDULES["constant"], 12
    )
    for name, value in weights.items():
        kept = epochs[result.best_epoch - 1][name]
        torch.testing.assert_close(value, kept, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("choice", ["best", "last"])
def test_the_chosen_epoch_is_in_the_result(tmp_path: Path, choice: str) -> None:
    result = go(
        TeacherStore(tmp_path), QuantumToClassical(), "scratch", epochs=9, epoch_choice=choice
    )
    scores = [epoch.val_accuracy or 0 for epoch in result.curve]
    expected = 9 if choice == "last" else 1 + scores.index(max(scores))
    assert result.metrics["best_epoch"] == expected
    assert result.metrics["val_accuracy"] == scores[expected - 1]


def test_without_validation_samples_students_and_teachers_keep_the_last_epoch(
    tmp_path: Path,
) -> None:
    weights = []
    for held_out in (True, False):
        model, training, validation = taught_samples()
        if not held_out:
            validation = Samples(validation.inputs[:0], validation.labels[:0])
        recipe = TrainingConfig("sgd", 0.1, epochs=6, batch_size=5, epoch_choice="last")
        result = train(model, training, validation, Objective(), recipe, seed=7)
        assert result.best_epoch == 6
        weights.append(model.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert [epoch.val_accuracy for epoch in result.curve] == [None] * 6
    none = {"validation_samples": 0, "epochs": 5, "epoch_choice": "last", "teacher_epochs": 7}
    store = TeacherStore(tmp_path)
    for setting in (QuantumToClassical(), ClassicalToHybrid(teacher=Ensemble(Mlp((4,)), 2))):
        ran = go(store, setting, "soft", **none)
        found = ran.metrics
        assert (found["best_epoch"], found["teacher_best_epoch"]) == (5, 7)
        assert found["teacher_late_rise"] is None
        assert not {"val_accuracy", "val_f1_macro", "teacher_val_accuracy"} & found.keys()
        assert [epoch.val_accuracy for epoch in ran.curve] == [None] * 5


# Draws


def test_fewer_samples_are_the_beginning_of_more() -> None:
    def samples(k: int, m: int) -> tuple[Samples, Samples, Samples]:
        setting = ClassicalToClassical()
        _, config = configured(setting, "soft", samples=k, teacher_samples=m, label_noise=0.3)
        return sample_splits(config, DATASET, 3)

    few, many = samples(6, 6), samples(20, 50)
    assert torch.equal(many[0].inputs, many[1].inputs[:20])
    assert torch.equal(many[0].labels, many[1].labels[:20])
    assert torch.equal(few[0].inputs, many[0].inputs[:6])
    assert torch.equal(few[0].labels, many[0].labels[:6])  # the wrong ones too
    assert torch.equal(few[1].inputs, few[0].inputs)
    assert torch.equal(few[2].inputs, many[2].inputs)
    assert [len(part.labels) for part in many] == [20, 50, 30]


def test_a_teacher_answers_for_the_students_samples_alone(tmp_path: Path) -> None:
    order = ordered(ClassicalToClassical(), "soft")
    found = TeacherStore(tmp_path).get(order).train.logits
    model = order.build()
    model.load_state_dict(weights(tmp_path, order))
    student, teacher, _ = order.samples()
    assert len(found) == 12
    torch.testing.assert_close(found, predict(model, student.inputs).logits)
    torch.testing.assert_close(found, predict(model, teacher.inputs).logits[:12])


# Terms of a study's own


def gap(student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
    """Squared error between logits, of the label alone."""
    index = labels[:, None]
    ours, theirs = student.logits.gather(1, index), teacher.logits.gather(1, index)
    return ((ours - theirs) ** 2).mean()


def test_an_own_term_is_weighted_and_recorded(tmp_path: Path) -> None:
    store, setting, arm = TeacherStore(tmp_path), ClassicalToHybrid(), Arm("mine", (gap,))
    plain = go(store, setting, "scratch")
    found = {w: go(store, setting, arm, weight_own=w) for w in (0.0, 0.5, 20.0)}
    for weight, result in found.items():
        for epoch in result.curve:
            assert epoch.parts.keys() == {"own"}
            assert epoch.parts["own"] > 0
            expected = epoch.cross_entropy + weight * epoch.parts["own"]
            assert epoch.total == pytest.approx(expected, rel=1e-5)
    for ours, theirs in zip(found[0.0].curve, plain.curve, strict=True):
        assert ours.total == pytest.approx(theirs.total, rel=1e-5)
    assert found[20.0].curve[-1].parts["own"] < found[0.0].curve[-1].parts["own"]


def test_an_own_term_sees_the_samples_of_the_batch_and_no_gradient_of_the_teacher(
    tmp_path: Path,
) -> None:
    seen: list[tuple[Tensor, Tensor]] = []

    def watching(student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        assert student.logits.requires_grad
        assert not teacher.logits.requires_grad
        seen.append((teacher.logits, labels))
        return gap(student, teacher, labels)

    store, setting = TeacherStore(tmp_path), ClassicalToClassical()
    arm, config = configured(setting, Arm("mine", (watching,)))
    order = TeacherSpec.of(setting, arm, config, DATASET, 0)
    answer, training = store.get(order).train.logits, order.samples()[0]
    run(setting, arm, config, DATASET, store, replicate=0, test=False)
    assert [len(labels) for _, labels in seen] == [5, 5, 2] * 3
    known = {
        tuple(row.tolist()): int(label) for row, label in zip(answer, training.labels, strict=True)
    }
    for logits, labels in seen:
        assert [known[tuple(row.tolist())] for row in logits] == labels.tolist()


def test_an_own_term_reaches_the_gradient_with_its_weight() -> None:
    arm, config = configured(ClassicalToHybrid(), Arm("mine", ("soft", gap)), weight_own=3.0)
    config = dataclasses.replace(config, weight_soft=0.0)
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    student, teacher = Outputs(logits, logits), answers(4)
    labels = torch.tensor([0, 2, 1, 1])
    terms = Objective.of(config, arm)(student, labels, teacher)
    (gradient,) = torch.autograd.grad(terms.total, logits)
    expected = torch.nn.functional.cross_entropy(logits, labels) + 3 * gap(student, teacher, labels)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, logits)[0])
    assert terms.parts.keys() == {"soft", "own"}
