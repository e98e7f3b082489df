"""What the plans of a simulation cost on this machine: measured once, then computed."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from filelock import FileLock

from qkd_study.paths import cache_folder
from qkd_study.quantum._lightning import LightningState
from qkd_study.quantum.ansatze import hardware_efficient
from qkd_study.quantum.circuit import Circuit

Plan = Literal["register", "matrix", "plain"]

#: Amplitudes per chunk: 256 KiB, which stays in the second-level cache with its adjoint copies.
CHUNK = 2**14


def chunks(batch: int, qubits: int) -> list[tuple[int, int, int]]:
    """(first, last, extra wires) of every chunk of a batch in the register."""
    size = max(CHUNK >> qubits, 1)
    bounds = [(i, min(i + size, batch)) for i in range(0, batch, size)]
    return [(a, b, (b - a - 1).bit_length()) for a, b in bounds]


@dataclass(frozen=True)
class Costs:
    """Seconds that the parts of a training step take, forward and backward, on one thread.

    Attributes:
        execution: one execution of a circuit, whatever is in it.
        gate: one gate of it, whatever the state's size.
        amplitude: one gate on one amplitude.
        product: one multiply-add of a batch with a circuit's matrix.
    """

    execution: float
    gate: float
    amplitude: float
    product: float

    def _executed(self, circuit: Circuit, amplitudes: int) -> float:
        gates = len(circuit.gates)
        return self.execution + gates * (self.gate + self.amplitude * amplitudes)

    def seconds(self, plan: Plan, circuit: Circuit, batch: int, *, real: bool = True) -> float:
        """A step's time under a plan, estimated.

        Args:
            plan: how the batch is run.
            circuit: n qubits.
            batch: samples B.
            real: whether the samples' amplitudes are real numbers.
        """
        n = circuit.qubits
        if plan == "plain":
            return batch * self._executed(circuit, 2**n)
        rows = batch if plan == "register" else 2**n
        register = sum(self._executed(circuit, 2 ** (n + m)) for _, _, m in chunks(rows, n))
        if plan == "register":
            return register
        return register + float(self.product * batch * 4**n * (2 if real else 4))

    def cheapest(self, circuit: Circuit, batch: int, *, real: bool = True) -> Plan:
        """The plan with the lowest estimate; `plain` only where data enters between the gates."""
        if circuit.features:
            return "plain"
        matrix = self.seconds("matrix", circuit, batch, real=real)
        register = self.seconds("register", circuit, batch, real=real)
        return "matrix" if matrix < register else "register"


def _best(step: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of some steps, after one that warms up."""
    step()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return min(times)


def _execution_seconds(layers: int, extra_wires: int, repeats: int) -> tuple[int, float]:
    circuit = hardware_efficient(4, layers)
    state = LightningState(circuit, extra_wires, "complex128")
    angles = np.linspace(-1, 1, circuit.parameters)
    x = np.full(2 ** (4 + extra_wires), 1e-3 + 0j)

    def step() -> None:
        state.gradient(lambda: x, state.run(x, angles), x, angles)

    return len(circuit.gates), _best(step, repeats)


def measure() -> Costs:
    """Measure this machine, in a fraction of a second."""
    few, short = _execution_seconds(1, 0, 200)
    many, long = _execution_seconds(8, 0, 100)
    _, wide = _execution_seconds(8, 10, 5)
    per_gate = max(long - short, 0.0) / (many - few)
    amplitude = max(wide - long, 0.0) / (many * (2**14 - 2**4))
    x = torch.rand(1024, 32, dtype=torch.float64)
    matrix = torch.rand(32, 32, dtype=torch.float64, requires_grad=True)

    def product() -> None:
        (x @ matrix).sum().backward()

    return Costs(
        execution=max(short - few * per_gate, 0.0),
        gate=per_gate,
        amplitude=amplitude,
        product=_best(product, 50) / (1024 * 32 * 32),
    )


def machine() -> str:
    """A hash of all that the measurement depends on."""
    model = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    versions = [metadata.version(name) for name in ("pennylane-lightning", "torch", "numpy")]
    said = json.dumps([platform.node(), platform.machine(), model, os.cpu_count(), *versions])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


@functools.lru_cache(maxsize=1)
def machine_costs() -> Costs:
    """The costs of this machine: measured once, then read from the user's cache folder.

    Kept, so that every process of a machine picks the same plans, and so the same last bits.
    """
    path = cache_folder() / f"costs-{machine()}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            kept = _read(path)
            if kept is None:
                kept = measure()
                partial = path.with_suffix(".partial")
                partial.write_text(json.dumps(asdict(kept)))
                partial.replace(path)
            return kept
    except OSError:  # no folder to keep it in
        return measure()


def _read(path: Path) -> Costs | None:
    try:
        return Costs(**{k: float(v) for k, v in json.loads(path.read_text()).items()})
    except (OSError, ValueError, TypeError, AttributeError):
        return None
