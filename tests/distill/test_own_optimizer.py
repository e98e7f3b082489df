"""Optimisers of a study's own: steps against torch's, draws, refusals, and the documented ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qkd_study import Arm, ClassicalToClassical, Mlp, Replicates, Study
from qkd_study.common.errors import InputError
from qkd_study.data import load
from qkd_study.distill.replicates import run_replicates, runs_in_batch
from qkd_study.distill.teachers import TeacherStore
from qkd_study.planning.plan import make_plan
from qkd_study.study.identity import declaration, fingerprint
from qkd_study.study.parameters import Value

PAGE = (Path(__file__).parents[2] / "docs" / "own_optimizers.md").read_text()
SPSA, NATURAL = re.findall(r"```python\n(.*?)```", PAGE, re.S)
STEPS: dict[str, Value] = {"learning_rate": 0.05, "epochs": 4, "samples": 60}


def sgd(parameters: Any, config: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=config.learning_rate, momentum=config.momentum)


def adam(parameters: Any, config: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=config.learning_rate)


def study(**changes: Any) -> Study:
    base: dict[str, Any] = {
        "question": "?",
        "setting": ClassicalToClassical(teacher=Mlp((8,)), student=Mlp((4,))),
        "datasets": ("xor4",),
        "fixed": {**STEPS, "teacher_epochs": 2},
        "arms": ("scratch", "soft"),
        "replicates": Replicates(search=1, confirm=2),
    }
    return Study(**{**base, **changes})


def curves(made: Study, arm: str, folder: Path, replicates: tuple[int, ...] = (0,)) -> list[Any]:
    (cell,), dataset = made.cells(), load("xor4")
    config = made.config(cell, made.arm(arm), {}, "xor4")
    found = run_replicates(
        *(made.setting, made.arm(arm), config, dataset, TeacherStore(folder)),
        replicates=replicates,
        test=False,
    )
    for result in found:
        if isinstance(result, Exception):
            raise result
    return [[(e.total, e.val_accuracy) for e in r.curve] for r in found]  # type: ignore[union-attr]


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("arm", ["scratch", "soft"])
def test_torchs_optimisers_give_the_numbers_of_the_built_in_ones(
    arm: str, schedule: str, tmp_path: Path
) -> None:
    common: dict[str, Value] = {**STEPS, "teacher_epochs": 2, "schedule": schedule}
    named = study(fixed={**common, "optimizer": "sgd", "momentum": 0.5})
    own = study(fixed={**common, "momentum": 0.5}, optimizer=sgd)
    wanted, found = (np.array(curves(made, arm, tmp_path)) for made in (named, own))
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    other = np.array(curves(study(fixed=common, optimizer=adam), arm, tmp_path))
    assert not np.allclose(other[..., 0], wanted[..., 0], rtol=1e-2)


def test_it_runs_one_by_one_and_is_part_of_the_identity() -> None:
    plain, own = study(), study(optimizer=adam)
    dataset = load("xor4")
    for made, batched in ((plain, True), (own, False)):
        arm = made.arm("soft")
        config = made.config(made.cells()[0], arm, {}, "xor4")
        assert runs_in_batch(made.setting, arm, config, dataset) == batched
    assert own.config(own.cells()[0], own.arm("soft"), {}, "xor4").optimizer == "own"
    assert own.baseline == "scratch"
    assert declaration(own)["arms"] == declaration(plain)["arms"]
    prints = [fingerprint(made, "") for made in (plain, own, study(optimizer=sgd))]
    assert len(set(prints)) == 3


def namespace(code: str) -> dict[str, Any]:
    found: dict[str, Any] = {"__name__": "qkd_study_file"}
    exec(compile(code, "page", "exec"), found)
    return found


def test_spsa_lowers_the_loss_and_repeats(tmp_path: Path) -> None:
    spsa = namespace(SPSA)["spsa"]
    steps: dict[str, Value] = {**STEPS, "epochs": 40, "learning_rate": 0.01}
    made = study(optimizer=spsa, fixed=steps)
    one, other = curves(made, "scratch", tmp_path, (0, 1))
    (again,) = curves(made, "scratch", tmp_path)
    assert one == again  # the draws are those of the seed
    assert one != other
    assert one[-1][0] < 0.97 * one[0][0]


def test_the_metric_is_the_average_over_encoded_states() -> None:
    """By finite differences of random states, which is how the metric is defined."""
    found = namespace(NATURAL)
    circuit, rng = found["ladder"](2, 2), np.random.default_rng(0)
    angles = rng.uniform(-3, 3, circuit.parameters)

    def unitary(theta: Any) -> Any:
        import pennylane as qml

        result = np.eye(4)
        for operator in circuit.operators(theta):
            result = qml.matrix(operator, wire_order=range(2)) @ result
        return result

    states = rng.normal(size=(4, 40_000)) + 1j * rng.normal(size=(4, 40_000))
    states /= np.linalg.norm(states, axis=0)
    step = 1e-5
    moved = [
        (unitary(angles + step * e) - unitary(angles - step * e)) @ states / (2 * step)
        for e in np.eye(len(angles))
    ]
    now = unitary(angles) @ states
    overlaps = [(now.conj() * d).sum(0) for d in moved]
    wanted = [
        [
            ((a.conj() * b).sum(0) - of_a.conj() * of_b).real.mean()
            for b, of_b in zip(moved, overlaps, strict=True)
        ]
        for a, of_a in zip(moved, overlaps, strict=True)
    ]
    np.testing.assert_allclose(found["metric"](circuit, angles), wanted, atol=2e-3)


class Silent(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        return super().step()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda parameters, config: 3,
            "optimizer must return a torch.optim.Optimizer, but <lambda>",
        ),
        (lambda parameters: 3, "cannot be trained in batches of 3 and 2: TypeError"),
        (lambda p, config: Silent(p, lr=0.1), "step of Silent did not call its closure"),
    ],
)
def test_what_is_refused_before_anything_runs(build: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_plan(study(optimizer=build), load("xor4"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "sgd"}, "optimizer must be a function of parameters and config"),
        ({"optimizer": sgd, "fixed": {"optimizer": "sgd"}}, "keep one of the two"),
    ],
)
def test_what_a_study_may_not_declare(changes: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        study(**changes)


def test_an_arm_of_its_own() -> None:
    made = study(arms=("scratch", Arm("adam", (), optimizer=adam)))
    assert made.baseline == "scratch"
    assert made.config(made.cells()[0], made.arm("adam"), {}, "xor4").optimizer == "own"
