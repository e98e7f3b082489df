"""A quanvolution's pass over patches, as states times each filter's matrix and as bilinear forms.

    python benchmarks/quanvolution.py [--repeats 15]

Prints, for batches of Fashion-MNIST, medians in milliseconds of CPU time on one thread, both ways
in turn: embedding, forward, and forward with backward; then what finding equal patches would take
and save.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from qkd_study.data import load
from qkd_study.quantum import Quanvolution, angle_embedding

BATCHES = (32, 400, 1000)


class ByStates(Quanvolution):
    """As the layer was: every patch has a state, which each filter's matrix is multiplied with."""

    def embed(self, images: Tensor) -> Tensor:
        """States of all patches, (batch, down, across, 2^n)."""
        patches = images.unfold(1, self.kernel, self.stride).unfold(2, self.kernel, self.stride)
        return angle_embedding(patches.flatten(-2) * self.angle_range, self.circuit.qubits)

    def forward(self, features: Tensor) -> Tensor:
        """Feature maps, (batch, filters, down, across)."""
        flat = features.flatten(0, 2)
        matrices = []
        for theta in self.theta:
            unitary = self.simulator.unitary(self.circuit, theta)
            matrices.append(((unitary * self.get_buffer("z")) @ unitary.mH).real)
        images = (flat @ torch.cat(matrices, dim=1).to(flat.dtype)).unflatten(
            1, (len(matrices), -1)
        )
        maps = (images * flat[:, None]).sum(-1)
        out: Tensor = maps.unflatten(0, features.shape[:3]).movedim(-1, 1)
        return out


def timed(step: Callable[[], object]) -> float:
    """Milliseconds of CPU time."""
    start = time.process_time()
    step()
    return 1e3 * (time.process_time() - start)


def medians(steps: list[Callable[[], object]], repeats: int) -> list[float]:
    """Of each step, all in turn, after one round that warms up."""
    rounds = [[timed(step) for step in steps] for _ in range(repeats + 1)]
    return [statistics.median(times) for times in zip(*rounds[1:], strict=True)]


def steps(layer: Quanvolution, images: Tensor) -> list[Callable[[], object]]:
    """Embedding, forward, forward and backward."""
    features = layer.embed(images)
    weights = torch.rand(layer(features).shape)

    def forward() -> None:
        with torch.no_grad():
            layer(features)

    def both() -> None:
        torch.autograd.grad(layer(features), layer.theta, weights)

    return [lambda: layer.embed(images), forward, both]


def main() -> None:
    """Time both ways at every batch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    data = load("fashion-mnist")
    images = torch.from_numpy(data.pool_inputs(np.arange(max(BATCHES))))
    print("images  what                    states     forms   ratio")
    for batch in BATCHES:
        layers = [kind(seed=0) for kind in (ByStates, Quanvolution)]
        both = [step for layer in layers for step in steps(layer, images[:batch])]
        times = medians(both, repeats * (10 if batch < 100 else 1))
        for name, old, new in zip(
            ("embedding", "forward", "forward and backward"), times[:3], times[3:], strict=True
        ):
            print(f"{batch:6}  {name:20} {old:9.2f} {new:9.2f} {old / new:6.1f}x", flush=True)
    equal_patches(images, repeats)


def equal_patches(images: Tensor, repeats: int) -> None:
    """What finding and computing equal patches once would take and save, in one forward pass."""
    layer = Quanvolution(seed=0)
    features = layer.embed(images)
    patches = images.unfold(1, 2, 2).unfold(2, 2, 2).reshape(-1, 4)
    raw = (patches * 255).round().byte().numpy().view(np.uint32).ravel()
    _, first, place = np.unique(raw, return_index=True, return_inverse=True)
    where = torch.from_numpy(place.ravel())
    flat = features.flatten(2).movedim(1, 0).flatten(1)[:, torch.from_numpy(first)]
    side = features.shape[2]
    rest = -flat.shape[1] % side**2
    padded = torch.nn.functional.pad(flat, (0, rest)).unflatten(1, (-1, side, side))
    few = padded.movedim(1, 0).contiguous()
    with torch.no_grad():
        found, whole, once, spread = medians(
            [
                lambda: np.unique(raw, return_inverse=True),
                lambda: layer(features),
                lambda: layer(few),
                lambda: layer(few).movedim(1, -1).flatten(0, 2).index_select(0, where),
            ],
            repeats,
        )
    print(
        f"{len(raw):,} patches, {len(first):,} different: found in {found:.1f} ms; forward: all "
        f"{whole:.1f} ms, the different ones {once:.1f} ms, copied to all places {spread:.1f} ms"
    )


if __name__ == "__main__":
    main()
