"""Random numbers of a study's own code follow from seed, replicate and purpose alone."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qkd_study.data import load
from qkd_study.distill import TeacherStore, run_replicates
from qkd_study.study.load import load_study

#: A study file with one model for each source of random numbers.
SOURCE = '''
import random

import numpy as np
import pennylane as qml
import torch
from torch import nn

from qkd_study import Arm, Arrays, ClassicalToClassical, Mlp, Own, Replicates, Study
from qkd_study.models import Model, Outputs

GENERATOR = np.random.default_rng(0)
TORCH = torch.Generator()
EXTRA = 0  # numbers drawn in evaluation, beside what is used


def node(device):
    @qml.set_shots(shots=1000)
    @qml.qnode(qml.device(device, wires=1))
    def run():
        qml.RX(0.7, wires=0)
        return qml.expval(qml.Z(0))

    return run


NODE, FAST = node("default.qubit"), node("lightning.qubit")


def generator():
    return GENERATOR.normal()


class Noisy(Model):
    """A linear model times a random number."""

    def __init__(self, config, shape, classes, draw):
        super().__init__()
        self.head, self.draw = nn.Linear(shape[0], classes), draw
        self.start = float(np.random.normal() + random.random())
        self.node = node("default.qubit")
        self.register_buffer("shift", torch.zeros(()))

    def fit(self, samples):
        self.shift.fill_(0.1 * random.random() + 0.1 * np.random.random())

    def prepare(self, samples):
        return samples + 0.1 * torch.randn(())

    def forward(self, inputs):
        if not self.training:
            for _ in range(EXTRA):
                self.number()
        factor = self.start + self.number()
        return Outputs(self.head(inputs + self.shift) * factor, inputs)

    def number(self):
        if self.draw == "node of its own":
            return float(self.node())
        return float(DRAWS[self.draw]())

    def head_parameters(self):
        return list(self.head.parameters())


DRAWS = {
    "torch": lambda: torch.randn(()),
    "numpy": lambda: np.random.normal(),
    "python": lambda: random.gauss(0, 1),
    "generator": generator,
    "torch generator": lambda: torch.randn((), generator=TORCH),
    "shots": lambda: NODE(),
    "fast shots": lambda: FAST(),
}


class Dropping(Noisy):
    def __init__(self, config, shape, classes):
        super().__init__(config, shape, classes, "python")
        self.dropout = nn.Dropout()

    def forward(self, inputs):
        return Outputs(self.head(self.dropout(inputs)), inputs)


def noisy_loss(student, teacher, labels):
    return (student.logits * torch.randn(()) * np.random.normal() * GENERATOR.normal()).mean()


def made(draw):
    def build(config, shape, classes):
        return Noisy(config, shape, classes, draw)

    return build


labels = np.arange(80) % 2
x = np.random.normal(size=(80, 3)) + labels[:, None] + torch.rand(3).numpy()
data = Arrays("drawn", x, labels)
SAMPLES = {"samples": 10, "validation_samples": 10}
STUDENTS = {
    "dropout": Own(Dropping),
    **{name: Own(made(name)) for name in (*DRAWS, "node of its own")},
    "loss": Mlp((4,)),
}


def study_of(kind):
    return Study(
        question="?",
        setting=ClassicalToClassical(Mlp(()) if kind == "loss" else STUDENTS[kind], STUDENTS[kind]),
        datasets=(data,),
        fixed={**SAMPLES, "epochs": 3, "teacher_epochs": 2, "batch_size": 4},
        arms=("scratch", Arm("own", (noisy_loss,)) if kind == "loss" else "soft"),
        replicates=Replicates(search=2, confirm=2),
    )


study = study_of("dropout")
'''
KINDS = (
    "dropout",
    "torch",
    "numpy",
    "python",
    "generator",
    "torch generator",
    "shots",
    "fast shots",
    "node of its own",
    "loss",
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("randomness") / "noisy.py"
    path.write_text(SOURCE)
    return path


def rows(
    file: Path, kind: str, replicates: tuple[int, ...], folder: Path, extra: int = 0, which: int = 1
) -> Any:
    """What an arm's runs of some replicates found, with the study file loaded anew."""
    load_study(file)
    module: Any = sys.modules["qkd_study_file"]
    module.EXTRA = extra
    study = module.study_of(kind)
    arm, dataset = study.all_arms[which], load(study.datasets[0])
    config = study.config(study.cells()[0], arm, {}, dataset.name)
    store = TeacherStore(folder)
    found: dict[str, list[Any]] = {}
    for result in (
        run_replicates(study.setting, arm, config, dataset, store, replicates=(r,), test=True)[0]
        for r in replicates
    ):
        if isinstance(result, Exception):
            raise result
        metrics = {name: v for name, v in result.metrics.items() if v is not None}
        found[str(replicates[len(found)])] = [metrics, [epoch.total for epoch in result.curve]]
    return found


def everything(file: Path, folder: Path) -> dict[str, Any]:
    return {kind: rows(file, kind, (1001, 1000), folder / kind) for kind in KINDS}


@pytest.fixture(scope="module")
def fresh(file: Path) -> dict[str, Any]:
    """The rows of all kinds, computed in a process of its own."""
    code = (
        "import sys, json, pathlib; from tests.common.test_randomness import everything; "
        "print(json.dumps(everything(*map(pathlib.Path, sys.argv[1:]))))"
    )
    command = [sys.executable, "-c", code, str(file), str(file.parent / "fresh")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def states() -> list[Any]:
    numpy: Any = np.random.get_state()  # noqa: NPY002
    return [torch.get_rng_state().tolist(), numpy[1].tolist(), random.getstate()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_follows_from_its_replicate_alone(
    file: Path, fresh: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    before = states()
    first = rows(file, kind, (1000,), tmp_path)
    assert states() == before  # nothing leaks
    # After another replicate in the same process, and with the teacher loaded instead of trained.
    again = rows(file, kind, (1001, 1000), tmp_path)
    assert again["1000"] == first["1000"]
    assert again["1001"] != again["1000"]
    assert fresh[kind] == again


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("dropout", "loss")])
def test_validation_takes_nothing_from_the_training(file: Path, kind: str, tmp_path: Path) -> None:
    few, many = (rows(file, kind, (0,), tmp_path, extra=n, which=0)["0"] for n in (0, 3))
    assert few[1] == many[1]
    assert few[0] != many[0]


def test_data_that_a_study_file_draws_are_the_same_whenever_it_is_loaded(file: Path) -> None:
    before = states()
    digests = {load(load_study(file).datasets[0]).digest for _ in range(2)}
    assert len(digests) == 1
    assert states() == before
