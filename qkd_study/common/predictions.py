"""`Predictions`: the classes that a model chose for the test samples, with probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of one run, in the order of the dataset's test samples.

    Attributes:
        label: int32 (t,), the true classes.
        predicted: int32 (t,), the classes that the model chose.
        probabilities: float32 (t, classes), the softmax of the logits.
    """

    label: NDArray[np.int32]
    predicted: NDArray[np.int32]
    probabilities: NDArray[np.float32]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Predictions)
            and np.array_equal(self.label, other.label)
            and np.array_equal(self.predicted, other.predicted)
            and np.array_equal(self.probabilities, other.probabilities)
        )

    __hash__ = None  # type: ignore[assignment]
