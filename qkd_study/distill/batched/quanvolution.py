"""Quanvolutions in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import cast

import torch
from torch import Tensor

from qkd_study.distill.batched.arrays import aligned_zeros
from qkd_study.distill.batched.filters import BatchedFilters
from qkd_study.models import Model, QuanvolutionTeacher
from qkd_study.quantum import form_sides
from qkd_study.study.circuits import Quanvolution
from qkd_study.study.config import Config
from qkd_study.study.models import Shape

#: Samples of a validation or test set in a chunk, whose products stay in the cache.
CHUNK = 32


class BatchedQuanvolution(BatchedFilters):
    """R quanvolutions with linear heads.

    The circuits run one after the other, once per filter and step; each gives a bilinear form of
    features that training does not change (see `FilterForms`). The forms are evaluated for one
    replicate after the other, because the products of its batch stay in the cache.
    """

    spec = Quanvolution

    @classmethod
    def accepts(cls, spec: Quanvolution, config: Config, shape: Shape) -> bool:
        """See `BatchedModel.accepts`."""
        return 1 not in (spec.filters, spec.kernel, prod(spec.patches(shape)))

    @classmethod
    def numbers(cls, spec: Quanvolution, config: Config, shape: Shape) -> int:
        """See `BatchedModel.numbers`."""
        sides = form_sides(config.embedding or "angle", spec.kernel**2)
        return sum(sides) * prod(spec.patches(shape))

    def __init__(self, models: Sequence[Model]) -> None:
        super().__init__(models)
        self._layers = [cast(QuanvolutionTeacher, model).quanvolution for model in models]
        first = self._layers[0]
        for model, layer in zip(models[1:], self._layers[1:], strict=True):
            # The identical object finds its device state without a comparison of all gates.
            layer.simulator, layer.circuit = first.simulator.shared_copy(), first.circuit
            cast(QuanvolutionTeacher, model).simulator = layer.simulator
        self._filters = len(first.theta)
        self._left, self._right = form_sides(first.embedding, first.kernel**2)
        self._frozen: Tensor | None = None
        self._scratch = torch.empty(0, 0)

    @staticmethod
    def parameters_of(model: Model) -> dict[str, Tensor]:
        """The circuits' angles (filters, P), and the head by filters."""
        teacher = cast(QuanvolutionTeacher, model)
        theta, head = teacher.quanvolution.theta, teacher.head
        return {
            "theta": theta,
            "head": head.weight.unflatten(1, (len(theta), -1)),
            "head.bias": head.bias,
        }

    def inputs(self, prepared: Tensor) -> Tensor:
        """Features of the patches: (features, n, patches)."""
        return prepared.flatten(2).transpose(0, 1)

    def _weights(self) -> Tensor:
        """The filters' forms, transposed: (R, filters * right, left).

        Angles that are not finite give NaN. Frozen filters are run once.
        """
        if self._frozen is not None:
            return self._frozen
        angles = self.parameters.values["theta"]
        forms = aligned_zeros(len(angles), self._filters * self._right, self._left)
        self._running = angles.isfinite().flatten(1).all(1)
        running = [number for number, one in enumerate(self._running.tolist()) if one]
        simulators = [self._layers[number].simulator for number in running]
        each = [simulator for simulator in simulators for _ in range(self._filters)]
        by_filter = forms.unflatten(1, (self._filters, self._right)).transpose(2, 3)
        by_filter.fill_(torch.nan)
        if running:
            self._executed = self._layers[0].forms(angles[running].flatten(0, 1).numpy(), each)
            found = torch.from_numpy(self._executed.forms)
            by_filter[running] = found.unflatten(0, (-1, self._filters)).to(forms.dtype)
        if "theta" in self.parameters.frozen:
            self._frozen = forms
        return forms

    def _maps(self, forms: Tensor, features: Tensor, out: Tensor) -> None:
        """Maps (filters, B * patches) of one model, from features (features, B * patches)."""
        products = self._products(features.shape[1])
        torch.mm(forms, features[: self._left], out=products)
        by_filter = products.unflatten(0, (self._filters, self._right))
        torch.sum(by_filter.mul_(features[-self._right :]), 1, out=out)

    def _products(self, width: int) -> Tensor:
        """A buffer for (filters * right, width) numbers, which is reused: new pages cost time."""
        if self._scratch.shape[1] != width:
            self._scratch = aligned_zeros(1, self._filters * self._right, width)[0]
        return self._scratch

    def forward(self, inputs: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """See `BatchedModel.forward`."""
        self._inputs = inputs.flatten(2)
        self._found = inputs.new_empty(len(inputs), self._filters, *inputs.shape[2:])
        models = zip(self._weights(), self._inputs, self._found.flatten(2), strict=True)
        for forms, features, maps in models:
            self._maps(forms, features, maps)
        return self._logits_of(self._found), self._found

    def backward(self, logits: Tensor, features: Tensor | None, factor: float) -> None:
        """See `BatchedModel.backward`."""
        for_maps = self._backward_head(self._found, logits, features, factor).flatten(2)
        if self._frozen is not None:
            return
        for_forms = aligned_zeros(len(logits), self._filters * self._right, self._left)
        for mine, given, x in zip(for_forms, for_maps, self._inputs, strict=True):
            products = self._products(x.shape[1])
            by_filter = products.unflatten(0, (self._filters, self._right))
            torch.mul(given[:, None], x[-self._right :], out=by_filter)
            torch.mm(products, x[: self._left].T, out=mine)
        if self._running.any():
            given = for_forms[self._running].double()
            by_filter = given.unflatten(1, (self._filters, self._right)).transpose(2, 3)
            found = torch.from_numpy(self._executed.gradient(by_filter.flatten(0, 1).numpy()))
            for_theta = self.parameters.gradients["theta"]
            for_theta[self._running] = found.unflatten(0, (-1, self._filters))

    def _logits(self, number: int, weights: Tensor, inputs: Tensor) -> Tensor:
        """See `BatchedFilters._logits`."""
        head, bias = (self.parameters.values[name][number] for name in ("head", "head.bias"))
        logits = inputs.new_empty(self.classes, inputs.shape[1]).copy_(bias[:, None])
        patches = inputs.shape[2]
        features = inputs.flatten(1).split(CHUNK * patches, dim=1)
        for part, x in zip(logits.split(CHUNK, dim=1), features, strict=True):
            maps = inputs.new_empty(self._filters, x.shape[1])
            self._maps(weights, x, maps)
            for of_filter, mine in zip(head.unbind(1), maps, strict=True):
                part.addmm_(of_filter, mine.view(-1, patches).T)
        return logits
