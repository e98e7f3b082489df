"""Parts of a study's own are trained at plan time as in a worker; what fails is refused."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from qkd_study.common.errors import InputError, StudyWarning
from qkd_study.data import Arrays, load
from qkd_study.models import Model, Outputs
from qkd_study.planning.plan import make_plan
from qkd_study.study import (
    Arm,
    ClassicalToClassical,
    Int,
    Mlp,
    Own,
    Study,
)
from qkd_study.study.load import load_study, running

_LABELS = np.arange(120) % 2
DATA = Arrays("made", np.random.default_rng(0).random((120, 4)) + _LABELS[:, None], _LABELS)


class Failing(torch.autograd.Function):
    """The identity, with a backward pass that fails."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        raise ValueError("no way back")


class Linear(Model):
    def __init__(self, config: Any, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(shape[0], classes)

    def prepare(self, samples: Tensor) -> Tensor:
        return samples

    def forward(self, inputs: Tensor) -> Outputs:
        return Outputs(self.logits(inputs), inputs)

    def logits(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.head(inputs)
        return out

    def head_parameters(self) -> list[nn.Parameter]:
        return list(self.head.parameters())


class NoWayBack(Linear):
    def logits(self, inputs: Tensor) -> Tensor:
        out: Tensor = Failing.apply(self.head(inputs))
        return out


class OfOneSize(Linear):
    def logits(self, inputs: Tensor) -> Tensor:
        if not hasattr(self, "size"):
            self.size = len(inputs)
        return self.head(inputs).reshape(self.size, -1)  # type: ignore[no-any-return]


class Infinite(Linear):
    """A finite loss whose gradient is not."""

    def logits(self, inputs: Tensor) -> Tensor:
        zero = self.head(inputs) * 0.0
        return self.head(inputs) + zero.abs().sqrt()  # type: ignore[no-any-return]


class Normed(Linear):
    def __init__(self, config: Any, shape: tuple[int, ...], classes: int) -> None:
        super().__init__(config, shape, classes)
        self.norm = nn.BatchNorm1d(shape[0])

    def logits(self, inputs: Tensor) -> Tensor:
        return self.head(self.norm(inputs))  # type: ignore[no-any-return]


class Forgetful(Linear):
    """It keeps what it fitted where no weights are kept."""

    def fit(self, samples: Tensor) -> None:
        self.mean = samples.mean()

    def logits(self, inputs: Tensor) -> Tensor:
        return self.head(inputs - self.mean)  # type: ignore[no-any-return]


class Unseeded(Linear):
    def logits(self, inputs: Tensor) -> Tensor:
        return self.head(inputs) * float(np.random.default_rng().normal())  # type: ignore[no-any-return]


class Unbatched(Linear):
    """A QNode for one sample. A batch of 4 samples of 4 features gives it 4 values by accident."""

    def __init__(self, config: Any, shape: tuple[int, ...], classes: int) -> None:
        super().__init__(config, shape, classes)
        self.theta = nn.Parameter(torch.ones(()))
        import pennylane as qml

        @qml.qnode(qml.device("default.qubit", wires=1), interface="torch")
        def run(sample: Any, theta: Any) -> Any:
            qml.RX(sample[0], wires=0)
            qml.RY(theta, wires=0)
            return qml.expval(qml.Z(0))

        self.node = run

    def logits(self, inputs: Tensor) -> Tensor:
        values: Tensor = self.node(inputs, self.theta).float()
        return self.head(inputs) + values[:, None]  # type: ignore[no-any-return]


def backwards(student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
    loss: Tensor = Failing.apply(student.logits).mean()
    return loss


def study(
    student: Any = None, teacher: Any = None, arm: Arm | str = "soft", **changes: Any
) -> Study:
    setting = ClassicalToClassical(
        Mlp(()) if teacher is None else Own(teacher), Mlp(()) if student is None else Own(student)
    )
    made = {"setting": setting, "arms": (arm,), "datasets": (DATA,), **changes}
    made["fixed"] = {"samples": 40, "validation_samples": 20, "epochs": 2} | made.pop("fixed", {})
    return Study(question="?", **made)


def planned(made: Study) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", StudyWarning)
        make_plan(made, load(DATA))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (study(NoWayBack), "NoWayBack'>, is_quantum=False) with the loss of arm 'soft' cannot be "),
        (study(NoWayBack), "cannot be trained in batches of 3 and 2: ValueError: no way back"),
        (study(teacher=NoWayBack), "the teacher of arm 'soft', cannot be trained in batches of "),
        (study(arm=Arm("mine", (backwards,))), "with the loss of arm 'mine' cannot be trained"),
        (
            study(OfOneSize),
            "cannot be trained in batches of 3 and 2: RuntimeError: shape '[3, -1]'",
        ),
        (study(Infinite), "the loss or its gradient is not finite at the initial weights"),
        (
            study(Normed, fixed={"samples": 33}),
            "in batches of 3 and 1, which happens with samples=33, batch_size=32: ValueError",
        ),
        (
            study(Normed, search={"batch_size": Int(8, 16)}),
            "in batches of 3 and 1, which happens with samples=40, batch_size=13: ValueError",
        ),
        (study(teacher=Normed, fixed={"samples": 33}), "in batches of 32 and 1: ValueError"),
        (study(teacher=Forgetful), "no attribute 'mean'"),
        (study(Unbatched), "in batches of 3 and 2: RuntimeError: The size of tensor a (3)"),
    ],
)
def test_what_cannot_be_trained_is_refused(made: Study, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        planned(made)


@pytest.mark.parametrize(
    "made",
    [
        study(Linear, Linear),
        study(Normed, Normed),
        study(Normed, fixed={"batch_size": 40}),
        study(Linear, fixed={"batch_size": 1}),
        study(Linear, fixed={"samples": 2, "teacher_samples": 40}),
    ],
)
def test_what_can_be_trained_is_not_refused(made: Study) -> None:
    planned(made)


def test_what_no_seed_reaches_is_said() -> None:
    with pytest.raises(StudyWarning, match="it draws random numbers that no seed reaches"):
        planned(study(Unseeded))


def test_the_message_names_the_file_and_the_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text(
        "import torch\n"
        "from torch import nn\n"
        "from qkd_study import Arm, ClassicalToClassical, Mlp, Study\n"
        "class Failing(torch.autograd.Function):\n"
        "    @staticmethod\n"
        "    def forward(ctx, x):\n"
        "        return x.clone()\n"
        "    @staticmethod\n"
        "    def backward(ctx, grad):\n"
        "        raise ValueError('no way back')\n"
        "def mine(student, teacher, labels):\n"
        "    return Failing.apply(student.logits).mean()\n"
        "study = Study(question='?', setting=ClassicalToClassical(Mlp(()), Mlp(())),\n"
        "              datasets=('xor4',), arms=(Arm('mine', (mine,)),))\n"
    )
    made = load_study(path)
    with pytest.raises(InputError) as caught, running(path):
        make_plan(made, load("xor4"))
    assert str(caught.value).startswith(f"{path}: Mlp(hidden=()) with the loss of arm 'mine'")
    assert str(caught.value).endswith("ValueError: no way back (line 10 of the study file)")
