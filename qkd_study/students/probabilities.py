"""Class probabilities of logits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def probabilities(logits: Tensor) -> NDArray[np.float32]:
    """The softmax of logits (n, classes), float32."""
    shares: NDArray[np.float32] = logits.detach().float().softmax(-1).numpy()
    return shares
