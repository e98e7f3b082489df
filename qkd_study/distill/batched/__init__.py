"""Trains replicates of one configuration in one batch, to share overhead.

At the sizes of these studies most of a training step is Python and autograd, not arithmetic. So the
parameters of R models are in one array, gradients are written by hand, and there is one optimiser
step for all. `BatchedModel` is the interface of a kind of model; `KINDS` lists its implementations.
"""

from collections.abc import Iterable, Sequence

from qkd_study.distill.batched.convolution import BatchedConvolution, BatchedPatchPolynomial
from qkd_study.distill.batched.fully_quantum import BatchedFullyQuantum
from qkd_study.distill.batched.hybrid import BatchedHybrid
from qkd_study.distill.batched.hybrid_image import BatchedHybridImage
from qkd_study.distill.batched.mlp import (
    BatchedEffectiveMLP,
    BatchedFourier,
    BatchedMatchedMLP,
    BatchedMLP,
    BatchedPolynomial,
)
from qkd_study.distill.batched.model import BatchedModel
from qkd_study.distill.batched.objective import BATCHED_TERMS
from qkd_study.distill.batched.quanvolution import BatchedQuanvolution
from qkd_study.distill.batched.training import one_thread, train_batched
from qkd_study.models import Model
from qkd_study.study.config import Config
from qkd_study.study.models import ModelSpec, Shape
from qkd_study.study.parameters import Term

__all__ = [
    "BATCHED_TERMS",
    "KINDS",
    "BatchedModel",
    "batch_models",
    "can_batch",
    "largest_batch",
    "one_thread",
    "train_batched",
]

#: Bytes of samples in memory; a larger group is trained in parts.
MEMORY_BYTES = 2**28
#: The implementation for each type of declaration.
KINDS: dict[type[ModelSpec], type[BatchedModel]] = {
    kind.spec: kind
    for kind in (
        BatchedMLP,
        BatchedConvolution,
        BatchedQuanvolution,
        BatchedHybrid,
        BatchedHybridImage,
        BatchedFullyQuantum,
        BatchedPatchPolynomial,
        BatchedPolynomial,
        BatchedFourier,
        BatchedMatchedMLP,
        BatchedEffectiveMLP,
    )
}


def can_batch(spec: ModelSpec, terms: Iterable[Term], config: Config, shape: Shape) -> bool:
    """Whether models of a declaration can be trained in one batch.

    Args:
        spec, config, shape: as for `BatchedModel.accepts`.
        terms: of the loss, without the cross-entropy.
    """
    if config.shots or config.test_shots:  # every replicate draws its own
        return False
    kind = KINDS.get(type(spec))
    with_gradients = all(term.name in BATCHED_TERMS for term in terms)
    return with_gradients and kind is not None and kind.accepts(spec, config, shape)


def largest_batch(spec: ModelSpec, config: Config, shape: Shape, samples: int) -> int:
    """How many models of a declaration that `can_batch`, with so many samples, fit into memory.

    Args:
        spec, config, shape: as for `BatchedModel.accepts`.
        samples: of training and validation together.
    """
    numbers = KINDS[type(spec)].numbers(spec, config, shape)
    return max(MEMORY_BYTES // (4 * numbers * samples), 1)


def batch_models(spec: ModelSpec, models: Sequence[Model]) -> BatchedModel:
    """Models of a declaration that `can_batch`; the same parameters are frozen in all of them."""
    return KINDS[type(spec)](models)
