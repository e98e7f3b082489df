"""A training step with 1,000 shots, beside PennyLane's parameter shift on lightning.qubit.

    python -m benchmarks.shots

Prints medians of CPU milliseconds on one thread, of runs in turn. A step is the probabilities of 64
samples from shots, and the gradient of a weighted sum of them in all angles by parameter shift,
every shifted circuit with shots of its own. Circuit: layers of RY, RZ on each qubit and a ring of
CNOTs. PennyLane gets one sample after the other: lightning.qubit has no batches with shots.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import time
from collections.abc import Callable

import numpy as np
import pennylane as qml
import torch

from qkd_study.quantum import Sampler, Simulator, hardware_efficient, measured, on_states

SAMPLES, SHOTS = 64, 1000


def _milliseconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return 1e3 * (time.process_time() - start)


def measure(qubits: int, layers: int, repeats: int) -> tuple[float, float, float]:
    """Milliseconds of our step and of PennyLane's, and the largest difference of gradients."""
    circuit = hardware_efficient(qubits, layers)
    rng = np.random.default_rng(0)
    states = rng.normal(size=(SAMPLES, 2**qubits))
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    angles = torch.tensor(rng.uniform(-3, 3, circuit.parameters))
    weights = torch.tensor(rng.uniform(size=(SAMPLES, 2**qubits)))
    given, simulator, sampler = torch.tensor(states), Simulator(), Sampler(SHOTS)

    def ours() -> torch.Tensor:
        theta = angles.clone().requires_grad_()
        shifted, numbers = on_states(simulator, circuit, given)
        found = measured(shifted, theta, numbers, sampler)
        (gradient,) = torch.autograd.grad((found * weights).sum(), theta)
        return gradient

    def probabilities(theta: torch.Tensor, state: np.ndarray) -> object:
        qml.StatePrep(state, wires=range(qubits))
        for gate in circuit.gates:
            angle = () if gate.parameter is None else (theta[gate.parameter],)
            getattr(qml, gate.name)(*angle, wires=gate.wires)
        return qml.probs(wires=range(qubits))

    device = qml.device("lightning.qubit", wires=qubits, seed=0)
    node = qml.set_shots(
        qml.QNode(probabilities, device, interface="torch", diff_method="parameter-shift"), SHOTS
    )

    def pennylane() -> torch.Tensor:
        theta = angles.clone().requires_grad_()
        total = sum(
            ((node(theta, state) * of).sum() for state, of in zip(states, weights, strict=True)),
            start=torch.zeros(()),
        )
        (gradient,) = torch.autograd.grad(total, theta)
        return gradient

    difference = float((ours() - pennylane()).abs().max())
    rows = [(_milliseconds(ours), _milliseconds(pennylane)) for _ in range(repeats)]
    mine, theirs = (statistics.median(column) for column in zip(*rows, strict=True))
    return mine, theirs, difference


def main() -> None:
    """Print one line per circuit."""
    torch.set_num_threads(1)
    print("qubits  layers  step, ms  PennyLane, ms  ratio  largest difference of gradients")
    for qubits, layers, repeats in ((4, 2, 2), (6, 4, 1)):
        ours, theirs, difference = measure(qubits, layers, repeats)
        print(
            f"{qubits:6}  {layers:6}  {ours:8.1f}  {theirs:13.0f}  {theirs / ours:5.0f}  "
            f"{difference:31.2f}"
        )


if __name__ == "__main__":
    main()
