"""States of qubits as samples: checked, normalised, real where they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_study.common.errors import InputError
from qkd_study.data.dataset import Floats

#: What the samples of `Arrays` may be.
KINDS = ("samples", "states")
#: How far the norm of a state may be from 1 before it is no rounding error.
NORM_ERROR = 1e-3


def state_samples(
    who: str, x: Any, test_x: Any, divide_by: object, standardise: bool
) -> tuple[Floats, Floats | None]:
    """A user's states as samples, and those of the test set.

    Args:
        who: the beginning of messages.
        x, test_x: amplitudes (n, 2^qubits), real or complex; no test set: `None`.
        divide_by, standardise: must be `None` and `False`.

    Returns:
        As `as_samples`; both are real, or both are not.

    Raises:
        InputError: they are not amplitudes of norm 1, or would be scaled.
    """
    if divide_by is not None or standardise:
        raise InputError(
            f"{who}: states have the norm 1, so divide_by and standardise have no meaning for "
            f"kind='states'. Leave them out."
        )
    pool = _amplitudes(who, "x", x)
    if test_x is None:
        return as_samples(pool), None
    test = _amplitudes(who, "test_x", test_x)
    if test.shape[1:] != pool.shape[1:]:
        raise InputError(
            f"{who}: test_x has states of {test.shape[1]} amplitudes, but x of {pool.shape[1]}. "
            f"Give states of as many qubits."
        )
    both = as_samples(np.concatenate((pool, test)))
    return both[: len(pool)], both[len(pool) :]


def as_samples(states: NDArray[Any]) -> Floats:
    """Amplitudes (n, N) as float32 (n, N) if all are real, else (n, 2, N), real parts first."""
    if not np.iscomplexobj(states) or not states.imag.any():
        return states.real.astype(np.float32)
    return np.stack((states.real, states.imag), axis=1).astype(np.float32)


def _amplitudes(who: str, name: str, given: Any) -> NDArray[Any]:
    """Normalised amplitudes (n, 2^qubits), float64 or complex128."""
    try:
        x = np.asarray(given)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{who}: {name} is no array: {error}.") from None
    if x.dtype.kind not in "iufc":
        raise InputError(f"{who}: {name} has the type {x.dtype}. Allowed: real or complex numbers.")
    size = x.shape[-1] if x.ndim == 2 else 0
    if size < 2 or size & (size - 1) or not len(x):
        raise InputError(
            f"{who}: {name} has the shape {x.shape}. Allowed with kind='states': (states, "
            f"2^qubits), the amplitudes of at least 1 state of at least 1 qubit."
        )
    x = x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)
    if not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise InputError(
            f"{who}: {name} holds {x[row, column]} at [{row}, {column}]. Allowed: finite numbers. "
            f"Remove such states first."
        )
    norms = np.linalg.norm(x, axis=1)
    if len(off := np.flatnonzero(np.abs(norms - 1) > NORM_ERROR)):
        raise InputError(
            f"{who}: {name}[{off[0]}] has the norm {norms[off[0]]:.6g}. Allowed: 1, as states "
            f"have it. Divide by it: {name} / numpy.linalg.norm({name}, axis=1, keepdims=True)."
        )
    normalised: NDArray[Any] = x / norms[:, None]
    return normalised
