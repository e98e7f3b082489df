"""QNodes as models: values and gradients against PennyLane and the engine, and refusals."""

from __future__ import annotations

import pickle
from typing import Any

import pennylane as qml
import pytest
import torch
from ray import cloudpickle

from qkd_study.common.errors import InputError
from qkd_study.models import count_parameters
from qkd_study.quantum import Reuploaded, Simulator, hardware_efficient, z_values
from qkd_study.study import PennyLaneModel
from qkd_study.study.canonical import canonical
from tests.models.test_circuits import built, samples


def device(wires: int = 2) -> Any:
    return qml.device("default.qubit", wires=wires)


def layers(first: Any, second: Any, weights: Any) -> None:
    for layer in weights:
        qml.RX(first, wires=0)
        qml.RX(second, wires=1)
        for wire in range(2):
            qml.RY(layer[wire, 0], wires=wire)
            qml.RZ(layer[wire, 1], wires=wire)
        qml.CNOT(wires=(0, 1))
        qml.CNOT(wires=(1, 0))


def batched(inputs: Any, weights: Any) -> Any:
    layers(inputs[..., 0], inputs[..., 1], weights)
    return [qml.expval(qml.Z(0)), qml.expval(qml.Z(1))]


def single(inputs: Any, weights: Any) -> Any:
    """For one sample: a batch would be taken for something else."""
    layers(inputs[0], inputs[1], weights)
    return [qml.expval(qml.Z(0)), qml.expval(qml.Z(1))]


SHAPES = {"weights": (2, 2, 2)}


def model(function: Any, shapes: Any = SHAPES, classes: int = 3, **given: Any) -> Any:
    name = given.pop("device", "default.qubit")
    of = PennyLaneModel(qml.QNode(function, qml.device(name, wires=2)), shapes, **given)
    return built(of, (2,), classes, seed=1)


@pytest.mark.parametrize("name", ["default.qubit", "lightning.qubit"])
@pytest.mark.parametrize(("function", "plan"), [(batched, None), (single, "plain")])
def test_it_is_what_the_engine_computes(function: Any, plan: str | None, name: str) -> None:
    made = model(function, device=name)
    assert made.plan == plan
    assert made.backend == name
    assert made.quantum_parameters == 8
    assert count_parameters(made) == 8 + 3 * 3
    x = samples(4, 2)
    out = made(made.prepare(x))
    theta = made.weights["weights"].detach().clone().flatten().requires_grad_()
    engine = Reuploaded([hardware_efficient(2)] * 2, 2)
    final = engine.evolve(Simulator(), theta, x.double())
    expected = (final.real**2 + final.imag**2) @ z_values(2)
    assert torch.allclose(out.features, expected.float(), rtol=0, atol=1e-5)
    assert torch.allclose(out.logits, made.head(out.features))
    out.features.square().sum().backward()
    expected.square().sum().backward()
    assert torch.allclose(made.weights["weights"].grad.flatten(), theta.grad, rtol=0, atol=1e-5)
    assert theta.grad.abs().max() > 0.01


def test_without_a_head_probabilities_are_those_of_the_classes() -> None:
    def probabilities(inputs: Any, weights: Any) -> Any:
        layers(inputs[..., 0], inputs[..., 1], weights)
        return qml.probs(wires=[0, 1])

    made = model(probabilities, classes=4, head=False)
    out = made(made.prepare(samples(5, 2)))
    assert torch.allclose(out.logits.softmax(1), out.features, atol=1e-6)
    assert made.head_parameters() == []
    logits = model(batched, classes=2, head=False)
    out = logits(logits.prepare(samples(5, 2)))
    assert torch.equal(out.logits, out.features)


def state(inputs: Any, weights: Any) -> Any:
    return qml.state()


def sample(inputs: Any, weights: Any) -> Any:
    return qml.sample(wires=0)


def fails(inputs: Any, weights: Any) -> Any:
    qml.RX(inputs[2], wires=0)
    return qml.expval(qml.Z(0))


@pytest.mark.parametrize(
    ("function", "given", "message"),
    [
        (state, {}, "the QNode state of PennyLaneModel returns state"),
        (sample, {}, "the QNode sample of PennyLaneModel returns sample"),
        (fails, {}, "the QNode fails of PennyLaneModel failed on a sample of 2 features"),
        (batched, {"head": False}, "has 2 outputs, but there are 3 classes"),
        (batched, {"shapes": {"weights": (2, 1, 2)}}, "failed on a sample of 2 features with"),
        (batched, {"shapes": {}}, "weight_shapes of PennyLaneModel must be a shape for each"),
        (batched, {"shapes": {"weights": 3}}, "weight_shapes of PennyLaneModel must be a shape"),
        (lambda x, weights: qml.expval(qml.Z(0)), {}, "must take the samples as `inputs`"),
    ],
)
def test_what_cannot_be_a_model_is_refused(function: Any, given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        model(function, **given)


def test_what_is_no_exact_qnode_is_refused() -> None:
    with pytest.raises(InputError, match="qnode of PennyLaneModel must be a QNode"):
        PennyLaneModel(batched, SHAPES)
    shots = qml.set_shots(qml.QNode(batched, device()), 10)
    with pytest.raises(InputError, match="has shots=10, but must return exact values"):
        PennyLaneModel(shots, SHAPES)
    without = qml.QNode(batched, device(), diff_method=None)
    with pytest.raises(
        InputError, match=r"has no gradient in its weights with .* diff_method=None"
    ):
        built(PennyLaneModel(without, SHAPES), (2,))


@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        ({"reduction": "pca"}, r"or those that a reduction \('linear', .* leaves, at least 1"),
        ({"features": 2}, "takes all features of a sample"),
        ({"reduction": "pca", "features": 9}, "PennyLaneModel with features=9: "),
    ],
)
def test_reductions_leave_a_number_of_features(fixed: dict[str, Any], message: str) -> None:
    values = {"reduction": "none", "features": 0, **fixed}
    with pytest.raises(InputError, match=message):
        PennyLaneModel(qml.QNode(batched, device()), SHAPES).check(values, (4,), 2)


def test_declarations_are_compared_by_what_they_say() -> None:
    one, same = (PennyLaneModel(qml.QNode(batched, device()), SHAPES) for _ in range(2))
    assert canonical(one) == canonical(same)
    assert one == same
    assert hash(one) == hash(same)
    for other in (
        PennyLaneModel(qml.QNode(single, device()), SHAPES),
        PennyLaneModel(qml.QNode(batched, device(3)), SHAPES),
        PennyLaneModel(qml.QNode(batched, device(), diff_method="adjoint"), SHAPES),
        PennyLaneModel(qml.QNode(batched, device()), {"weights": (1, 2, 2)}),
    ):
        assert canonical(other) != canonical(one)
        assert other != one
    sent = pickle.loads(cloudpickle.dumps(one))
    assert sent == one
    x = samples(3, 2)
    made = [built(of, (2,), seed=1) for of in (one, sent)]
    assert torch.equal(*(each(each.prepare(x)).logits for each in made))
