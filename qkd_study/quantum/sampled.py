"""Measured frequencies of a batch as a torch function, with the gradients of hardware."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qkd_study.quantum._first_order import first_derivatives_only
from qkd_study.quantum.circuit import Circuit, Gate
from qkd_study.quantum.density import NoisyCircuit
from qkd_study.quantum.embeddings import angle_embedding
from qkd_study.quantum.parameter_shift import (
    Floats,
    GateAngles,
    ShiftedCircuit,
    parameter_shift,
    spsa,
    unshared,
)
from qkd_study.quantum.reuploaded import Reuploaded
from qkd_study.quantum.shots import Sampler
from qkd_study.quantum.simulator import Simulator

_NONE = GateAngles((), (), (), 0)


def on_states(
    simulator: Simulator,
    circuit: Circuit,
    states: Tensor,
    features: Tensor | None = None,
    *,
    outcomes: Floats | None = None,
    noisy: NoisyCircuit | None = None,
    weights: Tensor | None = None,
) -> tuple[ShiftedCircuit, Tensor]:
    """A circuit on states that nothing before it changes.

    Args:
        simulator: runs it.
        circuit: n qubits.
        states: amplitudes (B, 2^n), without a gradient.
        features: the samples' angles between the gates, in radians, (B, F), if there are any.
        outcomes: which of K outcomes a basis state counts as, zeros and ones, (2^n, K); default:
            every basis state is one.
        noisy: the circuit with noise, in whose place it is measured.
        weights: of mixed states: the probabilities (B, rank) of `rank` neighbouring rows of
            `states`, which are (B rank, 2^n) then; without `features`.

    Returns:
        For `measured`: the circuit, and its samples' numbers.

    Raises:
        ValueError: a gradient with respect to the states is asked for: amplitudes cannot be
            shifted.
    """
    if states.requires_grad:
        raise ValueError(
            "shots have no gradient with respect to amplitudes: put trained layers in front of an "
            "angle embedding, or use no shots"
        )
    single, trained, data = unshared(circuit)
    noisy = noisy and noisy.unshared

    def probabilities(theta: Floats, angles: Floats) -> Floats:
        between = torch.from_numpy(angles) if circuit.features else None
        exact = _exact(simulator, noisy or single, theta, states, between)
        if weights is not None:
            mixed = exact.reshape(*weights.shape, -1) * weights.numpy()[:, :, None]
            exact = mixed.sum(axis=1)
        return exact if outcomes is None else exact @ outcomes

    rows = states if weights is None else weights
    given = rows.new_zeros(len(rows), 0) if features is None else features
    return ShiftedCircuit(trained, data, probabilities), given


def on_angles(
    simulator: Simulator, circuit: Circuit, angles: Tensor, *, noisy: NoisyCircuit | None = None
) -> tuple[ShiftedCircuit, Tensor]:
    """As `on_states`, of RY(angle) on the first f qubits, whose angles (B, f) are data."""
    single, trained, _ = unshared(circuit)
    noisy = noisy and noisy.unshared
    rotations = [Gate("RY", (wire,), parameter=wire) for wire in range(angles.shape[1])]
    data = GateAngles.of(rotations, range(len(rotations)), len(rotations))

    def probabilities(theta: Floats, given: Floats) -> Floats:
        states = angle_embedding(torch.from_numpy(given), circuit.qubits)
        return _exact(simulator, noisy or single, theta, states, None)

    return ShiftedCircuit(trained, data, probabilities), angles


def on_reuploaded(
    simulator: Simulator, reuploaded: Reuploaded, angles: Tensor
) -> tuple[ShiftedCircuit, Tensor]:
    """As `on_angles`, of data re-uploading: the rotations of every layer are shifted apart."""
    _, trained, data = unshared(reuploaded.circuit)
    layers = [unshared(layer)[0] for layer in reuploaded.layers]
    single = Reuploaded(layers, reuploaded.features)

    def probabilities(theta: Floats, given: Floats) -> Floats:
        by_layer = torch.from_numpy(given).unflatten(1, (len(layers), -1)).movedim(1, 0)
        final = single.evolve(simulator, torch.from_numpy(theta), by_layer)
        squares: Floats = (final.real**2 + final.imag**2).numpy()
        return squares

    return ShiftedCircuit(trained, data, probabilities), angles


@torch.no_grad()
def _exact(
    simulator: Simulator,
    circuit: Circuit | NoisyCircuit,
    theta: Floats,
    states: Tensor,
    features: Tensor | None,
) -> Floats:
    if isinstance(circuit, NoisyCircuit):
        simulator.executions += 1
        noisy: Floats = circuit.probabilities(torch.from_numpy(theta), states).numpy()
        return noisy
    found = simulator.probabilities(circuit, torch.from_numpy(theta), states, features=features)
    exact: Floats = found.numpy()
    return exact


def measured(circuit: ShiftedCircuit, theta: Tensor, inputs: Tensor, sampler: Sampler) -> Tensor:
    """Frequencies of a circuit's outcomes over the shots of each sample.

    A readout that is diagonal in the computational basis is linear in them, so that all of them
    come from the same shots. The gradient is estimated from shots as well, by the rule that the
    sampler names.

    Args:
        circuit: with P trained numbers, and F of each sample.
        theta: the trained numbers, (P,).
        inputs: those of the samples, (B, F).
        sampler: draws.

    Returns:
        (B, K), in the precision of `inputs`.

    Raises:
        ValueError: an angle is not finite, or a state does not fit into memory.
    """
    out: Tensor = _Measured.apply(theta, inputs, circuit, sampler)  # type: ignore[no-untyped-call]
    return out


_ESTIMATES: dict[str, Callable[..., tuple[Floats, Floats]]] = {
    "parameter-shift": parameter_shift,
    "spsa": spsa,
}


class _Measured(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, theta: Tensor, inputs: Tensor, circuit: ShiftedCircuit, sampler: Sampler
    ) -> Tensor:
        ctx.circuit, ctx.sampler = circuit, sampler
        ctx.save_for_backward(theta, inputs)
        trained, data = _arrays(theta, inputs)
        exact = circuit.probabilities(circuit.trained.angles(trained), circuit.data.angles(data))
        return torch.from_numpy(sampler.draw(exact)).to(inputs.dtype)

    @staticmethod
    @first_derivatives_only
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        theta, inputs = ctx.saved_tensors
        wants_theta, wants_inputs = ctx.needs_input_grad[:2]
        estimate = _ESTIMATES[ctx.sampler.gradient]
        for_theta, for_inputs = estimate(
            ctx.circuit,
            *_arrays(theta, inputs),
            grads[0].numpy().astype(np.float64),
            ctx.sampler,
            trained=wants_theta,
            data=wants_inputs,
        )
        return (
            torch.from_numpy(for_theta.sum(0)).to(theta.dtype) if wants_theta else None,
            torch.from_numpy(for_inputs).to(inputs.dtype) if wants_inputs else None,
            None,
            None,
        )


def _arrays(theta: Tensor, inputs: Tensor) -> tuple[Floats, Floats]:
    return theta.detach().numpy().astype(np.float64), inputs.detach().numpy().astype(np.float64)
