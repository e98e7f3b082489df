"""Students and teachers that are trained and tested with finitely many shots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qkd_study import (
    ClassicalToHybrid,
    FullyQuantum,
    HybridCircuit,
    InputError,
    QuantumToQuantum,
    ReuploadingCircuit,
    Study,
)
from qkd_study.distill import RunResult, TeacherStore, run
from qkd_study.distill.teacher_spec import TeacherSpec
from qkd_study.planning.shots import check_shots
from qkd_study.quantum import Quanvolution, Sampler
from qkd_study.study.identity import fingerprint
from tests.models.test_reads import DATASET

FIXED: dict[str, int | float | str] = {
    "samples": 9,
    "validation_samples": 12,
    "batch_size": 4,
    "qubits": 2,
    "embedding": "angle",
}
EPOCHS, STEPS_OF = 2, 9  # every epoch takes every sample once, whatever the batches


def study(setting: Any, arm: str = "scratch", **fixed: Any) -> Study:
    base = {**FIXED, "epochs": EPOCHS, "reduction": "pca", "teacher_epochs": EPOCHS}
    return Study(question="?", setting=setting, arms=(arm,), fixed={**base, **fixed})


def result(made: Study, folder: Path, replicate: int = 0) -> RunResult:
    (arm,) = made.all_arms
    config = made.config(made.cells()[0], arm, {}, DATASET.name)
    store = TeacherStore(folder)
    return run(made.setting, arm, config, DATASET, store, replicate=replicate, test=True)


def numbers(found: RunResult) -> list[Any]:
    return [*((e.total, e.val_accuracy) for e in found.curve), found.metrics["test_nll"]]


@pytest.mark.parametrize(
    ("of", "fixed", "circuits"),
    [
        (HybridCircuit(), {}, 1 + 2 * 4),
        (HybridCircuit(), {"reduction": "linear"}, 1 + 2 * (4 + 2)),
        (HybridCircuit(), {"gradient": "spsa"}, 1 + 2),
        (FullyQuantum(), {"ansatz": "strongly-entangling"}, 1 + 2 * 6),
        (ReuploadingCircuit(), {"depth": 2, "reduction": "linear"}, 1 + 2 * (8 + 4)),
    ],
)
def test_every_shot_that_hardware_would_fire_is_counted(
    of: Any, fixed: dict[str, Any], circuits: int, tmp_path: Path
) -> None:
    made = study(ClassicalToHybrid(student=of), shots=7, test_shots=5, **fixed)
    found = result(made, tmp_path)
    tested = EPOCHS * 12 + len(DATASET.test_labels)
    assert found.costs["shots"] == EPOCHS * STEPS_OF * 7 * circuits
    assert found.costs["test_shots"] == tested * 5
    assert found.costs["teacher_shots"] is None
    assert numbers(result(made, tmp_path)) == numbers(found)
    assert numbers(result(made, tmp_path, replicate=1)) != numbers(found)


def test_a_teacher_has_shots_of_its_own_whoever_trained_it(tmp_path: Path) -> None:
    shots = {"teacher_shots": 7, "teacher_test_shots": 5}
    made = study(QuantumToQuantum(HybridCircuit()), "soft", **shots)
    first, again = result(made, tmp_path), result(made, tmp_path)
    apart = result(made, tmp_path / "other")
    for found in (first, again, apart):
        assert numbers(found) == numbers(first)
        assert (found.costs["shots"], found.costs["test_shots"]) == (0, 0)
        assert found.costs["teacher_shots"] == EPOCHS * 9 * 7 * (1 + 2 * 4)
        asked = EPOCHS * 12 + 12 + 9 + len(DATASET.test_labels)
        assert found.costs["teacher_test_shots"] == asked * 5
    other = result(made.with_fixed("teacher_shots", 8), tmp_path)
    assert numbers(other) != numbers(first)


def test_without_shots_identity_and_recipes_are_as_before_them() -> None:
    setting = QuantumToQuantum(HybridCircuit())
    plain, none = study(setting, "soft"), study(setting, "soft", shots=None, test_shots=None)
    assert fingerprint(plain, "") == fingerprint(none, "")
    assert fingerprint(plain, "") != fingerprint(study(setting, "soft", shots=5), "")
    assert none.with_fixed("shots", 5).with_fixed("shots", None) == plain
    recipes = []
    for fixed in ({}, {"shots": 5}, {"teacher_shots": 5}):
        made = study(setting, "soft", **fixed)
        config = made.config(made.cells()[0], made.all_arms[0], {}, DATASET.name)
        assert (config.gradient is None) == (not fixed)
        recipes.append(TeacherSpec.of(setting, made.all_arms[0], config, DATASET, 0).recipe())
    assert recipes[0] == recipes[1]
    assert not {"shots", "test_shots", "gradient"} & recipes[0].keys()
    assert (recipes[2]["shots"], recipes[2]["gradient"]) == (5, "parameter-shift")


@pytest.mark.parametrize("name", ["shots", "test_shots", "teacher_shots", "teacher_test_shots"])
@pytest.mark.parametrize("value", [0, -3, 2.5, "many"])
def test_shots_are_refused_in_words(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"{name} must be an integer >= 1, or left out, but got"):
        study(ClassicalToHybrid(), **{name: value})


@pytest.mark.parametrize(
    ("arm", "fixed", "message"),
    [
        ("fidelity", {"shots": 5}, "compares amplitudes of final states, but with shots"),
        ("fidelity", {"teacher_test_shots": 5}, "but with teacher_test_shots there are only"),
        (
            "soft",
            {"shots": 5, "reduction": "linear", "embedding": "amplitude"},
            "with shots there is no gradient with respect to the amplitudes",
        ),
    ],
)
def test_what_needs_amplitudes_is_refused(arm: str, fixed: dict[str, Any], message: str) -> None:
    made = study(QuantumToQuantum(HybridCircuit()), arm, **fixed)
    values = {**made.extremes(made.cells()[0])[0]}
    with pytest.raises(InputError, match=message):
        check_shots(made, made.all_arms[0], {**values, **made.resolved(values, made.all_arms[0])})


@pytest.mark.parametrize(("embedding", "qubits"), [("angle", 4), ("amplitude", 2)])
def test_a_quanvolution_measures_the_maps_that_it_computes(embedding: Any, qubits: int) -> None:
    layer = Quanvolution(filters=2, qubits=qubits, embedding=embedding, seed=0)
    images = torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(1))
    exact, states = layer(layer.embed(images)), layer.states(images)
    assert torch.allclose(layer.of_states(states, None), exact, atol=1e-5)
    sampler = Sampler(20_000, seed=2)
    found = layer.of_states(states, sampler)
    assert found.shape == exact.shape
    assert np.abs((found - exact).detach().numpy()).max() < 5 / np.sqrt(20_000 * 1.0)
    weigh = torch.linspace(-1, 1, found.numel()).reshape(found.shape)
    mine, wanted = (torch.autograd.grad((m * weigh).sum(), layer.theta)[0] for m in (found, exact))
    assert torch.allclose(mine, wanted, atol=0.1)
    assert wanted.abs().max() > 0.2
