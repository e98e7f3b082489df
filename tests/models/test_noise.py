"""Models with noise: outputs by PennyLane's channels, where the noise acts, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qkd_study import (
    ClassicalToQuantum,
    FullyQuantum,
    HybridCircuit,
    InputError,
    Mlp,
    Noise,
    QuantumToQuantum,
    Replicates,
    Study,
)
from qkd_study.data import load
from qkd_study.distill import TeacherSpec, TeacherStore, run
from qkd_study.models import CircuitModel, build_model
from qkd_study.models.noise import circuit_noise
from qkd_study.planning.checks import check_study
from qkd_study.students.declared import read, written
from qkd_study.study.models import ModelSpec
from tests.quantum.noisy_reference import noisy_reference
from tests.quantum.test_density import read as misread

DATASET = load("xor4")
FIXED: dict[str, Any] = {
    "qubits": 4,
    "depth": 1,
    "samples": 20,
    "validation_samples": 20,
    "epochs": 2,
    "teacher_epochs": 2,
    "embedding": "angle",
    "reduction": "average",
    "ansatz": "hardware-efficient-chain",
}
LINE = Noise.from_calibration("example-line")


def study_of(student: ModelSpec, *arms: str, setting: Any = None, **fixed: Any) -> Study:
    return Study(
        question="?",
        setting=setting or ClassicalToQuantum(Mlp((3,)), student),
        datasets=("xor4",),
        arms=arms or ("scratch",),
        fixed={**FIXED, **fixed},
        replicates=Replicates(search=1, confirm=2),
    )


def built(student: ModelSpec, **fixed: Any) -> CircuitModel:
    study = study_of(student, **fixed)
    config = study.config(study.cells()[0], study.all_arms[0], {}, "xor4")
    model = build_model(student, config, DATASET.shape, DATASET.classes, seed=1)
    assert isinstance(model, CircuitModel)
    return model


def test_the_outputs_are_those_of_the_declared_device() -> None:
    model = built(FullyQuantum(noise=LINE), noise_scale=2.0)
    states = model.embed(torch.rand(5, 4, dtype=torch.float64))
    found, _ = model.run(states)
    noise = circuit_noise(LINE.at(2), model.circuit)
    angles = model.theta.tolist()
    exact = noisy_reference(model.circuit, angles, states.numpy(), noise)
    np.testing.assert_allclose(found.detach().numpy(), misread(noise, exact), atol=1e-10)
    first, low = noise.qubits[2], noise.pairs[1, 2]
    assert (first.depolarising, low.depolarising) == (2 * 0.000938, 2 * 0.01132)
    assert first.amplitude_damping == pytest.approx(1 - np.exp(-2 * 0.035 / 83.1), rel=1e-12)
    assert low.second.amplitude_damping == pytest.approx(1 - np.exp(-2 * 0.39 / 83.1), rel=1e-12)


def test_noise_acts_where_it_is_said() -> None:
    clean = built(HybridCircuit())
    states = clean.embed(torch.rand(3, 4))
    exact = clean(states).logits

    def same(noise_in: str, training: bool, scale: float = 1.0) -> bool:
        model = built(HybridCircuit(noise=LINE), noise_in=noise_in, noise_scale=scale)
        model.train(training)
        return torch.equal(model(states).logits, exact)

    assert same("test", training=True)
    assert not same("test", training=False)
    assert not same("training+test", training=True)
    assert same("training+test", training=True, scale=0.0)


def test_noisy_circuits_are_measured_with_shots() -> None:
    torch.manual_seed(2)
    shots = 1_000_000
    made = {"depth": 2, "noise_scale": 3.0}
    model = built(HybridCircuit(noise=LINE), shots=shots, **made)
    exact = built(HybridCircuit(noise=LINE), **made)
    clean = built(HybridCircuit(), depth=2)
    states = exact.embed(torch.rand(3, 4, dtype=torch.float64))
    weights = torch.rand(3, 16, dtype=torch.float64)
    gradients, values = [], []
    for of in (model, exact, clean):
        found, _ = of.run(states)
        (gradient,) = torch.autograd.grad((found * weights).sum(), of.theta)
        gradients.append(gradient)
        values.append(found.detach())
    # Frequencies have a variance of at most 1 / (4 shots); a derivative adds at most three
    # samples' two such frequencies, halved, with weights below 1.
    tolerance = 5 / (2 * shots**0.5)
    np.testing.assert_allclose(values[0], values[1], atol=tolerance)
    np.testing.assert_allclose(gradients[0], gradients[1], atol=3 * tolerance)
    assert (values[2] - values[1]).abs().max() > 10 * tolerance
    assert (gradients[2] - gradients[1]).abs().max() > 10 * tolerance
    assert model.simulator.plans_used == "density-matrix"


def test_mitigation_acts_in_evaluation(tmp_path: Path) -> None:
    clean, noisy = built(FullyQuantum()), built(FullyQuantum(noise=LINE))
    states = clean.embed(torch.rand(6, 4, dtype=torch.float64))

    def found(mitigation: str, training: bool) -> torch.Tensor:
        model = built(FullyQuantum(noise=LINE), mitigation=mitigation)
        model.train(training)
        out: torch.Tensor = model(states).features.detach()
        return out

    exact, raw = (of.eval()(states).features.detach() for of in (clean, noisy))
    for kind in ("readout", "zne", "readout+zne"):
        assert torch.equal(found(kind, training=True), noisy.train()(states).features)
        np.testing.assert_allclose(found(kind, training=False).sum(-1).detach(), 1, atol=1e-12)
    errors = [
        float((found(kind, training=False) - exact).abs().max())
        for kind in ("none", "readout", "readout+zne")
    ]
    assert errors[0] == float((raw - exact).abs().max())
    assert errors[2] < errors[1] / 5 < errors[0] / 5


def outcome(study: Study, arm: str, folder: Path) -> tuple[Any, ...]:
    config = study.config(study.cells()[0], study.arm(arm), {}, "xor4")
    store = TeacherStore(folder)
    done = run(study.setting, study.arm(arm), config, DATASET, store, replicate=0, test=True)
    losses = [epoch.total for epoch in done.curve]
    return losses, done.metrics["test_nll"], done.plan


def test_a_run_without_noise_is_the_same_with_a_scale_of_zero(tmp_path: Path) -> None:
    plain = outcome(study_of(FullyQuantum()), "scratch", tmp_path)
    assert (
        outcome(study_of(FullyQuantum(noise=LINE), noise_scale=0.0), "scratch", tmp_path) == plain
    )
    tested = outcome(study_of(FullyQuantum(noise=LINE), noise_in="test"), "scratch", tmp_path)
    assert tested[0] == pytest.approx(plain[0], rel=1e-6)
    assert tested[1] != plain[1]
    assert tested[2] == "density-matrix+register"
    trained = outcome(study_of(FullyQuantum(noise=LINE)), "scratch", tmp_path)
    assert trained[0] != pytest.approx(plain[0], rel=1e-6)
    assert trained[2] == "density-matrix"


def test_teachers_have_noise_of_their_own(tmp_path: Path) -> None:
    setting = QuantumToQuantum(HybridCircuit(noise=LINE))

    def recipe(**fixed: Any) -> dict[str, Any]:
        study = study_of(Mlp(), "soft", setting=setting, **fixed)
        config = study.config(study.cells()[0], study.arm("soft"), {}, "xor4")
        return TeacherSpec.of(setting, study.arm("soft"), config, DATASET, 0).recipe()

    assert recipe()["noise_scale"] == 1.0
    assert recipe(noise_scale=2.0)["noise_scale"] == 2.0
    apart = recipe(noise_scale=2.0, teacher_noise_scale=0.0, teacher_noise_in="test")
    assert (apart["noise_scale"], apart["noise_in"]) == (0.0, "test")
    noisy = study_of(Mlp(), "soft", setting=setting, noise_scale=0.0, teacher_noise_scale=8.0)
    clean = study_of(Mlp(), "soft", setting=setting, noise_scale=0.0, teacher_noise_scale=0.0)
    assert outcome(noisy, "soft", tmp_path)[0] != outcome(clean, "soft", tmp_path)[0]


def test_a_declared_student_can_be_written_and_read() -> None:
    for model in (FullyQuantum(noise=LINE), HybridCircuit(noise=Noise(two_qubit=0.1))):
        values = written(model)
        assert values is not None
        assert read(values) == model


@pytest.mark.parametrize(
    ("student", "fixed", "message"),
    [
        (FullyQuantum(noise=LINE), {"ansatz": "hardware-efficient"}, "couples the qubits 0 and 3"),
        (FullyQuantum(noise=LINE), {"qubits": 6}, "numbers of 5 qubits, but got qubits=6"),
        (
            FullyQuantum(noise=Noise(readout_0_as_1=0.25, readout_1_as_0=0.25)),
            {"noise_scale": 2.0, "mitigation": "readout"},
            "mitigation='readout' with noise_scale=2: qubit 0 is read as 1 with probability 0.5",
        ),
        (FullyQuantum(noise=LINE), {"noise_scale": 50.0}, "noise_scale=50 makes a probability"),
        (FullyQuantum(noise=Noise()), {"qubits": 9}, "on up to 8 qubits, but got qubits=9"),
        (FullyQuantum(noise=LINE), {"device": "default.qubit"}, "not on a device, but got device="),
        (
            FullyQuantum(noise=Noise(one_qubit=0.1)),
            {"qubits": 8, "depth": 500, "batch_size": 1000},
            "bytes for the density matrices of 1000 samples",
        ),
    ],
)
def test_noise_that_cannot_be_simulated_is_refused(
    student: ModelSpec, fixed: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        check_study(study_of(student, **fixed), DATASET)


def test_amplitudes_are_not_compared_under_noise() -> None:
    setting = QuantumToQuantum(HybridCircuit(noise=LINE))
    with pytest.raises(InputError, match="compares amplitudes, but HybridCircuit has noise"):
        check_study(study_of(Mlp(), "fidelity", setting=setting), DATASET)
    exact = study_of(Mlp(), "fidelity", setting=setting, noise_scale=0.0)
    check_study(exact, DATASET)
