"""Models of teachers that were trained elsewhere; nothing trains them here."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from qkd_study.common.errors import InputError, format_error, safe_repr
from qkd_study.models.outputs import Model, Outputs
from qkd_study.study.external import CachedTeacher, FrozenTeacher

#: Names of tensors in a message, at most.
_NAMED = 5


class FrozenModel(Model):
    """A module with given weights; features of width 0 if it returns logits alone.

    Args:
        module: returns logits (batch, classes), or these and features (batch, ...).
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        for parameter in module.parameters():
            parameter.requires_grad_(False)

    def prepare(self, samples: Tensor) -> Tensor:
        """The samples."""
        return samples

    def forward(self, inputs: Tensor) -> Outputs:
        """What the module returns, in single precision.

        Raises:
            TypeError: it is neither logits nor a pair of logits and features.
        """
        made = self.module(inputs)
        logits, features = made[:2] if isinstance(made, tuple | list) and made[1:] else (made, None)
        if not isinstance(logits, Tensor) or not isinstance(features, Tensor | None):
            raise TypeError(
                f"the module must return logits, or a pair of logits and features, as tensors, but "
                f"returned {safe_repr(made)}"
            )
        if features is None:
            features = logits.new_zeros(len(logits), 0)
        return Outputs(logits.float(), features.float())

    def head_parameters(self) -> list[nn.Parameter]:
        """None: nothing of it is trained."""
        return []


class LookupModel(Model):
    """Outputs by sample; its inputs are numbers of samples (batch,), not samples.

    Args:
        logits: (n, classes).
        features: (n, ...); of width 0 without any.
    """

    def __init__(self, logits: Tensor, features: Tensor | None) -> None:
        super().__init__()
        self.logits = logits
        self.features = logits.new_zeros(len(logits), 0) if features is None else features

    def prepare(self, samples: Tensor) -> Tensor:
        """The numbers of the samples."""
        return samples

    def forward(self, inputs: Tensor) -> Outputs:
        """The outputs of the samples."""
        return Outputs(self.logits[inputs], self.features[inputs])

    def head_parameters(self) -> list[nn.Parameter]:
        """None: nothing of it is trained."""
        return []


def build_frozen(of: FrozenTeacher) -> FrozenModel:
    """Build a module and give it its weights.

    Raises:
        InputError: the module cannot be built, the file is no safetensors file, or its tensors are
            not those of the module.
    """
    try:
        module = of.module()
    except Exception as error:
        raise InputError(
            f"module of {safe_repr(of)} failed when it was called without arguments: "
            f"{format_error(error)}. If it takes some, give a function: lambda: Module(64, 10)."
        ) from None
    if not isinstance(module, nn.Module):
        raise InputError(
            f"module of {safe_repr(of)} must give a torch.nn.Module, but gave {safe_repr(module)}."
        )
    try:
        weights: dict[str, Tensor] = load(of.content)
    except (SafetensorError, ValueError) as error:
        raise InputError(
            f"{of.weights} cannot be read as safetensors: {format_error(error)}. Write it anew: "
            f"safetensors.torch.save_file(module.state_dict(), path)."
        ) from None
    _check_weights(of, module.state_dict(), weights)
    module.load_state_dict(weights)
    return FrozenModel(module)


def build_cached(of: CachedTeacher) -> LookupModel:
    """The outputs of a file by number of the sample; those of the test set follow the pool's."""
    logits, features = of.outputs.by_sample()
    test = of.outputs.by_test_sample()
    both = logits if test is None else np.concatenate([logits, test])
    if features is None:
        return LookupModel(torch.from_numpy(both), None)
    found = np.zeros((len(both), *features.shape[1:]), np.float32)
    found[: len(features)] = features
    return LookupModel(torch.from_numpy(both), torch.from_numpy(found))


def _check_weights(
    of: FrozenTeacher, wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]
) -> None:
    problems = []
    if missing := [name for name in wanted if name not in given]:
        problems.append(f"the file lacks {_some(missing)}")
    if unknown := [name for name in sorted(given) if name not in wanted]:
        problems.append(f"the file has {_some(unknown)}, which the module has not")
    shapes = [
        f"{name} is {tuple(given[name].shape)} in the file and {tuple(wanted[name].shape)} in the "
        f"module"
        for name in wanted
        if name in given and wanted[name].shape != given[name].shape
    ]
    if problems or shapes:
        what = "; ".join([*problems, *shapes[:_NAMED]])
        raise InputError(
            f"{of.weights} does not fit the module {type_name(of)}: {what}. Save the weights of "
            f"this very module: safetensors.torch.save_file(module.state_dict(), path)."
        )
    for name, value in sorted(given.items()):
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise InputError(f"{of.weights}: {name} holds numbers that are not finite.")


def type_name(of: FrozenTeacher) -> str:
    """The name of a frozen teacher's module."""
    return str(getattr(of.module, "__name__", type(of.module).__name__))


def _some(names: list[str]) -> str:
    more = ", ..." if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
