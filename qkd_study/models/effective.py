"""How many parameters of a circuit's model change the class probabilities."""

from __future__ import annotations

import math

import torch

from qkd_study.models.circuits import CircuitModel
from qkd_study.quantum import Simulator
from qkd_study.quantum.effective import SPARE, jacobian_rank


def effective_size(model: CircuitModel, *, seed: int = 0) -> int:
    """The rank of the Jacobian of a model's class probabilities in all trained parameters.

    As `qkd_study.quantum.effective_parameters`, but with the layers after the circuit, and for the
    probabilities of classes in place of what is read from the circuit: logits less their mean.

    Args:
        model: with one circuit, and no trained reduction; it is changed to double precision.
        seed: of inputs, uniform in [0, 1] as `rank_of_readouts` has them, and combinations.
    """
    if model.reduction is None or model.reduction.trainable:
        raise ValueError("effective_size needs a model with a reduction that is not trained")
    model.double()
    model.simulator = Simulator(forced="plain")
    trained = [p for p in model.parameters() if p.requires_grad and p.numel()]
    rng = torch.Generator().manual_seed(seed)
    features = model.reduction.features or math.prod(model.reduction.shape)
    count = sum(p.numel() for p in trained) + SPARE
    rows = []
    for state in model.embed(torch.rand(count, features, generator=rng, dtype=torch.float64)):
        logits = model(state[None]).logits
        combination = torch.randn(logits.shape, generator=rng, dtype=torch.float64)
        total = ((logits - logits.mean(1, keepdim=True)) * combination).sum()
        gradients = torch.autograd.grad(total, trained)
        rows.append(torch.cat([one.flatten() for one in gradients]))
    return jacobian_rank(rows) if trained else 0
