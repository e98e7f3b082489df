"""Models of snapshots: what they read, that it is the same again, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qkd_study import (
    ClassicalToClassical,
    HybridCircuit,
    InputError,
    Mlp,
    Replicates,
    Snapshots,
    Study,
)
from qkd_study.data import GroundStates, load
from qkd_study.distill import TeacherStore, run
from qkd_study.models import count_parameters
from qkd_study.quantum import local_paulis
from qkd_study.study.controls import FourierFeatures
from tests.models.test_circuits import built
from tests.models.test_state_circuits import amplitudes, states
from tests.quantum.test_snapshots import matrix

PAULIS = local_paulis(4, 2)


@pytest.mark.parametrize("real", [True, False])
def test_it_reads_estimates_of_local_observables(real: bool) -> None:
    x = states(3, real=real)
    model = built(Snapshots(), tuple(x.shape[1:]), snapshots=100_000)
    found = model.measured(x).numpy()
    exact = [
        [(psi.conj() @ matrix(string, 4) @ psi).real for string in PAULIS] for psi in amplitudes(x)
    ]
    errors = [((3 ** len(string)) / 100_000) ** 0.5 for string in PAULIS]
    assert found.shape == (3, len(PAULIS)) == (3, 3 * 4 + 9 * 3)
    assert (np.abs(found - exact) < 5 * np.array(errors)).all()
    assert np.abs(found - exact).max() > 0


def test_a_state_has_its_own_snapshots_wherever_it_stands() -> None:
    x = states(4)
    model, other = (built(Snapshots(), (2, 16), seed=seed, snapshots=9) for seed in (0, 1))
    found = model.measured(x)
    assert torch.equal(model.measured(x[[3, 1]]), found[[3, 1]])
    assert not torch.equal(other.measured(x), found)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.measured(x), found)


def test_raw_outcomes_have_one_of_three_places() -> None:
    model = built(Snapshots(observables="outcomes"), (16,), snapshots=6)
    found = model.measured(states(2, real=True)).reshape(2, 6, 4, 3)
    assert found.abs().sum(-1).unique().tolist() == [1]


@pytest.mark.parametrize(
    ("of", "numbers"),
    [
        (Snapshots(observables=1), 12),
        (Snapshots(observables=3), 12 + 27 + 72),
        (Snapshots(observables="outcomes"), 7 * 12),
        (Snapshots(Mlp((5,))), 39),
        (Snapshots(FourierFeatures(8)), 39),
    ],
)
def test_its_inputs_are_counted(of: Snapshots, numbers: int) -> None:
    values = {"snapshots": 7, "hidden": 0, "activation": "relu"}
    assert of.inputs(values, (2, 16)) == (numbers,)
    model, x = built(of, (2, 16), snapshots=7), states(6)
    model.fit(x)
    assert model(model.prepare(x)).logits.shape == (6, 3)
    counted = of.parameters(values, (16,), 3)
    assert counted is None or counted == count_parameters(model)


def test_more_snapshots_recognise_more_and_copies_are_counted(tmp_path: Path) -> None:
    data = load(GroundStates("ising", qubits=4, states=200, margin=(0.3, 0.9)))
    study = Study(
        question="?",
        setting=ClassicalToClassical(teacher=Snapshots(Mlp((8,))), student=Snapshots()),
        datasets=(GroundStates("ising", qubits=4, states=200, margin=(0.3, 0.9)),),
        factors={"snapshots": (1, 300)},
        fixed={"samples": 40, "teacher_samples": 50, "validation_samples": 60, "epochs": 20},
        arms=("scratch", "soft"),
        replicates=Replicates(1, 2),
    )
    accuracies = []
    for cell in study.cells():
        count = dict(cell.values)["snapshots"]
        for name in ("scratch", "soft"):
            arm = study.arm(name)
            config = study.config(cell, arm, {}, data.name)
            store = TeacherStore(tmp_path)
            found = run(study.setting, arm, config, data, store, replicate=0, test=True)
            assert found.costs["copies"] == (40 + 60) * count
            teachers = (50 + 60) * count if name == "soft" else None
            assert found.costs["teacher_copies"] == teachers
            accuracies.append(float(found.metrics["test_accuracy"] or 0))
    assert min(accuracies[2:]) > max(accuracies[:2]) + 0.1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"observables": 4}, "observables of Snapshots must be an integer from 1 to 3, or 'outc"),
        ({"observables": "pauli"}, "but got 'pauli'"),
        ({"of": HybridCircuit()}, "of of Snapshots must be a classical model of features"),
        ({"of": Snapshots()}, "must be a classical model of features"),
    ],
)
def test_what_cannot_be_declared(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Snapshots(**given)


def test_samples_that_are_no_states_are_refused() -> None:
    with pytest.raises(InputError, match=r"Snapshots reads states, .* of shape \(12,\)"):
        Snapshots().check({"snapshots": 3}, (12,), 2)
    model = built(Snapshots(), (16,), snapshots=3)
    with pytest.raises(ValueError, match="a sample has 0"):
        model.measured(torch.zeros(1, 16))
