"""A training step of networks with several convolutions: one by one, and all replicates at once.

    python benchmarks/convolutions.py [--replicates 20] [--batch 32]

Prints milliseconds of CPU time per network of a step (forward, backward, Adam), medians on one
thread, the ways in turn: one by one, as they are trained; all with `torch.func.vmap`, which makes
grouped convolutions; and, for `ConvNet`, forward and backward with the convolutions by hand that
`HybridImage` is trained with in a batch (`PooledConvolution`).
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from qkd_study.distill.batched.pooled_convolution import PooledConvolution
from qkd_study.distill.optimizers import Optimizer
from qkd_study.models.classical import AlexNet, ConvNet, LeNet5

Step = Callable[[], None]


def one_by_one(models: list[nn.Module], samples: Tensor, labels: Tensor) -> Step:
    """A step of each model on its samples (R, B, 1, height, width)."""
    optimizers = [_adam(list(model.parameters())) for model in models]

    def step() -> None:
        for model, optimizer, x, y in zip(models, optimizers, samples, labels, strict=True):
            optimizer.clear()
            cross_entropy(model(x).logits, y).backward()
            optimizer.step(1e-3)

    return step


def at_once(models: list[nn.Module], samples: Tensor, labels: Tensor) -> Step:
    """A step of all models by `torch.func`."""
    stacked, _ = stack_module_state(models)
    values = {name: nn.Parameter(value.detach().clone()) for name, value in stacked.items()}
    optimizer = _adam(list(values.values()))

    def loss(given: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(functional_call(models[0], given, (x,)).logits, y)

    gradients = vmap(grad(loss))

    def step() -> None:
        given = {name: value.detach() for name, value in values.items()}
        for name, gradient in gradients(given, samples, labels).items():
            values[name].grad = gradient
        optimizer.step(1e-3)

    return step


def by_hand(models: list[nn.Module], samples: Tensor) -> Step:
    """Forward and backward of each `ConvNet`, without the loss and the optimiser."""
    side = samples.shape[-1]
    one = PooledConvolution(1, side, side, 8)
    two = PooledConvolution(8, one.height, one.width, 16)

    @torch.no_grad()
    def step() -> None:
        for model, mine in zip(models, samples, strict=True):
            weight = dict(model.named_parameters())
            maps = torch.cat((mine.flatten(1).T, mine.new_zeros(1, len(mine))))
            matrices = (
                one.matrix(weight["layers.0.weight"]),
                two.matrix(weight["layers.3.weight"]),
            )
            first = one.forward(maps, matrices[0], weight["layers.0.bias"])
            second = two.forward(first.output, matrices[1], weight["layers.3.bias"])
            given = torch.softmax(weight["head.weight"] @ second.output[:-1], 0)
            given @ second.output[:-1].T
            found, _, patches = two.backward(second, weight["head.weight"].T @ given)
            two.kernels(found)
            one.kernels(one.backward(first, two.backward_maps(second, patches))[0])

    return step


def _adam(parameters: list[nn.Parameter]) -> Optimizer:
    return Optimizer("adam", parameters, momentum=0.0, weight_decay=0.0)


def milliseconds(steps: dict[str, Step], repeats: int = 9) -> dict[str, float]:
    """Medians of CPU time, after one turn that warms up."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(repeats + 1):
        for name, step in steps.items():
            start = time.process_time()
            step()
            if turn:
                found[name].append(1e3 * (time.process_time() - start))
    return {name: statistics.median(times) for name, times in found.items()}


def main() -> None:
    """Print a line per network."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--replicates", type=int, default=20)
    parser.add_argument("--batch", type=int, default=32)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    shapes: list[tuple[type[nn.Module], int]] = [
        (ConvNet, 8),
        (ConvNet, 28),
        (LeNet5, 28),
        (AlexNet, 28),
    ]
    for kind, side in shapes:
        models = [kind((side, side), 10) for _ in range(asked.replicates)]
        samples = torch.rand(asked.replicates, asked.batch, 1, side, side)
        labels = torch.randint(0, 10, (asked.replicates, asked.batch))
        steps = {
            "one by one": one_by_one(models, samples, labels),
            "vmap": at_once(models, samples, labels),
        }
        if kind is ConvNet:
            steps["by hand"] = by_hand(models, samples)
        found = milliseconds(steps, 3 if kind is AlexNet else 9)
        times = ", ".join(f"{name} {ms / asked.replicates:.2f} ms" for name, ms in found.items())
        print(f"{kind.__name__} {side}x{side}: {times}", flush=True)


if __name__ == "__main__":
    main()
