"""The random generator of a PennyLane device.

Checked with PennyLane 0.45.1, whose devices have no public way to be seeded anew: `Device._rng`
(of `default.qubit` and others) draws the shots, and a device may replace it. PennyLane is not
imported here: where nobody has, there is no device either.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def draws_shots(thing: object) -> bool:
    """Whether it is a device with a generator of NumPy in `_rng`."""
    pennylane = sys.modules.get("pennylane")
    if pennylane is None or not isinstance(thing, pennylane.devices.Device):
        return False
    return isinstance(getattr(thing, "_rng", None), np.random.Generator)


def generator(device: Any) -> np.random.Generator:
    """The generator `_rng` of a device for which `draws_shots` holds."""
    found: np.random.Generator = device._rng
    return found


def set_generator(device: Any, to: np.random.Generator) -> None:
    """Replace the generator `_rng` of a device."""
    device._rng = to
