"""Circuits on states and on parts of a chain, against density matrices of default.qubit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import Tensor

from qkd_study.common.errors import InputError
from qkd_study.models import count_parameters, reduced_states
from qkd_study.models.measurement import seed_shots
from qkd_study.study import StateCircuit
from tests.models.test_circuits import built

SITES = 4


def states(count: int, *, real: bool = False, seed: int = 0) -> Tensor:
    """Random states as samples: (count, 16), or (count, 2, 16)."""
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(count, 1 if real else 2, 2**SITES))
    parts /= np.linalg.norm(parts, axis=(1, 2), keepdims=True)
    return torch.from_numpy(parts[:, 0] if real else parts).float()


def amplitudes(samples: Tensor) -> np.ndarray:
    array = samples.double().numpy()
    return array if array.ndim == 2 else array[:, 0] + 1j * array[:, 1]


def expectations(model: Any, state: np.ndarray, wires: list[int]) -> Any:
    """<Z> after the model's circuit on some wires of the whole state, by default.qubit."""

    operators = model.circuit.operators(model.theta.detach().numpy())
    mapped = [qml.map_wires(operator, dict(enumerate(wires))) for operator in operators]

    @qml.qnode(qml.device("default.qubit", wires=SITES))
    def circuit() -> Any:
        qml.StatePrep(state, wires=range(SITES), normalize=True)
        for operator in mapped:
            qml.apply(operator)
        return [qml.expval(qml.Z(wire)) for wire in wires]

    return np.array(circuit())


@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize(
    ("first", "qubits", "wires"),
    [(None, 4, [0, 1, 2, 3]), (None, 2, [1, 2]), (0, 3, [0, 1, 2]), (3, 1, [3]), (2, 2, [2, 3])],
)
def test_expectations_are_those_on_the_whole_chain(
    real: bool, first: int | None, qubits: int, wires: list[int]
) -> None:
    x = states(5, real=real)
    model = built(StateCircuit(first), tuple(x.shape[1:]), qubits=qubits)
    out = model(model.prepare(x))
    expected = [expectations(model, state, wires) for state in amplitudes(x)]
    np.testing.assert_allclose(out.features.detach().numpy(), expected, atol=2e-6)
    assert torch.allclose(out.logits, model.head(out.features))
    values = {"qubits": qubits, "depth": 2, "ansatz": "hardware-efficient"}
    assert StateCircuit(first).parameters(values, (16,), 3) == count_parameters(model)


@pytest.mark.parametrize("part", [(0, 1, 3), (1, 2, 1), (2, 2, 0), (0, 3, 1)])
def test_reduced_states_are_the_density_matrix(part: tuple[int, int, int]) -> None:
    x = states(6)
    psi = amplitudes(x)
    found = reduced_states(torch.from_numpy(psi), part).numpy()
    kept = list(range(part[0], part[0] + part[1]))
    expected = qml.math.reduce_statevector(psi, kept)
    np.testing.assert_allclose(np.einsum("bri,brj->bij", found, found.conj()), expected, atol=1e-12)
    assert found.shape[1] == 2 ** min(part[1], SITES - part[1])


def test_gradients_are_those_of_finite_differences() -> None:
    x = states(3)
    model = built(StateCircuit(), (2, 16), qubits=2)
    inputs = model.prepare(x).double()
    model.double()
    model(inputs).features.square().sum().backward()
    found, step = model.theta.grad.clone(), 1e-5
    for at in range(len(found)):
        values = []
        for shift in (step, -step):
            with torch.no_grad():
                model.theta[at] += shift
                values.append(float(model(inputs).features.square().sum()))
                model.theta[at] -= shift
        assert float(found[at]) == pytest.approx((values[0] - values[1]) / 2 / step, abs=1e-7)


def test_a_product_state_has_one_eigenstate_and_zeros_stay_finite() -> None:
    x = torch.zeros(2, 16)
    x[0, 5] = 1  # the second is no state: zeros
    model = built(StateCircuit(), (16,), qubits=2)
    prepared = model.prepare(x)
    assert prepared.square().sum((2, 3))[0].tolist() == pytest.approx([1, 0, 0, 0])
    assert model(prepared).logits.isfinite().all()


@pytest.mark.parametrize("qubits", [2, 4])
def test_shots_are_drawn_from_the_mixed_state(qubits: int) -> None:
    x = states(3)
    exact = built(StateCircuit(), (2, 16), qubits=qubits)
    model = built(StateCircuit(), (2, 16), qubits=qubits, test_shots=40_000)
    model.load_state_dict(exact.state_dict())
    model.eval()
    seed_shots(model, 7, training=False)
    with torch.no_grad():
        inputs = model.prepare(x)
        found, expected = model(inputs).features, exact(inputs).features
        difference = (found - expected).abs()
    assert 0 < difference.max() < 5 / 40_000**0.5  # five standard errors of <Z>


def test_final_states_of_the_whole_chain() -> None:
    x = states(2)
    model = built(StateCircuit(), (2, 16), qubits=4)
    model.keeps_state = True
    out = model(model.prepare(x))
    assert torch.allclose(out.state.abs().square().sum(1), torch.ones(2), atol=1e-5)
    part = built(StateCircuit(), (2, 16), qubits=3)
    part.keeps_state = True
    assert part(part.prepare(x)).state is None


def test_effective_parameters_leave_out_angles_without_effect() -> None:
    """On complex states, all count but the RZ at the end, which change no probability."""
    model = built(StateCircuit(), (2, 16), qubits=2, depth=1)
    assert (model.quantum_parameters, model.effective_parameters) == (4, 2 + 2 - 2)


@pytest.mark.parametrize(
    ("of", "shape", "fixed", "message"),
    [
        (StateCircuit(), (12,), {}, r"reads states, .* but the samples are of shape \(12,\)"),
        (StateCircuit(), (3, 16), {}, r"of shape \(3, 16\)"),
        (StateCircuit(), (1, 2, 16), {}, r"of shape \(1, 2, 16\)"),
        (StateCircuit(), (16,), {"qubits": 5}, "qubits=5 of StateCircuit is more than the 4 qubit"),
        (StateCircuit(first=3), (16,), {"qubits": 2}, "first=3 of StateCircuit leaves 1 of 4 site"),
        (StateCircuit(first=9), (16,), {"qubits": 2}, "leaves 0 of 4 sites.*first <= 2"),
    ],
)
def test_what_does_not_fit(
    of: StateCircuit, shape: tuple[int, ...], fixed: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        of.check({"qubits": 4, **fixed}, shape, 2)


def test_what_cannot_be_declared() -> None:
    with pytest.raises(InputError, match="first of StateCircuit must be an integer >= 0"):
        StateCircuit(first=-1)
    with pytest.raises(InputError, match="takes states as they are, but got embedding='angle'"):
        StateCircuit().embedding({"embedding": "angle"})
