"""Settings: who teaches whom. They declare; `qkd_study.models` builds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from qkd_study.errors import InputError


@dataclass(frozen=True)
class QuantumToClassical:
    """A quanvolution teaches a classical convolution of the same shape (Piperno et al., Q2C).

    Teacher and student share one architecture: one layer of `filters` kernels of
    `kernel` x `kernel` pixels, then a linear layer to the classes. The teacher's kernels are
    circuits (Henderson et al., arXiv:1904.04767), the student's are convolutions with tanh.

    Attributes:
        filters: kernels of the first layer.
        kernel: their width and height, in pixels.
        stride: pixels between neighbouring patches.
    """

    filters: int = 3
    kernel: int = 2
    stride: int = 2

    kind: ClassVar[str] = "quantum to classical"
    quantum: ClassVar[frozenset[Literal["teacher", "student"]]] = frozenset({"teacher"})

    def __post_init__(self) -> None:
        for name in ("filters", "kernel", "stride"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(
                    f"{name} of {self.kind} must be an integer >= 1, but got {value!r}."
                )

    @property
    def inputs(self) -> int:
        """Features that enter one circuit: the pixels of a patch."""
        return self.kernel**2

    def embedding(self, embedding: str, qubits: int) -> str:
        """Resolve `auto` and check that a patch fits into the circuit.

        Raises:
            InputError: the patch needs more qubits than the circuit has.
        """
        if embedding == "auto":
            embedding = "angle" if qubits >= self.inputs else "amplitude"
        needed = self.inputs if embedding == "angle" else (self.inputs - 1).bit_length()
        if qubits < max(needed, 1):
            raise InputError(
                f"{embedding} embedding of the {self.inputs} pixels of a {self.kernel}x"
                f"{self.kernel} patch needs qubits >= {max(needed, 1)}, but got qubits={qubits}."
            )
        return embedding

    def patches(self, shape: tuple[int, int]) -> int:
        """Patches of an image of `shape` (height, width), without padding.

        Raises:
            InputError: there is no room for one.
        """
        if min(shape) < self.kernel:
            raise InputError(f"kernel={self.kernel} is larger than the images of {shape} pixels.")
        height, width = ((side - self.kernel) // self.stride + 1 for side in shape)
        return height * width


Setting = QuantumToClassical
