"""A student as bytes: every kind of model comes back as it was."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from qkd_study import (
    AlexNet,
    ConvNet,
    Convolution,
    Ensemble,
    FullyQuantum,
    HybridCircuit,
    HybridImage,
    InputError,
    LeNet,
    Mlp,
    Own,
    Quanvolution,
    Study,
)
from qkd_study.data import load as load_data
from qkd_study.models import BUILDERS, MLP, predict
from qkd_study.students import StudentSpec, check_digest, restored, weights_of
from qkd_study.students.declared import KINDS, read, written
from qkd_study.students.weights import HEADER, description, digest_of
from qkd_study.study import controls, matched
from qkd_study.study.config import Config
from qkd_study.study.external import CachedTeacher, FrozenTeacher
from qkd_study.study.models import ModelSpec
from qkd_study.study.own_parameters import config_kind
from qkd_study.study.qnodes import PennyLaneModel
from qkd_study.study.reuploading import ReuploadingCircuit
from qkd_study.study.snapshots import Snapshots
from qkd_study.study.state_circuits import StateCircuit

MODELS: list[ModelSpec] = [
    Mlp((4, 3)),
    LeNet(),
    AlexNet(),
    ConvNet(),
    Convolution(filters=2),
    Quanvolution(filters=1, trainable=False),
    HybridCircuit(entangling=False),
    FullyQuantum(scale=True, assignment=(0, 1, 1, 0, 1, 0, 0, 1)),
    HybridImage(channels=(2, 3)),
    ReuploadingCircuit(),
    StateCircuit(first=1),
    Snapshots(Mlp((3,)), observables=3),
    Ensemble(Mlp((3,)), members=2, mean="probabilities"),
    controls.PatchPolynomial(order="all"),
    controls.Polynomial(),
    matched.MatchedConvolution(of=Quanvolution(filters=2)),
    matched.MatchedMlp(of=FullyQuantum()),
    matched.EffectiveMlp(),
    controls.FourierFeatures(features=16),
]


def config_of(**changes: Any) -> Config:
    values = {"qubits": 3, "depth": 1, "embedding": "angle", "angle_range": 1.2, "seed": 5}
    values |= {"device": "lightning.qubit", "precision": "complex128", "plan": "auto"}
    values |= {"ansatz": "random", "reduction": "pca", "features": 0, "dropout": 0.1}
    values |= {"activation": "auto", "hidden": 0, "samples": 20, **changes}
    study = Study(question="?", arms=("scratch",))
    made = vars(study.config(study.cells()[0], study.arm("scratch"), {}, "digits"))
    return Config(**{**made, **values})


def spec_of(model: ModelSpec, **changes: Any) -> StudentSpec:
    if isinstance(model, Quanvolution | controls.PatchPolynomial | matched.MatchedConvolution):
        changes = {"qubits": 4, **changes}
    if isinstance(model, matched.EffectiveMlp):
        changes = {"qubits": 6, "depth": 3, "ansatz": "hardware-efficient-minimal", **changes}
    shape = (2, 16) if isinstance(model, StateCircuit | Snapshots) else (16, 16)
    config = config_of(**changes)
    if isinstance(model, Snapshots):
        config = config_kind(model.declares)(**{**vars(config), "snapshots": 9})
    return StudentSpec(model, config, shape, 2, 255.0, 1003)


def trained(spec: StudentSpec) -> Any:
    """A model that was fitted, with other weights than it had at first."""
    model, rng = spec.build(), torch.Generator().manual_seed(1)
    model.fit(torch.rand(30, *spec.shape, generator=rng))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=rng))
    return model


def test_the_list_has_every_kind() -> None:
    others = {Own, PennyLaneModel, CachedTeacher, FrozenTeacher}  # which are no declared students
    assert {type(model) for model in MODELS} == set(BUILDERS) - others


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_declaration_and_its_weights_come_back(model: ModelSpec) -> None:
    spec = spec_of(model)
    before = trained(spec)
    body = weights_of(spec, before)
    assert body is not None
    again, after = restored(body)
    assert again == spec
    samples = torch.rand(7, *spec.shape)
    assert torch.equal(predict(before, samples).logits, predict(after, samples).logits)
    assert weights_of(spec, before) == body
    assert set(load(body)) == set(before.state_dict())


def test_what_is_defined_in_a_study_file_is_not_written() -> None:
    class Wide(Mlp):
        pass

    def ansatz(qubits: int, depth: int) -> Any: ...

    own = Own(lambda config, shape, classes: MLP(shape, classes, hidden=(3,)))
    for model in (Wide(), own, FullyQuantum(ansatz=ansatz), Ensemble(Wide())):
        assert written(model) is None
    spec = spec_of(own)
    body = weights_of(spec, spec.build())
    assert body is not None
    with pytest.raises(InputError, match="code of its study file"):
        restored(body)
    assert restored(body, own)[0] == spec


def test_a_state_that_is_no_tensors_is_not_kept() -> None:
    class Stateful(MLP):
        def get_extra_state(self) -> Any:
            return {"a": 1}

        def set_extra_state(self, state: Any) -> None: ...

    spec = spec_of(Own(lambda config, shape, classes: Stateful(shape, classes, hidden=())))
    assert weights_of(spec, spec.build()) is None

    class Complex(MLP):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given, hidden=())
            self.register_buffer("z", torch.zeros(2, dtype=torch.complex128))

    spec = spec_of(Own(lambda config, shape, classes: Complex(shape, classes)))
    assert weights_of(spec, spec.build()) is None


def test_later_kinds_versions_and_parameters() -> None:
    with pytest.raises(InputError, match=r"'Transformer' is no kind of model.* Known: Mlp,"):
        read({"kind": "Transformer"})
    with pytest.raises(InputError, match="is no Mlp"):
        read({"kind": "Mlp", "heads": 3})
    assert "Own" not in KINDS
    spec = spec_of(Mlp((3,)))
    values = spec.described()
    values["config"]["of a later version"] = 3
    del values["config"]["momentum"]
    assert StudentSpec.from_description(json.loads(json.dumps(values))) == spec
    del values["shape"]
    with pytest.raises(InputError, match=r"damaged: KeyError 'shape'"):
        StudentSpec.from_description(values)
    tensors = spec.build().state_dict()
    later = save(tensors, {HEADER: json.dumps({"version": 2})})
    with pytest.raises(InputError, match="version 2, but this qkd-study reads version 1"):
        description(later)
    for body in (b"", b"no weights at all", save(tensors)):
        with pytest.raises(InputError, match="no file of a student's weights"):
            description(body)


def test_damaged_weights_and_weights_of_another_model() -> None:
    spec = spec_of(Mlp((3,)))
    body = weights_of(spec, spec.build())
    assert body is not None
    check_digest(body, digest_of(body), "here")
    damaged = body[:-1] + bytes([body[-1] ^ 1])
    with pytest.raises(InputError, match=r"here: the weights have SHA-256 .* was recorded"):
        check_digest(damaged, digest_of(body), "here")
    with pytest.raises(InputError, match="cannot be read"):
        restored(body[:-8])
    wider = spec_of(Mlp((4,))).build().state_dict()
    other = save(wider, {HEADER: json.dumps({"version": 1, **spec.described()})})
    with pytest.raises(InputError, match=r"do not fit the model: .*size mismatch"):
        restored(other)


def test_samples_are_scaled_as_in_the_study() -> None:
    from qkd_study import Student

    digits = load_data("digits")
    spec = StudentSpec.of(Mlp((4,)), config_of(), digits, 1000)
    model = spec.build()
    student = Student(spec, model, b"", {})
    inputs = torch.from_numpy(digits.test_inputs())
    expected = predict(model, inputs).logits
    assert torch.equal(student.logits(digits.test_raw), expected)
    assert torch.equal(student.logits(torch.from_numpy(digits.test_raw)), expected)
    assert torch.equal(student.logits(digits.test_raw.tolist()), expected)
    assert torch.equal(student(student.prepare(digits.test_raw)), expected)
    assert student.predict(digits.test_raw).tolist() == expected.argmax(-1).tolist()
    shares = student.predict_proba(digits.test_raw)
    assert np.allclose(shares, expected.double().softmax(-1).numpy(), atol=1e-6)


@pytest.mark.parametrize("shape", [(5,), (4, 4), (3, 4, 4)], ids=["vectors", "grey", "colour"])
def test_samples_are_standardised_as_in_the_study(shape: tuple[int, ...]) -> None:
    from qkd_study import Arrays, Student

    rng = np.random.default_rng(3)
    x = rng.normal(3.0, 40.0, (80, *shape)).astype(np.float32)
    y = np.arange(80) % 2
    dataset = Arrays("mine", x, y, x[:9], y[:9], standardise=True).load()
    spec = StudentSpec.of(Mlp((4,)), config_of(), dataset, 1000)
    assert StudentSpec.from_description(json.loads(json.dumps(spec.described()))) == spec
    model = spec.build()
    student = Student(spec, model, b"", {})
    expected = predict(model, torch.from_numpy(dataset.test_inputs())).logits
    assert torch.equal(student.logits(x[:9]), expected)
    assert not torch.allclose(student.logits(dataset.test_raw), expected)


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.zeros((8, 8)), r"must be of shape \(n, 8, 8\), but got \(8, 8\)\. One sample needs"),
        (np.zeros((2, 64)), r"must be of shape \(n, 8, 8\), but got \(2, 64\)\."),
        ([["a"]], r"must be numbers of shape \(n, 8, 8\), but got list"),
        (None, r"must be numbers of shape \(n, 8, 8\), but got NoneType"),
        (np.full((1, 8, 8), np.nan), "must be finite numbers"),
    ],
)
def test_samples_that_do_not_fit(samples: Any, said: str) -> None:
    from qkd_study import Student

    spec = StudentSpec.of(Mlp((4,)), config_of(), load_data("digits"), 1000)
    with pytest.raises(InputError, match=said):
        Student(spec, spec.build(), b"", {}).predict(samples)
