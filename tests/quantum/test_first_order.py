"""Second derivatives of circuits are refused, and not zero without a word."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from qkd_study.quantum import Quanvolution, Simulator, hardware_efficient
from qkd_study.quantum._bilinear import BilinearForms
from qkd_study.quantum._filters import Forms

CIRCUIT = hardware_efficient(2, 1)
MESSAGE = "gradients of a circuit cannot be differentiated again"


def bilinear(x: Tensor) -> Tensor:
    out: Tensor = BilinearForms.apply(torch.ones(3, 5, 2), x)
    return out.flatten(1)


def forms(theta: Tensor) -> Tensor:
    out: Tensor = Forms.apply(theta, Quanvolution(qubits=4, seed=0).forms)
    return out.flatten(1)[:, 1:]


def by(plan: str, what: str) -> Callable[[Tensor], Tensor]:
    def run(theta: Tensor) -> Tensor:
        states = torch.eye(4, dtype=torch.float64)
        out: Tensor = getattr(Simulator(), what)(CIRCUIT, theta, states, plan=plan)
        return out.real**2 if out.is_complex() else out

    return run


FUNCTIONS = {
    "bilinear": (bilinear, torch.rand(2, 3, 2)),
    "forms": (forms, torch.rand(2, 11, dtype=torch.float64)),
    **{
        f"{what} {plan}": (by(plan, what), torch.rand(CIRCUIT.parameters, dtype=torch.float64))
        for what in ("probabilities", "evolve")
        for plan in ("register", "matrix", "plain")
    },
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("weighted", [True, False])
def test_a_gradient_penalty_is_refused(name: str, weighted: bool) -> None:
    """Also where no incoming gradient requires one: there autograd alone would say zero."""
    function, given = FUNCTIONS[name]
    x = given.clone().requires_grad_()
    factor = torch.tensor(2.0, requires_grad=weighted)
    # The first column alone: a sum of probabilities is constant.
    (gradient,) = torch.autograd.grad((function(x)[:, 0] * factor).sum(), x, create_graph=True)
    assert gradient.abs().sum() > 0  # a first derivative can still be used as a number
    with pytest.raises(RuntimeError, match=MESSAGE):
        (x.sum() + gradient.square().sum()).backward()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_first_derivatives_are_the_same_with_a_graph(name: str) -> None:
    function, given = FUNCTIONS[name]
    x = given.clone().requires_grad_()
    plain, graphed = (
        torch.autograd.grad(function(x)[:, 0].sum(), x, create_graph=graph)[0]
        for graph in (False, True)
    )
    assert torch.equal(plain, graphed)
