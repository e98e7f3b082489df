"""Forward passes of 64 samples through a noisy circuit, beside PennyLane's default.mixed.

    python -m benchmarks.noise

Prints medians of CPU milliseconds on one thread, of runs in turn. Circuit: 4 layers of RY, RZ on
each qubit and a ring of CNOTs, with depolarising and amplitude damping after every gate; with and
without the depolarising of pairs, which default.mixed gets as 16 Kraus operators. It gets all
samples as one batch. Several minutes.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from qkd_study.quantum import CircuitNoise, NoisyCircuit, PairNoise, QubitNoise, hardware_efficient
from tests.quantum.noisy_reference import noisy_reference

SAMPLES, LAYERS = 64, 4


def _milliseconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return 1e3 * (time.process_time() - start)


def measure(qubits: int, pair: float, repeats: int) -> tuple[list[float], float]:
    """Milliseconds of a forward pass, a training step and default.mixed; largest difference."""
    circuit = hardware_efficient(qubits, LAYERS)
    damped = QubitNoise(0.0, 0.001)
    pairs = {(a, b): PairNoise(pair, damped, damped) for b in range(qubits) for a in range(b)}
    noise = CircuitNoise((QubitNoise(0.002, 0.001),) * qubits, pairs)
    rng = np.random.default_rng(0)
    states = rng.normal(size=(SAMPLES, 2**qubits))
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    angles: list[float] = rng.uniform(-3, 3, circuit.parameters).tolist()
    noisy, given, theta = (
        NoisyCircuit(circuit, noise),
        torch.tensor(states),
        torch.tensor(angles, dtype=torch.float64),
    )

    def forward() -> torch.Tensor:
        return noisy.probabilities(theta, given)

    def step() -> None:
        trained = theta.clone().requires_grad_()
        noisy.probabilities(trained, given)[:, 0].sum().backward()

    def reference() -> np.ndarray:
        return noisy_reference(circuit, angles, states, noise)

    step()
    difference = float(np.abs(forward().numpy() - reference()).max())
    rows = [[*map(_milliseconds, (forward, step, reference))] for _ in range(repeats)]
    return [statistics.median(column) for column in zip(*rows, strict=True)], difference


def main() -> None:
    """Print one line per number of qubits."""
    torch.set_num_threads(1)
    print("qubits  pairs  forward    step  default.mixed  ratio  largest difference")
    for qubits, pair, repeats in ((4, 0.0, 5), (4, 0.01, 5), (6, 0.0, 3), (6, 0.01, 1)):
        (ours, step, rival), difference = measure(qubits, pair, repeats)
        print(
            f"{qubits:6}  {pair:5}  {ours:7.1f}  {step:6.1f}  {rival:13.1f}  {rival / ours:5.0f}  "
            f"{difference:18.1e}"
        )


if __name__ == "__main__":
    main()
