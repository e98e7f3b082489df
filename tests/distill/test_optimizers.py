"""Optimiser steps against torch's own classes, bit for bit."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from qkd_study.distill.optimizers import Optimizer

CLASSES = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("adam", {}),
        ("adamw", {"weight_decay": 0.0}),
        ("adamw", {"weight_decay": 0.1}),
        ("sgd", {}),
        ("sgd", {"momentum": 0.9}),
    ],
)
def test_steps_are_torchs(name: str, options: dict[str, Any]) -> None:
    """With step sizes that change, two types of number, and a gradient that fails to come once."""
    random = torch.Generator().manual_seed(1)
    shapes = [((5, 7), torch.float32), ((3,), torch.float64), ((4, 1), torch.float32)]
    values = [torch.randn(shape, generator=random, dtype=kind) for shape, kind in shapes]
    ours, theirs = ([nn.Parameter(value.clone()) for value in values] for _ in range(2))
    optimizer = Optimizer(name, ours, **options)
    reference = CLASSES[name](theirs, lr=1.0, fused=True, **options)
    for step in range(20):
        optimizer.clear()
        reference.zero_grad()
        for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            if (step, place) != (3, 2):
                one.grad = torch.randn(one.shape, generator=random, dtype=one.dtype)
                other.grad = one.grad.clone()
        reference.param_groups[0]["lr"] = rate = 0.1 / (1 + step)
        optimizer.step(rate)
        reference.step()
        for one, other, value in zip(ours, theirs, values, strict=True):
            assert torch.equal(one, other)
            assert not torch.equal(one, value)


def test_training_imports_neither_pennylane_nor_torchs_compiler() -> None:
    """Together they take more than three seconds, in every worker."""
    code = """
import sys, torch
from qkd_study.distill import Objective, TrainingConfig, Samples, train
from qkd_study.models import HybridModel
from qkd_study.quantum import Simulator, hardware_efficient
parts = hardware_efficient(2, 1), Simulator(), 2
model = HybridModel(*parts, reduction=None, embedding="amplitude", angle_range=1.0)
samples = Samples(torch.rand(6, 4), torch.tensor([0, 1] * 3))
train(model, samples, samples, Objective(), TrainingConfig("adam", 0.1, 2, 3), seed=0)
print([name for name in ("pennylane", "torch._dynamo") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr
