"""The declared noise of a model's circuit, as `qkd_study.quantum` simulates it."""

from __future__ import annotations

from qkd_study.common.errors import InputError
from qkd_study.quantum import (
    Circuit,
    CircuitNoise,
    Mitigation,
    NoisyCircuit,
    PairNoise,
    QubitNoise,
)
from qkd_study.study.config import Config
from qkd_study.study.noise import Noise


def circuit_noise(noise: Noise, circuit: Circuit) -> CircuitNoise:
    """The errors of a circuit whose wires 0, 1, ... are the qubits 0, 1, ... of a device.

    Raises:
        InputError: the device does not couple a pair that the circuit couples.
    """
    wires = range(circuit.qubits)
    coupled = {tuple(sorted(gate.wires)) for gate in circuit.gates if len(gate.wires) == 2}
    pairs = {(low, high): _pair(noise, low, high) for low, high in sorted(coupled)}
    single = tuple(QubitNoise(*noise.single(wire)) for wire in wires)
    readout = tuple(noise.readout(wire) for wire in wires)
    return CircuitNoise(single, pairs, noise.over_rotation, readout)


def _pair(noise: Noise, low: int, high: int) -> PairNoise:
    probability, time = (
        noise.of_pair(name, (low, high)) for name in ("two_qubit", "two_qubit_time")
    )
    if probability is None or time is None:
        there = noise.two_qubit if probability is None else noise.two_qubit_time
        assert isinstance(there, tuple)
        known = ", ".join(f"({a}, {b})" for a, b, _ in there) or "none"
        raise InputError(
            f"the circuit couples the qubits {low} and {high}, but the noise has no numbers of "
            f"this pair. It has: {known}. Choose another ansatz, such as "
            f"'hardware-efficient-chain', other qubits, or add the pair."
        )
    first, second = (QubitNoise(0.0, *noise.damping(wire, time)) for wire in (low, high))
    return PairNoise(probability, first, second)


def noisy_circuit(noise: Noise | None, config: Config, circuit: Circuit) -> NoisyCircuit | None:
    """The circuit of a model with its noise; `None` if it has none, or `noise_scale` is 0.

    Raises:
        InputError: see `circuit_noise`, or the scaled noise is impossible.
    """
    if noise is None or not config.noise_scale:
        return None
    errors = circuit_noise(noise.at(config.noise_scale), circuit)
    return NoisyCircuit(circuit, errors, config.precision or "complex128")


def mitigation(noise: Noise | None, config: Config, circuit: Circuit) -> Mitigation | None:
    """How the errors of a model's circuit are mitigated; `None` if they are not.

    Raises:
        InputError: as for `noisy_circuit`, or a readout cannot be inverted.
    """
    kinds = (config.mitigation or "none").split("+")
    if noise is None or not config.noise_scale or kinds == ["none"]:
        return None
    errors = circuit_noise(noise.at(config.noise_scale), circuit)
    precision, wanted = (
        config.precision or "complex128",
        {k: k in kinds for k in ("readout", "zne")},
    )
    try:
        return Mitigation.of(circuit, errors, precision, **wanted)
    except ValueError as error:
        raise InputError(
            f"mitigation={config.mitigation!r} with noise_scale={config.noise_scale:g}: {error}. "
            f"Take mitigation='zne' or 'none', or a weaker readout error."
        ) from None
