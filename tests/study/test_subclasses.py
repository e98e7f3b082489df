"""A subclass of a declared model works in every run, or is refused by the plan."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pennylane as qml
import pytest

from qkd_study import (
    AlexNet,
    Arrays,
    ClassicalToClassical,
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
    PennyLaneModel,
    Quanvolution,
    Replicates,
    ReuploadingCircuit,
    SelfDistillation,
    Snapshots,
    StateCircuit,
    Study,
)
from qkd_study.data import load
from qkd_study.distill import RunResult, TeacherStore, run_replicates
from qkd_study.models import BUILDERS, MLP
from qkd_study.planning.plan import make_plan
from qkd_study.study.controls import (
    FourierFeatures,
    PatchPolynomial,
    Polynomial,
)
from qkd_study.study.external import ExternalTeacher
from qkd_study.study.matched import EffectiveMlp, MatchedConvolution, MatchedMlp
from qkd_study.study.models import ModelSpec
from qkd_study.study.setting import Setting

RNG = np.random.default_rng(0)


def node(inputs: Any, weights: Any) -> Any:
    qml.AngleEmbedding(inputs, wires=range(2))
    qml.BasicEntanglerLayers(weights, wires=range(2))
    return qml.probs(wires=0)


IMAGES = Arrays("images", RNG.random((120, 16, 16)), np.arange(120) % 2)
STATES = Arrays("states", RNG.dirichlet(np.ones(16), 120) ** 0.5, np.arange(120) % 2, kind="states")
ARGUMENTS: dict[type[ModelSpec], dict[str, Any]] = {
    Mlp: {"hidden": (3,)},
    LeNet: {},
    AlexNet: {},
    ConvNet: {},
    Convolution: {"filters": 2},
    Quanvolution: {"filters": 1, "stride": 8},
    HybridCircuit: {},
    FullyQuantum: {},
    HybridImage: {},
    ReuploadingCircuit: {},
    StateCircuit: {},
    Snapshots: {"of": Mlp((3,))},
    PatchPolynomial: {"filters": 2},
    Polynomial: {},
    MatchedConvolution: {},
    MatchedMlp: {"of": HybridImage()},
    EffectiveMlp: {},
    FourierFeatures: {"features": 20},
    Ensemble: {"of": Mlp((3,)), "members": 2},
    PennyLaneModel: {
        "qnode": qml.QNode(node, qml.device("default.qubit", wires=2)),
        "weight_shapes": {"weights": (1, 2)},
    },
    Own: {"build": lambda config, shape, classes: MLP(shape, classes, hidden=(3,))},
}


def data_of(setting: Setting) -> Arrays:
    return STATES if isinstance(setting.student_model, StateCircuit | Snapshots) else IMAGES


def study(setting: Setting) -> Study:
    small = {"samples": 8, "validation_samples": 10, "epochs": 1, "teacher_epochs": 1}
    of = setting.model if isinstance(setting, SelfDistillation) else None
    features = 2 if isinstance(of, PennyLaneModel) else 0
    return Study(
        question="?",
        setting=setting,
        datasets=(data_of(setting),),
        arms=("soft",),
        fixed={**small, "reduction": "average", "features": features},
        replicates=Replicates(1, 2),
    )


def setting(model: ModelSpec) -> Setting:
    alone = isinstance(model, Ensemble)
    return ClassicalToClassical(teacher=model) if alone else SelfDistillation(model)


def metrics(made: Study, folder: Path) -> dict[str, Any]:
    """Of a run as a worker does it; nan where there is none, as for the rise in a single epoch."""
    dataset, arm = load(data_of(made.setting)), made.arm("soft")
    config = made.config(made.cells()[0], arm, {}, dataset.name)
    store = TeacherStore(folder)
    (found,) = run_replicates(made.setting, arm, config, dataset, store, replicates=(0,), test=True)
    assert isinstance(found, RunResult)
    return {name: math.nan if value is None else value for name, value in found.metrics.items()}


@pytest.mark.parametrize(
    "kind",
    [kind for kind in BUILDERS if not issubclass(kind, ExternalTeacher)],  # which nothing trains
    ids=lambda kind: kind.__name__,
)
def test_a_subclass_trains_as_its_base_does(kind: type[ModelSpec], tmp_path: Path) -> None:
    below = type("Below", (type("Between", (kind,), {}),), {})
    made = study(setting(below(**ARGUMENTS[kind])))
    assert make_plan(made, load(data_of(made.setting))).runs == 3
    base = study(setting(kind(**ARGUMENTS[kind])))
    found = metrics(made, tmp_path / "below"), metrics(base, tmp_path / "base")
    # One by one and side by side, sums run in another order.
    assert found[0] == pytest.approx(found[1], rel=1e-4, nan_ok=True)


@dataclass(frozen=True)
class Wide(Mlp):
    hidden: tuple[int, ...] = (7,)


def test_a_subclass_may_have_other_defaults(tmp_path: Path) -> None:
    made = study(SelfDistillation(Wide()))
    make_plan(made, load(IMAGES))
    assert metrics(made, tmp_path / "a") == pytest.approx(
        metrics(study(SelfDistillation(Mlp((7,)))), tmp_path / "b"), rel=1e-4, nan_ok=True
    )


class Ineffective(Mlp):
    hidden = (7,)


class Unknown(ModelSpec):
    def feature_shape(self, values: Any, shape: Any) -> tuple[int, ...]:
        return (3,)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Ineffective(), "Ineffective sets hidden without effect: write @dataclass(frozen=True)"),
        (Ensemble(Ineffective()), "Ineffective sets hidden without effect"),
        (Unknown(), "Unknown is a kind of model that nothing builds. Declare it as Own("),
        (Ensemble(Unknown()), "Unknown is a kind of model that nothing builds"),
    ],
)
def test_a_subclass_that_cannot_be_built_is_refused(model: ModelSpec, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        make_plan(study(setting(model)), load(IMAGES))
