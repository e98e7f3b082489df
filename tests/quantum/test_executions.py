"""Circuits of several models, executed and differentiated together: each as it would be alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qkd_study.quantum import (
    Circuit,
    CircuitExecution,
    CircuitExecutions,
    ExecutionPlan,
    Simulator,
    hardware_efficient,
    random_layers,
)
from qkd_study.quantum.circuit import Gate

#: Two gates of one parameter, one of them with a factor.
MULTIPLES = Circuit(
    3,
    (
        Gate("RY", (0,), 0),
        Gate("CNOT", (0, 1)),
        Gate("RX", (1,), 0, factor=-0.5),
        Gate("RZ", (2,), 1),
        Gate("CNOT", (1, 2)),
        Gate("RY", (2,), 2),
    ),
)
FIXED = Circuit(2, (Gate("Hadamard", (0,)), Gate("CNOT", (0, 1))))


@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize("states", [True, False])
@pytest.mark.parametrize(
    ("circuits", "plan", "batch"),
    [
        ([hardware_efficient(3, 2)] * 3, "register", 8),
        ([hardware_efficient(3, 2)] * 3, "register", 5),
        ([hardware_efficient(3, 2)] * 3, "plain", 5),
        ([MULTIPLES] * 3, "register", 6),
        ([random_layers(4, 2, seed=seed) for seed in range(3)], "register", 7),
        ([hardware_efficient(9, 1)] * 2, "register", 3),  # by lightning's own derivative
        ([hardware_efficient(10, 1)] * 2, "register", 33),  # in chunks
        ([FIXED] * 2, "register", 4),
    ],
    ids=["all rows", "rows left", "plain", "multiples", "different", "nine", "chunks", "fixed"],
)
def test_each_is_as_alone(
    circuits: list[Circuit], plan: ExecutionPlan, batch: int, states: bool, squared: bool
) -> None:
    count, first = len(circuits), circuits[0]
    random = np.random.default_rng(0)
    shape = count, batch, 1 << first.qubits
    inputs = random.normal(size=shape).astype(np.float32)
    theta = random.uniform(0, 7, (count, first.parameters))
    given = random.normal(size=shape).astype(np.float32)
    cotangents = given if squared else given + 1j * random.normal(size=shape)

    one = Simulator()
    simulators = [replace(one, executions=0, plans=set()) for _ in circuits]
    together = CircuitExecutions(simulators, circuits, plan, theta, inputs)
    for_theta, for_states = together.gradient(cotangents, squared=squared, states=states)
    assert (for_states is None) is not states
    for number, circuit in enumerate(circuits):
        alone = Simulator()
        single = CircuitExecution(alone, circuit, plan, theta[number], inputs[number])
        assert np.array_equal(together.final[number], single.final)
        assert np.array_equal(together.probabilities[number], single.probabilities)
        mine, back, _ = single.gradient(cotangents[number], squared=squared, states=states)
        assert np.array_equal(for_theta[number], mine)
        assert mine.any() == bool(circuit.parameters)
        if back is not None and for_states is not None:
            assert np.array_equal(for_states[number], back)
        assert simulators[number].executions == alone.executions


def test_the_same_states_for_all() -> None:
    circuit, one = hardware_efficient(3, 2), Simulator()
    theta = np.random.default_rng(1).uniform(0, 7, (2, circuit.parameters))
    simulators = [one.shared_copy() for _ in theta]
    rows = np.eye(8)
    together = CircuitExecutions(simulators, [circuit] * 2, "register", theta, rows[None])
    for angles, final in zip(theta, together.final, strict=True):
        alone = CircuitExecution(Simulator(), circuit, "register", angles, rows)
        assert np.array_equal(final, alone.final)
