"""What tests of plans share."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from qkd_study import (
    Arm,
    Arrays,
    InputError,
    Study,
)
from qkd_study.data import DataSource, load
from qkd_study.models import Model, Outputs
from qkd_study.planning.plan import make_plan


def refused(
    message: str, setting: Any, *arms: Arm | str, data: DataSource = "digits", **changes: Any
) -> None:
    """Declaring the study, or its plan on the data, raises; nothing trains in either."""
    fixed = {"samples": 20, "validation_samples": 50, **changes.pop("fixed", {})}
    with pytest.raises(InputError, match=re.escape(message)):
        make_plan(
            Study(question="?", setting=setting, arms=arms or ("soft",), fixed=fixed, **changes),
            load(data),
        )


def images(*shape: int) -> Arrays:
    rng = np.random.default_rng(0)
    return Arrays(f"made {shape}", rng.random((200, *shape)), np.arange(200) % 2)


def raises(config: Any, shape: tuple[int, ...], classes: int) -> Model:
    raise LookupError("no such thing")


def vector(student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
    return (student.logits - teacher.logits).mean(1)
