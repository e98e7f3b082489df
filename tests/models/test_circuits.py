"""Models around a circuit: sizes by formula, values and gradients against default.qubit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pennylane as qml
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from qkd_study.common.errors import InputError
from qkd_study.distill import Objective, Samples, TrainingConfig, train
from qkd_study.models import (
    EnsembleModel,
    FullyQuantumModel,
    HybridModel,
    build_model,
    count_parameters,
    predict,
)
from qkd_study.quantum import Circuit, data_reuploading, hardware_efficient
from qkd_study.study import (
    Convolution,
    Ensemble,
    FullyQuantum,
    HybridCircuit,
    HybridImage,
    Mlp,
    Quanvolution,
    SelfDistillation,
    Study,
)
from qkd_study.study.models import ModelSpec

RANGE = math.pi / 2


def built(
    of: ModelSpec, shape: tuple[int, ...], classes: int = 3, *, seed: int = 0, **fixed: Any
) -> Any:
    """A model as a study builds it."""
    inner = of.of if isinstance(of, Ensemble) else of
    study = Study(
        question="?",
        setting=SelfDistillation(inner),
        arms=("scratch",),
        fixed={"depth": 2, **fixed},
    )
    config = study.config(study.cells()[0], study.arm("scratch"), {}, "made")
    return build_model(of, config, shape, classes, seed=seed)


def samples(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(0, 1, shape).astype(np.float32))


# Sizes

ANGLES: dict[str, Callable[[int, int], int]] = {
    "hardware-efficient": lambda n, d: 2 * n * d,
    "hardware-efficient-chain": lambda n, d: 2 * n * d,
    "hardware-efficient-minimal": lambda n, d: 2 * n * d,
    "strongly-entangling": lambda n, d: 3 * n * d,
    "strongly-entangling-minimal": lambda n, d: 2 * n * d,
    "brickwork": lambda n, d: 15 * sum((n - layer % 2) // 2 for layer in range(d)),
    # A block on two wires, one more on three, then as the Jacobian's rank: see test_effective.py.
    "brickwork-minimal": lambda n, d: {
        2: (12, 12, 12),
        3: (12, 23, 32),
        4: (24, 34, 51),
    }[n][d - 1],
    "arbitrary": lambda n, d: 4**n - 1,
    "random": lambda n, d: 0,
}


@st.composite
def circuits(draw: st.DrawFn) -> tuple[dict[str, Any], tuple[int, ...], int, int, int]:
    """What to fix, the shape of a sample, qubits, angles, and parameters of the reduction."""
    ansatz = draw(st.sampled_from(sorted(ANGLES)))
    qubits = draw(st.integers(2, 3 if ansatz == "arbitrary" else 4))
    depth = 1 if ansatz == "arbitrary" else draw(st.integers(1, 3))
    embedding = draw(st.sampled_from(["amplitude", "angle", "basis"]))
    kinds = ["none", "average", "max", "crop", "pca"]
    reduction = draw(st.sampled_from(kinds + ["linear"] * (embedding != "basis")))
    room = 2**qubits if embedding == "amplitude" else qubits
    shape = (room,) if reduction == "none" else (4, 5)
    fixed = {
        "ansatz": ansatz,
        "qubits": qubits,
        "depth": depth,
        "embedding": embedding,
        "reduction": reduction,
    }
    linear = (20 + 1) * room if reduction == "linear" else 0
    return fixed, shape, qubits, ANGLES[ansatz](qubits, depth), linear


@given(circuits(), st.integers(2, 4), st.booleans())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_counts_by_formula(
    made: tuple[dict[str, Any], tuple[int, ...], int, int, int], classes: int, scale: bool
) -> None:
    fixed, shape, qubits, angles, linear = made
    hybrid = built(HybridCircuit(), shape, classes, **fixed)
    assert count_parameters(hybrid) == angles + linear + (qubits + 1) * classes
    pure = built(FullyQuantum(scale=scale), shape, classes, **fixed)
    assert count_parameters(pure) == angles + linear + scale
    assert hybrid.quantum_parameters == pure.quantum_parameters == angles
    both = built(Ensemble(HybridCircuit(), members=2), shape, classes, **fixed)
    assert count_parameters(both) == 2 * count_parameters(hybrid)
    assert both.quantum_parameters == 2 * angles


@given(
    st.sampled_from([(4, 4), (9, 7), (3, 8, 12)]),
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(2, 5),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_counts_of_images_by_formula(
    shape: tuple[int, ...], first: int, second: int, qubits: int, depth: int, classes: int
) -> None:
    colours = shape[0] if len(shape) == 3 else 1
    cells = (shape[-2] // 4) * (shape[-1] // 4)
    convolutions = 9 * colours * first + first + 9 * first * second + second
    expected = (
        convolutions + (second * cells + 1) * qubits + 2 * qubits * depth + (qubits + 1) * classes
    )
    of = HybridImage(channels=(first, second))
    assert count_parameters(built(of, shape, classes, qubits=qubits, depth=depth)) == expected


@pytest.mark.parametrize(
    ("of", "shape", "classes", "fixed", "expected"),
    [
        (Quanvolution(), (28, 28), 10, {"qubits": 4, "depth": 1}, 5923),
        (Convolution(), (28, 28), 10, {}, 5905),
        (Mlp(), (64,), 3, {}, 1227),
        (Mlp(()), (64,), 3, {}, 195),
        (HybridCircuit(), (64,), 3, {"qubits": 6, "depth": 4}, 69),
        (
            HybridCircuit(),
            (64,),
            3,
            {"qubits": 6, "depth": 4, "ansatz": "strongly-entangling"},
            93,
        ),
    ],
)
def test_published_counts(
    of: ModelSpec, shape: tuple[int, ...], classes: int, fixed: dict[str, Any], expected: int
) -> None:
    assert count_parameters(built(of, shape, classes, **fixed)) == expected


@pytest.mark.parametrize(
    ("of", "fixed", "expected"),
    [
        (Mlp(), {}, 0),
        (HybridCircuit(), {"qubits": 4, "depth": 1}, 4),
        (HybridCircuit(), {"qubits": 4, "depth": 1, "ansatz": "hardware-efficient-minimal"}, 8),
        (HybridImage(), {"qubits": 4, "depth": 1, "ansatz": "brickwork"}, 24),
        # Three groups of basis states tell less than four qubits' Z.
        (FullyQuantum(), {"qubits": 4, "depth": 1, "ansatz": "brickwork"}, 22),
        (FullyQuantum(), {"qubits": 4, "depth": 1, "ansatz": "random"}, 0),
        (HybridCircuit(), {"qubits": 14, "depth": 1}, None),
        # Each filter has 11 angles, two of which do the same to the mean of Z.
        (Quanvolution(), {"qubits": 4, "depth": 1}, 30),
        (Quanvolution(trainable=False), {"qubits": 4, "depth": 1}, 0),
        (Ensemble(HybridCircuit(), 2), {"qubits": 4, "depth": 1}, 8),
    ],
)
def test_angles_that_act_are_counted(
    of: ModelSpec, fixed: dict[str, Any], expected: int | None
) -> None:
    assert built(of, (4, 4), 3, **fixed).effective_parameters == expected


@pytest.mark.parametrize("of", [HybridCircuit(), FullyQuantum(), HybridImage()])
def test_angles_start_evenly_around_the_circle(of: ModelSpec) -> None:
    model = built(of, (8, 8), 2, qubits=6, depth=40)
    theta = model.theta.detach()
    assert theta.dtype == torch.float64
    assert ((-math.pi <= theta) & (theta < math.pi)).all()
    # 480 even numbers: the mean has a standard deviation of 0.08, each quarter one of 9.5.
    assert abs(theta.mean()) < 0.4
    quarters = torch.histc(theta, bins=4, min=-math.pi, max=math.pi)
    assert ((quarters - 120).abs() < 50).all()
    other = built(of, (8, 8), 2, qubits=6, depth=40, seed=1).theta
    assert not torch.isclose(theta, other).any()


# Values and gradients


def embed_by_pennylane(kind: str, x: Tensor, n: int) -> None:
    if kind == "amplitude":
        qml.AmplitudeEmbedding(x, wires=range(n), normalize=True, pad_with=0)
    elif kind == "angle":
        qml.AngleEmbedding(x * RANGE, wires=range(n), rotation="Y")
    else:
        qml.BasisState((x > 0.5).numpy().astype(int), wires=range(n))


def ansatz_by_pennylane(name: str, theta: Tensor, n: int, depth: int) -> None:
    if name == "strongly-entangling":
        qml.StronglyEntanglingLayers(theta.reshape(depth, n, 3), wires=range(n))
        return
    for layer in theta.reshape(depth, n, 2):
        for wire in range(n):
            qml.RY(layer[wire, 0], wires=wire)
            qml.RZ(layer[wire, 1], wires=wire)
        for wire in range(n):
            qml.CNOT(wires=[wire, (wire + 1) % n])


def by_pennylane(
    embedding: str, ansatz: str, x: Tensor, theta: Tensor, n: int, depth: int, what: str
) -> Tensor:
    """Expectations <Z> (batch, n), or probabilities or states (batch, 2^n), of default.qubit."""

    @qml.qnode(qml.device("default.qubit", wires=n), interface="torch", diff_method="backprop")
    def node(row: Tensor) -> object:
        embed_by_pennylane(embedding, row, n)
        ansatz_by_pennylane(ansatz, theta, n, depth)
        if what == "state":
            return qml.state()
        if what == "z":
            return [qml.expval(qml.Z(wire)) for wire in range(n)]
        return qml.probs(wires=range(n))

    rows = [node(row) for row in x]
    return torch.stack([torch.stack(row) if what == "z" else row for row in rows])


def grouped_by_hand(probabilities: Tensor, assignment: list[int], classes: int) -> Tensor:
    members = [[i for i, c in enumerate(assignment) if c == label] for label in range(classes)]
    return torch.stack([probabilities[:, which].sum(1) for which in members], dim=1)


#: Eight basis states for three classes, as evenly as can be: 3, 3 and 2 neighbours.
EVENLY = [0, 0, 0, 1, 1, 1, 2, 2]
CHOSEN = [2, 0, 1, 1, 0, 0, 2, 1]

CIRCUITS = [
    (embedding, ansatz)
    for embedding in ("amplitude", "angle", "basis")
    for ansatz in ("hardware-efficient", "strongly-entangling")
]


def double(of: ModelSpec, embedding: str, ansatz: str) -> tuple[Any, Tensor, Tensor]:
    """A model of 3 qubits in double precision, its states, and the features they embed."""
    n = 3
    room = 2**n if embedding == "amplitude" else n
    model = built(of, (room,), qubits=n, embedding=embedding, ansatz=ansatz).double()
    x = torch.from_numpy(np.random.default_rng(1).uniform(0, 1, (4, room)))
    return model, model.embed(x), x


@pytest.mark.parametrize(("embedding", "ansatz"), CIRCUITS)
def test_hybrid_logits_and_gradients(embedding: str, ansatz: str) -> None:
    model, states, x = double(HybridCircuit(), embedding, ansatz)
    theta, weight, bias = (
        p.detach().clone().requires_grad_()
        for p in (model.theta, model.head.weight, model.head.bias)
    )
    expected = by_pennylane(embedding, ansatz, x, theta, 3, 2, "z") @ weight.T + bias
    logits = model(states).logits
    # All in double precision: what is left is rounding.
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-10)
    for out in (logits, expected):
        torch.nn.functional.cross_entropy(out, torch.tensor([0, 1, 2, 1])).backward()
    for ours, theirs in (
        (model.theta, theta),
        (model.head.weight, weight),
        (model.head.bias, bias),
    ):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-9)
    assert model.theta.grad.abs().max() > 1e-3


@pytest.mark.parametrize("assignment", [None, CHOSEN])
@pytest.mark.parametrize(("embedding", "ansatz"), CIRCUITS)
def test_fully_quantum_logits_and_gradients(
    embedding: str, ansatz: str, assignment: list[int] | None
) -> None:
    of = FullyQuantum(assignment=None if assignment is None else tuple(assignment))
    model, states, x = double(of, embedding, ansatz)
    theta = model.theta.detach().clone().requires_grad_()
    probabilities = by_pennylane(embedding, ansatz, x, theta, 3, 2, "probabilities")
    expected = grouped_by_hand(probabilities, assignment or EVENLY, 3).log()
    logits = model(states).logits
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-10)
    for out in (logits, expected):
        torch.nn.functional.cross_entropy(out, torch.tensor([0, 1, 2, 1])).backward()
    torch.testing.assert_close(model.theta.grad, theta.grad, rtol=0, atol=1e-9)
    assert theta.grad.abs().max() > 1e-3


@pytest.mark.parametrize("embedding", ["amplitude", "angle"])
@pytest.mark.parametrize("of", [HybridCircuit(), FullyQuantum()], ids=["hybrid", "pure"])
def test_gradients_to_a_linear_reduction(of: ModelSpec, embedding: str) -> None:
    n = 2
    room = 2**n if embedding == "amplitude" else n
    model = built(of, (3, 3), 2, qubits=n, embedding=embedding, reduction="linear")
    x, labels = samples(5, 3, 3), torch.tensor([0, 1, 1, 0, 1])
    weight, bias = (
        p.detach().double().requires_grad_() for p in model.reduction.layer.parameters()
    )
    theta = model.theta.detach().clone().requires_grad_()
    features = x.double().flatten(1) @ weight.T + bias
    assert features.shape == (5, room)
    if isinstance(model, HybridModel):
        head = [p.detach().double() for p in model.head_parameters()]
        z = by_pennylane(embedding, "hardware-efficient", features, theta, n, 2, "z")
        expected = z @ head[0].T + head[1]
    else:
        p = by_pennylane(embedding, "hardware-efficient", features, theta, n, 2, "probabilities")
        expected = grouped_by_hand(p, [0, 0, 1, 1], 2).log()
    logits = model(model.prepare(x)).logits
    # Samples and the layer are single: eps 1.2e-7 times a few tens of operations on values near 1.
    torch.testing.assert_close(logits.double(), expected, rtol=2e-5, atol=2e-5)
    for out in (logits, expected):
        torch.nn.functional.cross_entropy(out, labels).backward()
    parameters = (*model.reduction.layer.parameters(), model.theta)
    for ours, theirs in zip(parameters, (weight, bias, theta), strict=True):
        torch.testing.assert_close(ours.grad.double(), theirs.grad, rtol=2e-5, atol=2e-5)
        assert theirs.grad.abs().max() > 1e-3


def test_gradients_of_a_hybrid_for_images_by_finite_differences() -> None:
    model = built(HybridImage(channels=(2, 3)), (8, 8), qubits=3).double()
    images, labels = samples(4, 8, 8).double(), torch.tensor([0, 1, 2, 0])

    def loss() -> Tensor:
        logits = model(model.prepare(images)).logits
        return torch.nn.functional.cross_entropy(logits, labels)

    loss().backward()
    # Central differences: the error is step^2 times a third derivative, and 1e-16 / step.
    step = 1e-6
    for parameter in model.parameters():
        place = torch.unravel_index(parameter.grad.abs().argmax(), parameter.shape)
        kept = parameter[place].item()
        values = []
        for shift in (step, -step):
            parameter.data[place] = kept + shift
            values.append(loss().item())
        parameter.data[place] = kept
        slope = (values[0] - values[1]) / (2 * step)
        assert parameter.grad[place].item() == pytest.approx(slope, rel=1e-5, abs=1e-8)


# Readouts


@pytest.mark.parametrize("embedding", ["amplitude", "angle", "basis"])
def test_softmax_of_a_fully_quantum_model_is_the_measured_distribution(embedding: str) -> None:
    model, states, _ = double(FullyQuantum(assignment=tuple(CHOSEN)), embedding, "brickwork")
    outputs = model(states)
    softmax = outputs.logits.softmax(-1)
    assert outputs.features.shape == (4, 8)
    torch.testing.assert_close(outputs.features.sum(1), torch.ones(4).double())
    torch.testing.assert_close(softmax, grouped_by_hand(outputs.features, CHOSEN, 3))
    # The logits themselves are normalised: no classical shift hides in them.
    torch.testing.assert_close(outputs.logits.exp().sum(1), torch.ones(4).double())


def test_a_class_without_probability_keeps_finite_logits_and_gradients() -> None:
    # Bits 00 through fixed gates of angle 0 stay 00, so class 1 is never measured.
    model = built(
        FullyQuantum(), (2,), 2, qubits=2, embedding="basis", ansatz="hardware-efficient", depth=1
    )
    with torch.no_grad():
        model.theta.zero_()
    logits = model(model.prepare(torch.zeros(1, 2))).logits
    assert logits.isfinite().all()
    assert logits[0, 1] < -20
    torch.nn.functional.cross_entropy(logits, torch.tensor([1])).backward()
    assert model.theta.grad.isfinite().all()


def test_the_scale_starts_at_1_and_is_trained() -> None:
    plain = built(FullyQuantum(), (8,), qubits=3)
    scaled = built(FullyQuantum(scale=True), (8,), qubits=3)
    x, labels = samples(6, 8), torch.tensor([0, 1, 2, 0, 1, 2])
    torch.testing.assert_close(predict(scaled, x).logits, predict(plain, x).logits)
    assert plain.head_parameters() == []
    (scale,) = scaled.head_parameters()
    torch.nn.functional.cross_entropy(scaled(scaled.prepare(x)).logits, labels).backward()
    assert abs(scale.grad.item()) > 1e-4
    before = scale.item()
    pairs = Samples(x, labels)
    train(
        scaled,
        pairs,
        pairs,
        Objective(),
        TrainingConfig("adam", 0.1, 5, 3, epoch_choice="last"),
        seed=0,
    )
    assert scale.item() != before
    # Another factor than 1 multiplies the logarithms, and softplus keeps it positive.
    with torch.no_grad():
        plain.theta.copy_(scaled.theta)
        scale.fill_(-3.0)
    expected = math.log1p(math.exp(-3.0)) * predict(plain, x).logits
    torch.testing.assert_close(predict(scaled, x).logits, expected)


# States


@pytest.mark.parametrize("forced", ["register", "matrix", "plain"])
@pytest.mark.parametrize("of", [HybridCircuit(), FullyQuantum()], ids=["hybrid", "pure"])
@pytest.mark.parametrize("reduction", ["none", "linear"])
def test_kept_states_change_no_answer(of: ModelSpec, forced: str, reduction: str) -> None:
    model = built(of, (8,), qubits=3, plan=forced, reduction=reduction)
    x = samples(5, 8)
    without = predict(model, x)
    model.keeps_state = True
    kept = predict(model, x)
    assert without.state is None
    assert kept.state is not None
    torch.testing.assert_close(kept.logits, without.logits)
    torch.testing.assert_close(kept.features, without.features)
    torch.testing.assert_close(kept.state.norm(dim=1), torch.ones(5))
    if isinstance(model, FullyQuantumModel):
        torch.testing.assert_close(kept.state.abs() ** 2, kept.features)


@pytest.mark.parametrize(("embedding", "ansatz"), CIRCUITS)
def test_the_state_is_that_of_default_qubit(embedding: str, ansatz: str) -> None:
    model, states, x = double(HybridCircuit(), embedding, ansatz)
    model.keeps_state = True
    expected = by_pennylane(embedding, ansatz, x, model.theta.detach(), 3, 2, "state")
    torch.testing.assert_close(
        model(states).state, expected.to(torch.complex128), atol=1e-10, rtol=0
    )


def test_gradients_through_the_state_are_those_of_probabilities() -> None:
    gradients = []
    for keeps in (False, True):
        model, states, _ = double(FullyQuantum(), "amplitude", "strongly-entangling")
        model.keeps_state = keeps
        model(states).logits[:, 0].sum().backward()
        gradients.append(model.theta.grad)
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-10)


# Ensembles


def members_by_hand(ensemble: EnsembleModel, x: Tensor) -> tuple[Tensor, Tensor]:
    outputs = [predict(model, x) for model in ensemble.models]
    return torch.stack([o.logits for o in outputs]), torch.stack([o.features for o in outputs])


@pytest.mark.parametrize("of", [Mlp((5,)), HybridCircuit()], ids=["mlp", "hybrid"])
def test_ensembles_by_hand(of: ModelSpec) -> None:
    x = samples(6, 8)
    of_logits = built(Ensemble(of, members=3), (8,), qubits=3)
    logits, features = members_by_hand(of_logits, x)
    assert not torch.equal(logits[0], logits[1])
    torch.testing.assert_close(predict(of_logits, x).logits, logits.mean(0))
    torch.testing.assert_close(predict(of_logits, x).features, features.mean(0))
    of_probabilities = built(Ensemble(of, members=3, mean="probabilities"), (8,), qubits=3)
    expected = logits.softmax(-1).mean(0)  # of the same members: the seed is the same
    torch.testing.assert_close(predict(of_probabilities, x).logits.softmax(-1), expected)
    assert not torch.allclose(logits.mean(0).softmax(-1), expected, atol=1e-6)


def test_logits_of_mean_probabilities_are_their_logarithms() -> None:
    x = samples(4, 8)
    ensemble = built(Ensemble(Mlp((5,)), members=3, mean="probabilities"), (8,))
    logits, _ = members_by_hand(ensemble, x)
    torch.testing.assert_close(predict(ensemble, x).logits, logits.softmax(-1).mean(0).log())


# Reductions inside models


def test_principal_components_know_only_training_samples() -> None:
    training = Samples(samples(12, 4, 4), torch.arange(12) % 3)
    recipe = TrainingConfig("adam", 0.01, 2, 6)
    kept = []
    for seed in (1, 2):
        validation = Samples(7 + samples(9, 4, 4, seed=seed), torch.arange(9) % 3)
        model = built(HybridCircuit(), (4, 4), qubits=3, reduction="pca")
        train(model, training, validation, Objective(), recipe, seed=0)
        kept.append(model.state_dict())
    flat = training.inputs.flatten(1)
    torch.testing.assert_close(kept[0]["reduction.mean"], flat.mean(0))
    for name, value in kept[0].items():
        if name.startswith("reduction."):
            assert torch.equal(value, kept[1][name])
    _, _, directions = torch.linalg.svd((flat - flat.mean(0)).double())
    overlaps = (kept[0]["reduction.components"].double() @ directions[:8].T).abs()
    torch.testing.assert_close(overlaps, torch.eye(8).double(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("embedding", ["amplitude", "angle", "basis"])
@pytest.mark.parametrize("reduction", ["none", "average", "max", "crop", "pca"])
def test_prepared_once_is_embedded_each_time(reduction: str, embedding: str) -> None:
    room = 8 if embedding == "amplitude" else 3
    shape = (room,) if reduction == "none" else (4, 4)
    model = built(HybridCircuit(), shape, qubits=3, embedding=embedding, reduction=reduction)
    x = samples(10, *shape)
    model.fit(x)
    prepared = model.prepare(x)
    assert prepared.shape == (10, 8)
    assert not prepared.requires_grad
    index = torch.tensor([7, 0, 3])
    each = torch.cat([model.embed(model.reduction(x[i : i + 1])) for i in index])
    torch.testing.assert_close(prepared[index], each)
    torch.testing.assert_close(prepared.norm(dim=1), torch.ones(10))
    fresh = model(model.prepare(x[index])).logits
    torch.testing.assert_close(model(prepared[index]).logits, fresh)


def test_a_linear_reduction_is_prepared_by_nobody() -> None:
    model = built(HybridCircuit(), (4, 4), qubits=2, reduction="linear")
    x = samples(3, 4, 4)
    assert torch.equal(model.prepare(x), x)
    before = model(model.prepare(x)).logits
    with torch.no_grad():
        model.reduction.layer.bias.add_(1.0)
    assert not torch.allclose(model(model.prepare(x)).logits, before)


# Ansatze of a study's own


def doubled(qubits: int, depth: int) -> Circuit:
    """A circuit that no parameter names: twice as deep as asked for."""
    return hardware_efficient(qubits, 2 * depth, entangler="chain")


@pytest.mark.parametrize("kind", [HybridCircuit, FullyQuantum, HybridImage])
def test_an_own_ansatz_is_used(kind: Any) -> None:
    shape = (8, 8) if kind is HybridImage else (8,)
    model = built(kind(ansatz=doubled), shape, qubits=3, depth=2)
    assert model.circuit == hardware_efficient(3, 4, entangler="chain")
    assert model.quantum_parameters == len(model.theta) == 2 * 3 * 4


@pytest.mark.parametrize(
    "wrong",
    [
        lambda qubits, depth: None,
        lambda qubits, depth: hardware_efficient(qubits + 1, depth),
        lambda qubits, depth: data_reuploading(qubits, depth, features=1),
    ],
    ids=["nothing", "a qubit too many", "features"],
)
@pytest.mark.parametrize("kind", [HybridCircuit, FullyQuantum, HybridImage])
def test_an_own_ansatz_must_give_a_circuit(kind: Any, wrong: Any) -> None:
    shape = (8, 8) if kind is HybridImage else (8,)
    with pytest.raises(InputError, match=r"ansatz\(3, 2\) must give a Circuit on 3 qubits"):
        built(kind(ansatz=wrong), shape, qubits=3, depth=2)
