"""A parameter that a model reads changes what a run does; another changes nothing.

Both are tried by training: the weights, the counts, the device and the plan of a run are compared.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qkd_study.data import Arrays, load
from qkd_study.distill import TeacherSpec, TeacherStore, run
from qkd_study.quantum import Circuit, hardware_efficient
from qkd_study.study import (
    AlexNet,
    ClassicalToClassical,
    ConvNet,
    Convolution,
    Ensemble,
    FourierFeatures,
    FullyQuantum,
    HybridCircuit,
    HybridImage,
    LeNet,
    MatchedConvolution,
    Mlp,
    Noise,
    PatchPolynomial,
    Polynomial,
    Quanvolution,
    ReuploadingCircuit,
    StateCircuit,
    Study,
)
from qkd_study.study.config import PARAMETERS, Config
from qkd_study.study.models import ModelSpec
from qkd_study.study.reading import reads_with

_LABELS = np.arange(60) % 3
_PIXELS = np.random.default_rng(0).random((60, 16, 16)) + 0.3 * _LABELS[:, None, None]
DATA = Arrays("made", _PIXELS, _LABELS, test_share=0.2)
DATASET = load(DATA)
#: Two values of every parameter of circuits and networks, with which every model can be built.
VALUES: dict[str, tuple[Any, Any]] = {
    "ansatz": ("hardware-efficient", "strongly-entangling"),
    "reduction": ("average", "pca"),
    "embedding": ("angle", "amplitude"),
    "features": (4, 2),
    "angle_range": (1.5, 1.0),
    "qubits": (4, 6),
    "depth": (1, 2),
    "noise_scale": (1.0, 2.0),
    "noise_in": ("test", "training+test"),
    "mitigation": ("none", "readout"),
    "device": ("lightning.qubit", "default.qubit"),
    "precision": ("complex128", "complex64"),
    "plan": ("register", "matrix"),
    "activation": ("tanh", "gelu"),
    "hidden": (4, 6),
    "dropout": (0.0, 0.5),
}
#: Without shots, nothing reads the gradient; with them, rounding is lost in the frequencies.
MEASURED: dict[str, tuple[Any, Any]] = {
    "shots": (3, 4),
    "test_shots": (5, 6),
    "gradient": ("parameter-shift", "spsa"),
}
FIXED = {"samples": 9, "validation_samples": 12, "epochs": 2, "batch_size": 4}


def ladder(qubits: int, depth: int) -> Circuit:
    return hardware_efficient(qubits, depth, entangler="chain")


MODELS: list[ModelSpec] = [
    Mlp((3,)),
    LeNet(),
    AlexNet(),
    ConvNet(),
    Convolution(filters=2),
    Mlp(()),
    Quanvolution(filters=2),
    PatchPolynomial(filters=2),
    Polynomial(),
    MatchedConvolution(),
    FourierFeatures(6),
    *(
        kind(ansatz=own)
        for kind in (HybridCircuit, FullyQuantum, HybridImage, ReuploadingCircuit, StateCircuit)
        for own in (None, ladder)
    ),
    HybridCircuit(noise=Noise(one_qubit=0.05, readout_1_as_0=0.1)),
]


#: What `StateCircuit` is tried on.
_VECTORS = _PIXELS.reshape(60, 256) / np.linalg.norm(_PIXELS, axis=(1, 2))[:, None]
STATES = load(Arrays("states", _VECTORS, _LABELS, test_share=0.2, kind="states"))


def did(of: ModelSpec, config: Config, folder: Path) -> tuple[Any, ...]:
    """What a run of a student did."""
    setting = ClassicalToClassical(Mlp(()), of)
    arm = Study(question="?", setting=setting, arms=("scratch",)).all_arms[0]
    data = STATES if isinstance(of, StateCircuit) else DATASET
    result = run(setting, arm, config, data, TeacherStore(folder), replicate=0, test=True)
    counts = {name: n for name, n in result.costs.items() if not name.startswith("seconds")}
    return (
        [(epoch.total, epoch.val_accuracy) for epoch in result.curve],
        result.metrics["test_nll"],
        counts,
        result.backend,
        result.plan,
    )


def of_study(of: ModelSpec, **fixed: Any) -> tuple[Study, Config]:
    """A study of a model alone, and its configuration."""
    if isinstance(of, StateCircuit):  # which refuses other embeddings
        fixed["embedding"] = "amplitude"
    setting = ClassicalToClassical(Mlp(()), of)
    study = Study(question="?", setting=setting, arms=("scratch",), fixed={**FIXED, **fixed})
    (arm,) = study.all_arms
    return study, study.config(study.cells()[0], arm, {}, DATASET.name)


@pytest.mark.parametrize("of", MODELS, ids=repr)
def test_what_a_model_reads_is_what_it_depends_on(of: ModelSpec, tmp_path: Path) -> None:
    assert {*VALUES, *MEASURED} == {
        name for name, what in PARAMETERS.items() if what.role in ("circuit", "network")
    }
    first = {name: values[0] for name, values in VALUES.items()}
    # Handed to the model past `Study.config`, which makes null what is not read.
    config = replace(of_study(of)[1], **first)
    base = did(of, config, tmp_path)
    assert did(of, config, tmp_path) == base
    matters = {
        name
        for name, (_, other) in VALUES.items()
        if did(of, replace(config, **{name: other}), tmp_path) != base
    }
    if isinstance(of, Polynomial):  # its qubits count where `features` follows from them
        whole = [did(of, replace(config, features=0, qubits=n), tmp_path) for n in VALUES["qubits"]]
        assert whole[0] != whole[1]
        matters.add("qubits")
    assert matters == of.reads - MEASURED.keys()
    assert Ensemble(of).reads == of.reads
    # And what is not read is null in the rows.
    _, stated = of_study(of, **first)
    read = {name for name in VALUES if getattr(stated, name) is not None}
    assert read == of.reads - MEASURED.keys()


@pytest.mark.parametrize("of", MODELS, ids=repr)
def test_whose_circuits_read_shots_depends_on_them(of: ModelSpec, tmp_path: Path) -> None:
    first = {name: values[0] for name, values in {**VALUES, **MEASURED}.items()}
    config = replace(of_study(of)[1], **first)
    base = did(of, config, tmp_path)
    assert did(of, config, tmp_path) == base
    others = {name: replace(config, **{name: other}) for name, (_, other) in MEASURED.items()}
    matters = {name for name, other in others.items() if did(of, other, tmp_path) != base}
    assert matters == of.reads & MEASURED.keys()
    _, stated = of_study(of, **first)
    assert {name for name in MEASURED if getattr(stated, name) is not None} == matters


@pytest.mark.parametrize("name", [p.name for p in PARAMETERS.values() if p.only_with])
def test_what_is_read_beside_another_value_is_null_beside_the_rest(
    name: str, tmp_path: Path
) -> None:
    of, only_with = HybridCircuit(), PARAMETERS[name].only_with
    assert only_with is not None
    other, allowed = only_with
    for choice in PARAMETERS[other].choices:
        if choice == "auto":
            continue
        values = {**{n: v[0] for n, v in VALUES.items()}, other: choice}
        study, config = of_study(of, **values)
        pair = (1, 2) if PARAMETERS[name].kind == "int" else (0.5, 0.9)
        both: list[dict[str, Any]] = [{name: value} for value in pair]
        changed = [did(of, replace(config, **one), tmp_path) for one in both]
        assert (changed[0] != changed[1]) == (choice in allowed)
        assert (getattr(config, name) is not None) == (choice in allowed)
        (arm,) = study.all_arms
        assert reads_with(study, arm, name, vars(config)) == (choice in allowed)


def test_a_teacher_is_validated_as_said_whatever_the_student_keeps() -> None:
    setting = ClassicalToClassical(Mlp(()), Mlp(()))
    fixed: dict[str, Any] = {
        **FIXED,
        "teacher_epochs": 7,
        "epoch_choice": "last",
        "validate_every": 3,
    }
    study = Study(question="?", setting=setting, arms=("scratch", "soft"), fixed=fixed)
    scratch, soft = (
        study.config(study.cells()[0], arm, {}, DATASET.name) for arm in study.all_arms
    )
    assert (scratch.validate_every, soft.validate_every) == (None, 3)
    spec = TeacherSpec.of(setting, study.arm("soft"), soft, DATASET, 0)
    assert spec.recipe()["validate_every"] == 3
    recipe = spec.training_config()
    assert [epoch for epoch in range(1, 8) if recipe.validates(epoch)] == [3, 6, 7]
