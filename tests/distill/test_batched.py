"""Replicates in one batch against the one-by-one path, which is the independent computation.

Every kind of model that can be batched passes the same tests.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qkd_study.data import Arrays, Dataset, load
from qkd_study.distill import (
    Diverged,
    Objective,
    RunResult,
    Samples,
    TeacherSpec,
    TeacherStore,
    TrainingConfig,
    run,
    run_replicates,
    runs_in_batch,
    train,
)
from qkd_study.distill.batched import KINDS, batch_models, can_batch, train_batched
from qkd_study.distill.batched.arrays import PaddedSamples, aligned_zeros
from qkd_study.distill.batched.convolution import BatchedConvolution
from qkd_study.distill.batched.filters import BatchedFilters
from qkd_study.distill.batched.objective import BATCHED_TERMS, losses, targets
from qkd_study.distill.losses import LOSSES
from qkd_study.distill.run import set_up_run
from qkd_study.models import Model, Outputs, build_model, seed_dropout
from qkd_study.quantum import Circuit, Gate
from qkd_study.study import (
    ClassicalToClassical,
    ClassicalToHybrid,
    Config,
    Convolution,
    EffectiveMlp,
    FourierFeatures,
    FullyQuantum,
    HybridCircuit,
    HybridImage,
    MatchedMlp,
    Mlp,
    PatchPolynomial,
    Polynomial,
    QuantumToClassical,
    Quanvolution,
    SelfDistillation,
    Setting,
    Study,
)
from qkd_study.study.arms import ARMS, Arm
from qkd_study.study.config import ACTIVATIONS, TERMS

DIGITS, XOR = load("digits"), load("xor4")
SHORT = {"samples": 45, "epochs": 5, "teacher_epochs": 3, "validation_samples": 50}
CIRCUIT = {"qubits": 6, "depth": 2, "ansatz": "strongly-entangling"}
Q2C, C2Q = QuantumToClassical(), ClassicalToHybrid(teacher=Mlp((18,)), student=HybridCircuit())
C2C = ClassicalToClassical(teacher=Mlp((7,)), student=Mlp((7,)))
SELF = SelfDistillation(HybridCircuit())
QUANTUM = SelfDistillation(FullyQuantum())
SCALED = SelfDistillation(FullyQuantum(scale=True))
LINEAR = {"reduction": "linear"}
QUANVOLUTION = SelfDistillation(Quanvolution())
FILTERS = ClassicalToHybrid(teacher=Mlp((7,)), student=Quanvolution(filters=5, stride=1))
FROZEN = ClassicalToHybrid(teacher=Mlp((7,)), student=Quanvolution(trainable=False))

IMAGES = ClassicalToHybrid(teacher=Mlp((7,)), student=HybridImage(channels=(3, 5)))
SELF_IMAGES = SelfDistillation(HybridImage())
SHALLOW = {"qubits": 4, "depth": 2}


def one_angle(qubits: int, depth: int) -> Circuit:
    """An ansatz with a single parameter."""
    entangle = [Gate("CNOT", (wire, wire + 1)) for wire in range(qubits - 1)]
    return Circuit(qubits, (Gate("RY", (0,), 0), *entangle))


DEEP = ClassicalToClassical(Mlp((5,)), Mlp((9, 7)))
TEACHERS_DROPOUT = {"teacher_activation": "relu", "teacher_dropout": 0.25}
PIXELS = PatchPolynomial(order="all")
PAIRS = ClassicalToClassical(Convolution(4), PatchPolynomial(4))
POLYNOMIALS = ClassicalToClassical(PatchPolynomial(4), PatchPolynomial(4))
CHANNELS = np.random.default_rng(0).random((150, 3, 6, 8))
COLOUR = load(Arrays("colour", CHANNELS, np.arange(150) % 3, test_share=0.2))
SMALL = {"qubits": 3, "reduction": "average"}
ANGLES = {"qubits": 4, "reduction": "pca", "embedding": "angle"}
ONE = ClassicalToHybrid(student=HybridCircuit(ansatz=one_angle))

#: Setting, dataset, arm, and what differs from `SHORT`.
CASES: dict[str, tuple[Setting, Dataset, str, dict[str, Any]]] = {
    "Q2C scratch": (Q2C, DIGITS, "scratch", {"schedule": "cosine", "samples": 32}),
    "Q2C scaled": (Q2C, DIGITS, "scaled-ce", {"optimizer": "sgd", "samples": 20}),
    "Q2C smoothed": (Q2C, DIGITS, "label-smoothing", {"optimizer": "adamw", "batch_size": 7}),
    "Q2C soft": (Q2C, DIGITS, "soft", {"epoch_choice": "last"}),
    "Q2C features": (Q2C, DIGITS, "features", {}),
    "Q2C both": (Q2C, DIGITS, "soft+features", {"weight_soft": 3.0, "weight_features": 0.5}),
    "Q2C constant": (Q2C, DIGITS, "constant-features", {}),
    "Q2C shuffled": (Q2C, DIGITS, "shuffled-features", {"weight_soft": 0.0}),
    "Q2C classical": (Q2C, DIGITS, "classical-teacher", {"label_noise": 0.2}),
    "Q2C random": (Q2C, DIGITS, "random-teacher", {}),
    "Q2C every second": (Q2C, DIGITS, "classical-teacher", {"validate_every": 2}),
    "odd filters": (QuantumToClassical(filters=5, kernel=3, stride=1), DIGITS, "scratch", {}),
    "quanvolution in colour": (QUANVOLUTION, COLOUR, "soft+features", {"samples": 20}),
    "pairs of pixels in colour": (POLYNOMIALS, COLOUR, "soft+features", {"samples": 20}),
    "C2Q soft": (C2Q, XOR, "soft", CIRCUIT),
    "C2Q labels": (C2Q, XOR, "shuffled-labels", CIRCUIT),
    "C2Q self": (C2Q, XOR, "self-teacher", {**CIRCUIT, "generations": 2}),
    "C2Q matrix": (C2Q, XOR, "soft", {**CIRCUIT, "plan": "matrix"}),
    "C2Q register": (C2Q, XOR, "scratch", {**CIRCUIT, "plan": "register"}),
    "C2Q plain": (C2Q, XOR, "scratch", {**CIRCUIT, "plan": "plain", "samples": 6}),
    "C2Q random": (C2Q, XOR, "scratch", {**CIRCUIT, "ansatz": "random"}),
    "C2Q pca": (C2Q, XOR, "scratch", {**CIRCUIT, "reduction": "pca", "embedding": "angle"}),
    "C2Q one angle": (ONE, XOR, "soft", {"qubits": 6, "depth": 1}),
    "self features": (SELF, XOR, "soft+features", {**CIRCUIT, "plan": "register"}),
    "quanvolution": (QUANVOLUTION, DIGITS, "soft+features", {"generations": 2}),
    "quanvolution amplitudes": (FILTERS, DIGITS, "soft", {"qubits": 3, "samples": 33}),
    "quanvolution deep": (FILTERS, DIGITS, "scratch", {"qubits": 5, "depth": 2}),
    "quanvolution frozen": (FROZEN, DIGITS, "soft", {"optimizer": "adamw"}),
    "quantum": (QUANTUM, XOR, "soft+features", {**CIRCUIT, "plan": "register"}),
    "quantum matrix": (QUANTUM, XOR, "soft", {**CIRCUIT, "plan": "matrix"}),
    "quantum scaled": (SCALED, XOR, "soft+features", {**CIRCUIT, "qubits": 4, **LINEAR}),
    "C2Q linear angles": (C2Q, XOR, "soft", {**CIRCUIT, **LINEAR, "embedding": "angle"}),
    "C2Q linear register": (C2Q, XOR, "soft", {**CIRCUIT, **LINEAR, "plan": "register"}),
    "pairs of pixels": (PAIRS, DIGITS, "soft+features", {}),
    "all pixels": (ClassicalToClassical(PIXELS, PIXELS), DIGITS, "features", {}),
    "polynomial": (ClassicalToClassical(student=Polynomial("all")), XOR, "soft", ANGLES),
    "amplitudes": (ClassicalToClassical(student=Polynomial()), XOR, "soft", SMALL),
    "Fourier": (ClassicalToClassical(FourierFeatures(), FourierFeatures(40)), DIGITS, "soft", {}),
    "matched": (ClassicalToClassical(student=MatchedMlp()), XOR, "soft", CIRCUIT),
    "effective": (ClassicalToClassical(student=EffectiveMlp()), XOR, "soft", CIRCUIT),
    "Q2C matched": (Q2C, DIGITS, "matched-teacher", {}),
    "Q2C separable": (Q2C, DIGITS, "separable-teacher", {}),
    "Q2C quadratic": (Q2C, DIGITS, "quadratic-teacher", {}),
    "Q2C ReLU": (Q2C, DIGITS, "soft+features", {"activation": "relu", "dropout": 0.3}),
    "Q2C GELU": (Q2C, DIGITS, "classical-teacher", {"activation": "gelu", **TEACHERS_DROPOUT}),
    "Q2C dropout": (Q2C, DIGITS, "soft+features", {"dropout": 0.2}),
    "Q2C linear": (Q2C, DIGITS, "scratch", {"activation": "identity"}),
    "C2C GELU": (C2C, DIGITS, "soft+features", {"activation": "gelu", "dropout": 0.4}),
    "C2C tanh": (DEEP, DIGITS, "soft", {"activation": "tanh", "dropout": 0.1}),
    "C2C wide": (C2C, DIGITS, "self-teacher", {"hidden": 20, "activation": "identity"}),
    "decayed": (Q2C, DIGITS, "decayed", {"weight_decay": 1.0}),
    "images": (IMAGES, DIGITS, "soft", {**SHALLOW, "samples": 70, "batch_size": 40}),
    "images register": (SELF_IMAGES, DIGITS, "soft+features", {"qubits": 3, "plan": "register"}),
    "C2C": (C2C, DIGITS, "soft+features", {}),
    "C2C linear": (ClassicalToClassical(student=Mlp(())), XOR, "soft", {"samples": 33}),
}


def made(name: str, **more: Any) -> tuple[Setting, Arm, Config, Dataset]:
    setting, dataset, arm_name, changes = CASES[name]
    declared = {*SHORT, "batch_size", "embedding", "reduction", "qubits", "hidden"}
    fixed = {**SHORT, **{k: v for k, v in changes.items() if k in declared}}
    study = Study(question="?", setting=setting, datasets=(dataset.name,), fixed=fixed)
    arm = ARMS[arm_name]
    config = study.config(study.cells()[0], arm, {}, dataset.name)
    rest = {name: value for name, value in changes.items() if name not in fixed}
    return setting, arm, dataclasses.replace(config, **{**rest, **more}), dataset


def both(folder: Path, name: str, replicates: tuple[int, ...], **more: Any) -> Any:
    """Results side by side and one by one, with the same teachers."""
    setting, arm, config, dataset = made(name, **more)
    batched = run_replicates(
        setting, arm, config, dataset, TeacherStore(folder), replicates=replicates, test=True
    )
    alone = [
        run(setting, arm, config, dataset, TeacherStore(folder), replicate=r, test=True)
        for r in replicates
    ]
    return batched, alone


def numbers(result: Any) -> Any:
    """All of a result but times."""
    assert isinstance(result, RunResult), result
    curve = [dataclasses.replace(epoch, seconds=0) for epoch in result.curve]
    costs = {name: cost for name, cost in result.costs.items() if "seconds" not in name}
    return result.metrics, costs, result.backend, result.plan, curve


def compare(mine: RunResult, other: RunResult, test: int) -> None:
    """Equal but for rounding."""
    assert mine.metrics.keys() == other.metrics.keys()
    assert (mine.backend, mine.plan) == (other.backend, other.plan)
    for name in ("parameters", "parameters_quantum", "teacher_parameters", "gates"):
        assert mine.costs[name] == other.costs[name]
    for one, two in zip(mine.curve, other.curve, strict=True):
        assert one.parts.keys() == two.parts.keys()
        for part in one.parts:
            # Soft targets: T^2 = 16 times a sum of differences of logarithms in single precision.
            assert one.parts[part] == pytest.approx(two.parts[part], rel=5e-6, abs=2e-6)
        assert one.total == pytest.approx(two.total, rel=5e-6)
        assert one.cross_entropy == pytest.approx(two.cross_entropy, rel=5e-6)
        assert one.train_accuracy == pytest.approx(two.train_accuracy, abs=1e-12)
        assert one.val_accuracy == pytest.approx(two.val_accuracy, abs=1e-12)
    scored(mine, other, test)


def scored(mine: RunResult, other: RunResult, test: int) -> None:
    """Equal scores: no sample in another class."""
    assert mine.metrics["best_epoch"] == other.metrics["best_epoch"]
    assert mine.metrics["test_nll"] == pytest.approx(other.metrics["test_nll"], rel=5e-6)
    assert mine.metrics["test_ece"] == pytest.approx(other.metrics["test_ece"], abs=1.5 / test)
    names = {"val_accuracy", "val_f1_macro", "test_accuracy", "test_f1_macro"}
    for name in names | (mine.metrics.keys() & {"teacher_agreement", "teacher_test_accuracy"}):
        assert mine.metrics[name] == pytest.approx(other.metrics[name], abs=1e-12)


def test_every_kind_is_among_the_cases() -> None:
    assert {type(setting.student_model) for setting, *_ in CASES.values()} == set(KINDS)


@pytest.mark.parametrize("name", CASES)
def test_a_batch_is_one_by_one(tmp_path: Path, name: str) -> None:
    setting, arm, config, dataset = made(name)
    assert runs_in_batch(setting, arm, config, dataset)
    batched, alone = both(tmp_path, name, (1000, 1001, 1002))
    for mine, other in zip(batched, alone, strict=True):
        compare(mine, other, len(dataset.test_labels))
        validated = [epoch.epoch for epoch in mine.curve if epoch.val_accuracy is not None]
        every = {"Q2C soft": [5], "Q2C every second": [2, 4, 5]}
        assert validated == every.get(name, [1, 2, 3, 4, 5])
        assert len(mine.curve) == config.epochs
        if not arm.needs_teacher:  # else the first to need it counts the teacher's
            counts = [result.costs["circuit_executions"] for result in (mine, other)]
            assert counts[0] == batched[0].costs["circuit_executions"]
            assert bool(counts[0]) == bool(counts[1])
            assert counts[0] <= counts[1]


def test_a_batch_without_validation_samples_is_one_by_one(tmp_path: Path) -> None:
    batched, alone = both(tmp_path, "Q2C soft", (1000, 1001), validation_samples=0)
    for mine, other in zip(batched, alone, strict=True):
        assert mine.metrics.keys() == other.metrics.keys()
        assert "val_accuracy" not in mine.metrics
        assert (mine.metrics["best_epoch"], mine.metrics["teacher_late_rise"]) == (5, None)
        assert mine.metrics["test_nll"] == pytest.approx(other.metrics["test_nll"], rel=1e-4)
        assert mine.curve[-1].total == pytest.approx(other.curve[-1].total, rel=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        *("Q2C both", "Q2C smoothed", "Q2C random", "odd filters", "C2C", "quantum"),
        *("Q2C every second", "Q2C ReLU", "C2C GELU", "pairs of pixels", "matched"),
        *("images", "quanvolution", "quanvolution amplitudes", "quanvolution frozen"),
        "quantum scaled",
        *("C2Q soft", "C2Q matrix", "C2Q pca", "C2Q linear angles", "C2Q linear register"),
    ],
)
def test_a_result_does_not_depend_on_the_group(tmp_path: Path, name: str) -> None:
    setting, arm, config, dataset = made(name)

    def go(*replicates: int) -> dict[int, Any]:
        # A folder for each group: teachers must not depend on it either.
        store = TeacherStore(tmp_path / str(replicates))
        results = run_replicates(
            setting, arm, config, dataset, store, replicates=replicates, test=True
        )
        return dict(zip(replicates, map(numbers, results), strict=True))

    whole = go(1000, 1001, 1002, 1003, 1004)
    for group in ((1002,), (1001, 1002, 1004), (1004, 1002), (1000, 1003)):
        part = go(*group)
        assert part == {replicate: whole[replicate] for replicate in group}
    files = {p.name: p.read_bytes() for p in tmp_path.rglob("*.safetensors")}
    for path in tmp_path.rglob("*.safetensors"):
        assert path.read_bytes() == files[path.name]
    assert bool(files) == arm.needs_teacher


def test_nor_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = set()
    whole = BatchedConvolution.evaluate

    def evaluate(self: BatchedConvolution, *arguments: Any) -> Any:
        seen.add(torch.get_num_threads())
        return whole(self, *arguments)

    monkeypatch.setattr(BatchedConvolution, "evaluate", evaluate)
    threads = torch.get_num_threads()
    found = []
    for count in (1, 2):
        torch.set_num_threads(count)
        try:
            setting, arm, config, dataset = made("odd filters")
            given = (setting, arm, config, dataset, TeacherStore(tmp_path))
            found.append(run_replicates(*given, replicates=(0, 1, 2), test=True))
            assert torch.get_num_threads() == count
        finally:
            torch.set_num_threads(threads)
    assert seen == {1}
    assert [numbers(result) for result in found[0]] == [numbers(result) for result in found[1]]


@pytest.mark.parametrize(
    "kind", ["Q2C scratch", "odd filters", "quanvolution", "C2Q soft", "C2C", "images"]
)
def test_every_matrix_is_aligned(kind: str) -> None:
    batch = batch_models(made(kind)[0].student_model, group(5, kind)[0])
    gradients = {f"for {name}": value for name, value in batch.parameters.gradients.items()}
    held = {**batch.parameters.values, **gradients}
    held["zeros"] = aligned_zeros(5, 3, 5)
    samples = PaddedSamples(5, [torch.rand(3, 40, 7)] * 5)
    held["samples"] = samples.take(torch.zeros(5, 32, dtype=torch.int64))
    if isinstance(batch, BatchedFilters):
        held["filters"] = batch._weights()
    for name, matrices in held.items():
        assert [matrix.data_ptr() % 64 for matrix in matrices] == [0] * 5, name
    for row in batch.parameters.rows:
        assert row.shape[1] % 32 == 0


@pytest.mark.parametrize(
    ("setting", "dataset"),
    [
        (ClassicalToClassical(student=Mlp((1,))), XOR),
        (QuantumToClassical(filters=1), DIGITS),
        (QuantumToClassical(filters=2, kernel=8, stride=8), DIGITS),
    ],
    ids=["one unit", "one filter", "one patch"],
)
def test_layers_of_one_unit_run_one_by_one(
    tmp_path: Path, setting: Setting, dataset: Dataset
) -> None:
    _, arm, config, _ = made("Q2C scratch")
    assert not can_batch(setting.student_model, (), config, dataset.shape)
    given = (setting, arm, config, dataset, TeacherStore(tmp_path))
    for mine, replicate in zip(
        run_replicates(*given, replicates=(7, 8), test=False), (7, 8), strict=True
    ):
        assert numbers(mine) == numbers(run(*given, replicate=replicate, test=False))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "auto"])
@pytest.mark.parametrize("kind", ["Q2C both", "C2C", "C2C tanh"])
def test_gradients_are_those_of_autograd(kind: str, activation: str, dropout: float) -> None:
    setting = made(kind)[0]
    models, training = group(2, kind, activation=activation, dropout=dropout)
    batch, seeds = batch_models(setting.student_model, models), (3, 4)
    for layer in batch.dropouts:
        layer.seed(seeds)
    inputs = [model.prepare(mine.inputs) for model, mine in zip(models, training, strict=True)]
    padded = torch.stack([batch.inputs(mine) for mine in inputs])
    count = padded.shape[2]
    padded = torch.nn.functional.pad(padded, (0, 0, 0, 64 - count))
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        logits, features = batch.forward(padded, count)
        for_logits = torch.randn(logits.shape, generator=rng)
        for_features = torch.randn(features.shape, generator=rng)
        for_logits[..., count:] = for_features[:, :, count:] = 0
        batch.backward(for_logits.clone(), for_features.clone(), 0.5)
    for number, (model, mine) in enumerate(zip(models, inputs, strict=True)):
        seed_dropout(model, seeds[number])
        outputs = model.train()(mine)
        torch.testing.assert_close(logits[number, :, :count].T, outputs.logits)
        for_mine = for_features[number, :, :count].transpose(0, 1).reshape(outputs.features.shape)
        loss = (outputs.logits * for_logits[number, :, :count].T).sum()
        (loss + 0.5 * (outputs.features * for_mine).sum()).backward()
        for parameter in model.parameters():
            assert parameter.grad is not None
            parameter.data = parameter.grad
        for name, gradient in batch.parameters_of(model).items():
            found = batch.parameters.gradients[name][number]
            torch.testing.assert_close(found, gradient.detach(), rtol=1e-4, atol=1e-4)


def test_parts_of_a_group_that_memory_does_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = both(tmp_path, "Q2C soft", (1000, 1001, 1002))
    monkeypatch.setattr("qkd_study.distill.batched.MEMORY_BYTES", 300_000)
    # Another folder: the teachers, too, are trained in parts.
    parts, _ = both(tmp_path / "parts", "Q2C soft", (1000, 1001, 1002))
    assert [numbers(one)[4] for one in parts] == [numbers(one)[4] for one in whole]


def group(count: int, kind: str, **more: Any) -> tuple[list[Model], list[Samples]]:
    setting, _, config, dataset = made(kind, **more)
    models = [
        build_model(setting.student_model, config, dataset.shape, dataset.classes, seed=seed)
        for seed in range(count)
    ]
    inputs = torch.from_numpy(dataset.pool_inputs(torch.arange(40).numpy()))
    labels = torch.from_numpy(dataset.pool_labels[:40].copy())
    return models, [Samples(inputs, labels)] * count


@pytest.mark.parametrize(
    ("kind", "when"),
    [
        ("Q2C scratch", "weights"),
        ("quanvolution", "weights"),
        ("C2Q register", "weights"),
        ("C2Q matrix", "weights"),
        ("quantum scaled", "weights"),
        ("C2Q linear angles", "weights"),
        ("C2Q linear register", "inputs"),
        ("images", "weights"),
        ("C2C", "weights"),
        ("C2C", "inputs"),  # the features of the others are bounded: large inputs stay numbers
    ],
)
def test_one_that_diverges_leaves_the_others_alone(kind: str, when: str) -> None:
    recipe = TrainingConfig("adam", 1e-2, epochs=3, batch_size=16)

    def go(spoil: bool) -> tuple[list[Any], list[Model]]:
        models, samples = group(3, kind)
        if spoil and when == "weights":
            next(iter(models[1].parameters())).data.view(-1)[0] = torch.nan
        if spoil and when == "inputs":
            samples[1] = Samples(torch.full_like(samples[1].inputs, 3e38), samples[1].labels)
        batch = batch_models(made(kind)[0].student_model, models)
        given = (samples, [samples[0]] * 3, Objective(), recipe)
        return train_batched(batch, *given, seeds=[1, 2, 3]), models

    (well, models), (spoilt, others) = go(False), go(True)
    assert isinstance(spoilt[1], Diverged)
    assert "epoch 1" in str(spoilt[1])
    for number in (0, 2):
        assert torch.equal(spoilt[number].val_logits, well[number].val_logits)
        mine, other = models[number].state_dict(), others[number].state_dict()
        assert all(torch.equal(mine[name], other[name]) for name in mine)


def test_diverging_is_a_failure_of_its_own(tmp_path: Path) -> None:
    setting, arm, config, dataset = made("C2C linear", optimizer="sgd", learning_rate=1e38)
    store = TeacherStore(tmp_path)
    results = run_replicates(setting, arm, config, dataset, store, replicates=(0, 1), test=False)
    assert all(isinstance(result, Diverged) for result in results)
    with pytest.raises(Diverged) as one:
        run(setting, arm, config, dataset, store, replicate=0, test=False)
    assert str(results[0]) == str(one.value)


def test_an_error_in_one_replicate_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qkd_study.distill import replicates

    def broken(*arguments: Any) -> Any:
        if arguments[-1] == 1:
            raise RuntimeError("no sample")
        return set_up_run(*arguments)

    setting, arm, config, dataset = made("Q2C scratch")
    store = TeacherStore(tmp_path)
    given = (setting, arm, config, dataset, store)
    well = run_replicates(*given, replicates=(0, 1, 2), test=False)
    monkeypatch.setattr(replicates, "set_up_run", broken)
    results = run_replicates(*given, replicates=(0, 1, 2), test=False)
    assert isinstance(results[1], RuntimeError)
    assert [numbers(results[i]) for i in (0, 2)] == [numbers(well[i]) for i in (0, 2)]


@pytest.mark.parametrize(
    ("setting", "arm", "changes", "expected"),
    [
        (Q2C, "decoupled", {}, False),
        (Q2C, "relational", {}, False),
        (C2Q, "fidelity", CIRCUIT, False),
        (C2Q, "soft", {**CIRCUIT, **LINEAR}, True),
        (C2Q, "soft", {**CIRCUIT, "qubits": 11}, False),
        (ClassicalToHybrid(student=FullyQuantum()), "soft", CIRCUIT, True),
        (ClassicalToHybrid(student=HybridImage()), "soft", CIRCUIT, True),
        (C2Q, "soft", CIRCUIT, True),
        (Q2C, "shuffled-labels", {}, True),
    ],
)
def test_which_run_in_a_batch(
    setting: Setting, arm: str, changes: dict[str, Any], expected: bool
) -> None:
    _, _, config, dataset = made("Q2C soft")
    config = dataclasses.replace(config, **changes)
    assert runs_in_batch(setting, ARMS[arm], config, dataset) is expected


def test_what_cannot_runs_one_by_one(tmp_path: Path) -> None:
    setting, _, config, dataset = made("Q2C both")
    given = (setting, ARMS["decoupled"], config, dataset, TeacherStore(tmp_path))
    results = run_replicates(*given, replicates=(7, 8), test=False)
    for mine, replicate in zip(results, (7, 8), strict=True):
        expected = numbers(run(*given, replicate=replicate, test=False))
        assert (numbers(mine)[0], numbers(mine)[2:]) == (expected[0], expected[2:])


def test_times_are_shared_out(tmp_path: Path) -> None:
    setting, arm, config, dataset = made("C2C")
    store = TeacherStore(tmp_path)
    results = run_replicates(
        setting, arm, config, dataset, store, replicates=(0, 1, 2, 3), test=True
    )
    costs: list[dict[str, Any]] = [r.costs for r in results if isinstance(r, RunResult)]
    assert len(costs) == 4
    parts = ("seconds_validation", "seconds_test")
    for name in ("seconds_train", "seconds_teacher", "seconds_total", *parts):
        assert len({cost[name] for cost in costs}) == 1
    first = costs[0]
    assert 4 * first["seconds_teacher"] == pytest.approx(store.seconds)
    assert 0 < first["seconds_validation"] < first["seconds_train"]
    assert 0 < first["seconds_test"] < first["seconds_total"] - first["seconds_train"]
    assert isinstance(results[0], RunResult)
    epochs = sum(epoch.seconds for epoch in results[0].curve)
    assert 0 < epochs < first["seconds_train"]


@pytest.mark.parametrize("kind", ["C2C", "Q2C soft", "Q2C random"])
def test_teachers_of_a_group_are_those_of_each(tmp_path: Path, kind: str) -> None:
    setting, arm, config, dataset = made(kind)
    orders = [TeacherSpec.of(setting, arm, config, dataset, replicate) for replicate in range(4)]
    batched, apart = TeacherStore(tmp_path / "a"), TeacherStore(tmp_path / "b")
    apart.get(orders[1])
    batched.train(orders)
    spent = batched.seconds
    assert spent > 0
    for order in orders:
        mine, other = batched.get(order), apart.get(order)
        assert torch.equal(mine.train.logits, other.train.logits)
        assert mine.parameters == other.parameters
    batched.train(orders)
    assert batched.seconds == spent
    # And those that the loop for one model trains, but for rounding.
    order = orders[2]
    assert order.can_batch
    model = order.build()
    _, training, validation = order.samples()
    recipe = TrainingConfig("adam", config.teacher_learning_rate, config.teacher_epochs, 32)

    train(model, training, validation, Objective(), recipe, seed=order.order_seed())
    with torch.no_grad():
        logits = model(model.prepare(order.samples()[0].inputs)).logits
    torch.testing.assert_close(batched.get(order).train.logits, logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "sizes"), [("Q2C soft", [4]), ("Q2C random", [4]), ("quanvolution", [4, 4])]
)
def test_teachers_of_a_trial_train_in_one_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, sizes: list[int]
) -> None:
    """Those of all generations, and the folder has them then: nothing is trained again."""
    seen = []

    def counted(*given: Any, **more: Any) -> Any:
        seen.append(len(more["seeds"]))
        return train_batched(*given, **more)

    monkeypatch.setattr("qkd_study.distill.teachers.train_batched", counted)
    for _ in range(2):
        given = (*made(kind), TeacherStore(tmp_path))
        results = run_replicates(*given, replicates=range(4), test=False)
        assert all(isinstance(result, RunResult) for result in results)
    assert seen == sizes
    # One that is missing is trained alone, and is the same.
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.safetensors")}
    lost = TeacherSpec.of(*made(kind), 2).name()
    (tmp_path / f"{lost}.safetensors").unlink()
    run_replicates(*made(kind), TeacherStore(tmp_path), replicates=range(4), test=False)
    assert seen == [*sizes, 1]
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.safetensors")} == before


@pytest.mark.parametrize(
    "kind",
    [
        *("Q2C both", "quanvolution", "quanvolution amplitudes", "quanvolution deep", "C2C"),
        *("quanvolution frozen", "quantum", "quantum matrix", "quantum scaled"),
        *("C2Q linear angles", "C2Q linear register", "C2Q register", "C2Q matrix"),
    ],
)
def test_gradients_are_autograds(kind: str) -> None:
    """One step of sgd without momentum shows the gradient."""
    models, samples = group(3, kind)
    plain = group(3, kind)[0]
    objective = Objective(2.0, 0.1, {"soft": 0.7, "features": 1.3}, {"temperature": 3.0})
    rng = torch.Generator().manual_seed(0)
    outputs = []
    for model, own in zip(models, samples, strict=True):
        with torch.no_grad():
            answer = model(model.prepare(own.inputs))
        logits, features = (torch.randn(x.shape, generator=rng) for x in answer[:2])
        outputs.append(Outputs(logits, features))
    recipe = TrainingConfig("sgd", 0.1, epochs=1, batch_size=24, epoch_choice="last")
    batch = batch_models(made(kind)[0].student_model, models)
    given = (samples, samples, objective, recipe)
    train_batched(batch, *given, teachers=outputs, seeds=[5, 6, 7])
    for number, model in enumerate(plain):
        one = (samples[number], samples[number], objective, recipe)
        train(model, *one, teacher=outputs[number], seed=5 + number)
        for mine, other in zip(models[number].parameters(), model.parameters(), strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", sorted(BATCHED_TERMS))
def test_a_term_and_its_gradient_are_those_of_its_function(name: str) -> None:
    """Two models, three real samples of a padded batch of four."""
    weight, count, classes = 0.7, 3, 5
    rng = torch.Generator().manual_seed(0)
    shapes = {"logits": (4, classes), "features": (4, 6)}
    student, teacher = (
        {part: torch.randn(2, *shape, generator=rng) for part, shape in shapes.items()}
        for _ in range(2)
    )
    labels = torch.tensor([[0, 4, 2, 2], [1, 1, 3, 0]])
    values = dict.fromkeys(TERMS[name].reads, 2.5)
    objective = Objective(0.0, 0.0, {name: weight}, values)
    given = [Outputs(*(teacher[part][model] for part in shapes)) for model in range(2)]
    planes = [targets(objective, labels[model], classes, given[model]) for model in range(2)]
    of_batch = torch.stack(planes)
    of_batch[:, :, count:] = 0
    found = losses(
        objective,
        student["logits"].transpose(1, 2),
        student["features"].transpose(1, 2)[..., None],
        of_batch,
        teacher["features"].transpose(1, 2)[..., None],
        count,
        count,
    )
    for model in range(2):
        mine, its = (
            Outputs(*(outputs[part][model, :count].clone() for part in shapes))
            for outputs in (student, teacher)
        )
        for tensor in mine[:2]:
            tensor.requires_grad_()
        compared = (getattr(outputs, str(TERMS[name].compares)) for outputs in (mine, its))
        value = LOSSES[name](*compared, *values.values())
        torch.testing.assert_close(found.parts[name][model], value.detach())
        torch.testing.assert_close(found.total[model], (weight * value).detach())
        (weight * value).backward()
        gradients: dict[str, torch.Tensor | None] = dict.fromkeys(shapes)
        gradients["logits"] = found.for_logits[model].T
        if found.for_features is not None:
            gradients["features"] = found.factor * found.for_features[model, ..., 0].T
        for part, tensor in zip(shapes, mine[:2], strict=True):
            gradient = gradients[part]
            expected = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            if gradient is None:
                assert not expected.any()
                continue
            torch.testing.assert_close(gradient[:count], expected)
            assert not gradient[count:].any()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("Q2C both", {"epochs": 150}),
        ("C2Q soft", {"epochs": 100, "depth": 4}),
        ("quanvolution", {"epochs": 60}),
        ("quantum", {"epochs": 60}),
    ],
)
def test_a_full_training(tmp_path: Path, name: str, more: dict[str, Any]) -> None:
    size = {"samples": 200, "teacher_samples": 200, "learning_rate": 3e-2}
    batched, alone = both(tmp_path, name, tuple(range(1000, 1010)), **size, **more)
    dataset = made(name)[3]
    flips = 0
    for mine, other in zip(batched, alone, strict=True):
        for one, two in zip(mine.curve, other.curve, strict=True):
            assert one.total == pytest.approx(two.total, rel=1e-4)
            assert one.train_accuracy == pytest.approx(two.train_accuracy, abs=1e-12)
            # A sample between two classes: one of 50.
            assert one.val_accuracy == pytest.approx(two.val_accuracy, abs=0.0201)
            flips += one.val_accuracy != two.val_accuracy
        scored(mine, other, len(dataset.test_labels))
    assert flips <= 0.002 * sum(len(mine.curve) for mine in batched)
