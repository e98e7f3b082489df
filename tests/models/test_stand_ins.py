"""Classical stand-ins of quantum models: counts, values, gradients, and what they can express."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from qkd_study.common.errors import InputError
from qkd_study.models import (
    Model,
    build_ansatz,
    build_model,
    count_parameters,
    effective_size,
    effective_widths,
    predict,
)
from qkd_study.quantum import without_entanglers
from qkd_study.study import (
    ClassicalToClassical,
    Config,
    EffectiveMlp,
    FourierFeatures,
    FullyQuantum,
    HybridCircuit,
    HybridImage,
    MatchedConvolution,
    MatchedMlp,
    Mlp,
    ModelSpec,
    PatchPolynomial,
    Polynomial,
    Quanvolution,
    Study,
)
from qkd_study.study.config import PARAMETERS
from qkd_study.study.matched import effective_mlp_count
from qkd_study.study.models import Shape

AMPLITUDES = {"qubits": 2, "embedding": "amplitude"}
ANGLES = {"embedding": "angle", "reduction": "average"}


def configured(of: ModelSpec, **fixed: Any) -> Config:
    setting = ClassicalToClassical(Mlp(()), of)
    study = Study(question="?", setting=setting, arms=("scratch",), fixed=fixed)
    return study.config(study.cells()[0], study.arm("scratch"), {}, "made")


def built(of: ModelSpec, shape: Shape, classes: int = 3, **fixed: Any) -> Model:
    return build_model(of, configured(of, **fixed), shape, classes, seed=0)


def samples(count: int, *shape: int) -> Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1))


#: Models, the shape of a sample, classes, parameters, and their count by hand.
COUNTS: list[tuple[ModelSpec, Shape, int, dict[str, Any], int]] = [
    (Quanvolution(entangling=False), (28, 28), 10, {"qubits": 4, "depth": 1}, 3 * 8 + 5890),
    (Quanvolution(2, entangling=False), (9, 8), 3, {"qubits": 5, "depth": 2}, 2 * 2 * 10 + 99),
    (Quanvolution(2), (9, 8), 3, {"qubits": 5, "depth": 2}, 2 * 2 * 14 + 99),
    (HybridCircuit(entangling=False), (64,), 3, {"qubits": 6, "depth": 4}, 48 + 21),
    (HybridCircuit(), (64,), 3, {"qubits": 3, "reduction": "linear"}, 6 + 65 * 8 + 12),
    (
        HybridCircuit(),
        (64,),
        3,
        {"qubits": 3, "reduction": "linear", "features": 5},
        6 + 65 * 5 + 12,
    ),
    (Polynomial(), (8, 8), 3, {"qubits": 4, "features": 3, **ANGLES}, 19 * 3),
    (HybridCircuit(), (16,), 2, {"qubits": 4, "depth": 3, "ansatz": "brickwork"}, 75 + 10),
    (FullyQuantum(scale=True), (8,), 2, {"qubits": 3, "ansatz": "arbitrary"}, 63 + 1),
    (HybridImage((2, 3)), (9, 8), 3, {"qubits": 3, "depth": 2}, 20 + 57 + 13 * 3 + 12 + 12),
    (PatchPolynomial(), (28, 28), 10, {}, 3 * (32 + 1) + 5890),
    (PatchPolynomial(order="all"), (28, 28), 10, {}, 3 * 81 + 5890),
    (PatchPolynomial(2), (9, 8), 3, AMPLITUDES, 2 * 11 + 99),
    (Polynomial(), (8, 8), 3, {"qubits": 4, **ANGLES}, 33 * 3),
    (Polynomial("all"), (8, 8), 3, {"qubits": 4, **ANGLES}, 81 * 3),
    (Polynomial(), (16,), 3, {"qubits": 4}, (16 * 17 // 2 + 1) * 3),
    (MatchedConvolution(), (28, 28), 10, {"qubits": 4, "depth": 1}, 35 + 5890),
    (MatchedMlp(), (64,), 4, {"qubits": 6, "depth": 4}, 8 * 6 + 7 * 4),
    (FourierFeatures(7), (3, 4, 4), 5, {}, 40),
]


@pytest.mark.parametrize(("of", "shape", "classes", "fixed", "expected"), COUNTS)
def test_counts_by_formula(
    of: ModelSpec, shape: Shape, classes: int, fixed: dict[str, Any], expected: int
) -> None:
    config = configured(of, **fixed)
    of.check(vars(config), shape, classes)
    assert count_parameters(build_model(of, config, shape, classes, seed=0)) == expected
    assert of.parameters(vars(config), shape, classes) == expected


@pytest.mark.parametrize("ansatz", PARAMETERS["ansatz"].choices)
def test_angles_of_every_ansatz(ansatz: str) -> None:
    for qubits, depth in [(2, 1), (3, 1)] if ansatz == "arbitrary" else [(2, 3), (3, 2), (5, 4)]:
        config = configured(HybridCircuit(), qubits=qubits, depth=depth, ansatz=ansatz)
        circuit = build_ansatz(config, None, 0)
        assert HybridCircuit().angles(vars(config)) == circuit.parameters
        alone = without_entanglers(circuit).parameters
        assert HybridCircuit(entangling=False).angles(vars(config)) == alone


@pytest.mark.parametrize("side", [8, 28])
@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("qubits", [4, 6])
def test_matched_models_have_as_many_parameters_within_5_percent(
    qubits: int, depth: int, side: int
) -> None:
    circuit, fixed = HybridCircuit(), {"qubits": qubits, "depth": depth, "reduction": "average"}
    filters = Quanvolution()
    kinds = ((filters, MatchedConvolution(filters)), (circuit, MatchedMlp(circuit)))
    for of, match in kinds:
        values = vars(configured(of, **fixed))
        match.check(values, (side, side), 10)
        target = of.parameters(values, (side, side), 10)
        assert target is not None
        count = count_parameters(built(match, (side, side), 10, **fixed))
        assert abs(count / target - 1) <= 0.05


def test_a_number_that_cannot_be_matched_is_refused() -> None:
    of = MatchedMlp(FullyQuantum())
    values = vars(configured(of, qubits=2, depth=1))
    with pytest.raises(InputError, match=r"has the 4 parameters .* nearest has 1[0-9]\."):
        of.check(values, (4,), 3)


# Effective parameters


def rank_of_probabilities(model: Model, inputs: Tensor) -> int:
    """The rank of the whole Jacobian of the class probabilities, by central differences."""
    model = model.double()
    trained = [p for p in model.parameters() if p.requires_grad]
    columns = []
    with torch.no_grad():
        for parameter in trained:
            for place in np.ndindex(*parameter.shape):
                kept, sides = parameter[place].item(), []
                for shift in (1e-5, -1e-5):
                    parameter[place] = kept + shift
                    sides.append(model(inputs).logits.softmax(1).flatten())
                parameter[place] = kept
                columns.append((sides[0] - sides[1]) / 2e-5)
    return int(np.linalg.matrix_rank(torch.stack(columns, 1).numpy(), rtol=1e-8))


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "identity"])
@pytest.mark.parametrize(("inputs", "hidden", "classes"), [(3, 4, 3), (5, 2, 2), (2, 3, 4)])
def test_effective_parameters_of_a_network(
    inputs: int, hidden: int, classes: int, activation: str
) -> None:
    of, rng = Mlp((hidden,)), torch.Generator().manual_seed(2)
    model = built(of, (inputs,), classes, activation=activation)
    spread = 3 * torch.randn(300, inputs, generator=rng, dtype=torch.float64)
    found = rank_of_probabilities(model, spread)
    assert found == effective_mlp_count(inputs, hidden, classes, activation)
    assert found < count_parameters(model)


@pytest.mark.parametrize(
    ("of", "inputs", "classes", "fixed", "expected"),
    [
        (HybridCircuit(), 16, 3, {"qubits": 4, "depth": 1}, 4 + 5 * 2),
        (HybridCircuit(), 4, 2, {"qubits": 2, "depth": 3}, 10),  # quadratic forms of 4 amplitudes
        (HybridCircuit(), 2, 2, {"qubits": 2, "embedding": "angle", "depth": 2}, 8),
        (FullyQuantum(scale=True), 16, 3, {"qubits": 4, "depth": 1}, 4 + 1),
        (FullyQuantum(), 8, 2, {"qubits": 3, "depth": 2, "ansatz": "brickwork"}, 8),
    ],
)
def test_effective_parameters_of_a_circuit(
    of: ModelSpec, inputs: int, classes: int, fixed: dict[str, Any], expected: int
) -> None:
    model: Any = built(of, (inputs,), classes, **fixed)
    assert effective_size(model) == expected
    states = model.embed(samples(100, inputs).double())
    assert rank_of_probabilities(model, states) == expected


def test_a_network_has_as_many_effective_parameters_as_the_circuit() -> None:
    fixed: dict[str, Any] = {"qubits": 6, "depth": 4, "ansatz": "strongly-entangling"}
    circuit: Any = built(HybridCircuit(), (64,), **fixed)
    assert (count_parameters(circuit), effective_size(circuit)) == (72 + 21, 60 + 14)
    for activation in ("tanh", "relu", "gelu", "identity"):
        of, given = EffectiveMlp(), {**fixed, "activation": activation}
        config = configured(of, **given)
        widths = effective_widths(of, vars(config), (64,), 3)
        assert abs(effective_mlp_count(*widths, 3, activation) / 74 - 1) <= 0.05
        components, hidden = widths
        count = (components + 1) * hidden + (hidden + 1) * 3
        assert count_parameters(built(of, (64,), **given)) == count


def test_effective_parameters_that_are_not_counted_are_refused() -> None:
    cases = [
        ({"qubits": 3, "reduction": "linear"}, 3, "here reduction='linear'"),
        ({"qubits": 13, "reduction": "average"}, 3, "up to 12 qubits, but here qubits=13"),
        ({"qubits": 10, "reduction": "average", "depth": 50}, 3, "but here of 1,033"),
    ]
    for fixed, classes, message in cases:
        of = EffectiveMlp()
        config = configured(of, **fixed)
        with pytest.raises(InputError, match=f"{message}.* Take matched-student"):
            of.check(vars(config), (128, 128), classes)
    of = EffectiveMlp(FullyQuantum())
    values = vars(configured(of, qubits=2, depth=1))
    with pytest.raises(InputError, match=r"has the 2 effective parameters .*effective-student"):
        effective_widths(of, values, (4,), 3)
    model: Any = built(HybridCircuit(), (64,), qubits=3, reduction="linear")
    with pytest.raises(ValueError, match="not trained"):
        effective_size(model)


# What the polynomials can express


def residual(maps: Tensor, features: Tensor) -> float:
    """The largest error of the best linear combination of features (n, m), and a constant."""
    design = np.hstack([features.numpy(), np.ones((len(features), 1))]).astype(float)
    solution = np.linalg.lstsq(design, maps.numpy().astype(float), rcond=None)[0]
    return float(np.abs(design @ solution - maps.numpy()).max())


@pytest.mark.parametrize(
    ("order", "entangling", "fixed", "exact"),
    [
        ("all", True, {"qubits": 4, "depth": 2}, True),
        ("all", True, {"qubits": 5, "depth": 1}, True),
        ("pairs", True, {"qubits": 4, "depth": 2}, False),
        ("pairs", False, {"qubits": 4, "depth": 2}, True),
        ("pairs", True, AMPLITUDES, True),
    ],
)
def test_a_quanvolution_is_a_polynomial(
    order: Any, entangling: bool, fixed: dict[str, Any], exact: bool
) -> None:
    images = samples(60, 8, 8)
    circuit = built(Quanvolution(entangling=entangling), (8, 8), **fixed)
    products = built(PatchPolynomial(order=order), (8, 8), **fixed).prepare(images)
    maps = predict(circuit, images).features
    rows = [part.movedim(1, -1).flatten(0, -2) for part in (maps, products)]
    assert (residual(*rows) < 1e-5) == exact
    assert (residual(*rows) > 1e-3) != exact


@pytest.mark.parametrize(
    ("order", "entangling", "fixed", "exact"),
    [
        ("all", True, {**ANGLES, "depth": 2}, True),
        ("pairs", True, {**ANGLES, "depth": 2}, False),
        ("pairs", False, {**ANGLES, "depth": 2}, True),
        ("pairs", True, {"depth": 2, "reduction": "average"}, True),
    ],
)
def test_expectations_of_a_circuit_are_polynomials(
    order: Any, entangling: bool, fixed: dict[str, Any], exact: bool
) -> None:
    images = samples(300, 8, 8)
    circuit = built(HybridCircuit(entangling=entangling), (8, 8), **fixed)
    products = built(Polynomial(order), (8, 8), **fixed).prepare(images)
    error = residual(predict(circuit, images).features, products)
    assert (error < 1e-5) == exact
    assert (error > 1e-3) != exact


def test_a_separable_circuit_has_no_gate_on_two_wires() -> None:
    for of in (Quanvolution, HybridCircuit, FullyQuantum, HybridImage):
        whole, alone = (built(of(entangling=e), (8, 8), qubits=6, depth=2) for e in (True, False))
        gates: Any = alone
        assert all(len(gate.wires) == 1 for gate in gates.circuit.gates)
        assert 0 < (alone.circuit_gates or 0) < (whole.circuit_gates or 0)
    with pytest.raises(InputError, match="needs qubits >= 2, but got qubits=1"):
        configured(HybridCircuit(entangling=False), qubits=1)


def test_random_fourier_features_are_a_gaussian_kernel() -> None:
    x = samples(20, 6)
    model: Any = built(FourierFeatures(200_000), (6,))
    model.fit(x)
    features = predict(model, x).features.double()
    distances = torch.pdist(x.double())
    width = np.median(distances.numpy())
    wanted = torch.exp(-(torch.cdist(x, x).double() ** 2) / (2 * width**2))
    # The standard error of a mean of 200,000 products is at most 0.0032.
    torch.testing.assert_close(features @ features.T, wanted, atol=0.013, rtol=0)


def test_equal_samples_leave_the_kernel_its_width() -> None:
    model: Any = built(FourierFeatures(5), (6,))
    model.fit(torch.ones(4, 6))
    assert model.expansion.scale == 1


# Gradients

GRADIENTS: list[tuple[ModelSpec, dict[str, Any]]] = [
    (PatchPolynomial(2), {}),
    (PatchPolynomial(2, order="all"), {}),
    (PatchPolynomial(2), AMPLITUDES),
    (Polynomial("all"), {"qubits": 3, "embedding": "angle", "reduction": "pca"}),
    (Polynomial(), {"qubits": 6}),
    (MatchedConvolution(Quanvolution(2)), {}),
    (MatchedMlp(), {"qubits": 6, "depth": 2}),
    (EffectiveMlp(), {"qubits": 6, "depth": 2}),
    (FourierFeatures(9), {}),
    (Quanvolution(2, entangling=False), {}),
    (HybridCircuit(entangling=False), {"qubits": 6}),
]


@pytest.mark.parametrize(("of", "fixed"), GRADIENTS)
def test_gradients_by_finite_differences(of: ModelSpec, fixed: dict[str, Any]) -> None:
    model = built(of, (8, 8), **fixed).double()
    images, labels = samples(4, 8, 8).double(), torch.tensor([0, 1, 2, 0])
    model.fit(images)
    inputs = model.prepare(images).double()

    def loss() -> Tensor:
        return nn.functional.cross_entropy(model(inputs).logits, labels)

    loss().backward()
    step = 1e-6
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        place = torch.unravel_index(parameter.grad.abs().argmax(), parameter.shape)
        assert parameter.grad[place].abs() > 1e-4, name
        kept, values = parameter[place].item(), []
        for shift in (step, -step):
            parameter.data[place] = kept + shift
            values.append(loss().item())
        parameter.data[place] = kept
        slope = (values[0] - values[1]) / (2 * step)
        assert parameter.grad[place].item() == pytest.approx(slope, rel=1e-5, abs=1e-8), name


def test_products_by_hand() -> None:
    from qkd_study.models import products

    x = torch.tensor([[0.3, 0.5]], dtype=torch.float64)
    a, b = 0.6, 1.0
    one, two = (math.cos(a), math.sin(a)), (math.cos(b), math.sin(b))
    pairs = [*one, *two, *(p * q for p in one for q in two)]
    assert products(x, "angle", 2.0, "pairs")[0].tolist() == pytest.approx(pairs)
    assert sorted(products(x, "angle", 2.0, "all")[0].tolist()) == pytest.approx(sorted(pairs))
    assert products(x, "amplitude", 0.0, "pairs")[0].tolist() == pytest.approx([0.09, 0.15, 0.25])
