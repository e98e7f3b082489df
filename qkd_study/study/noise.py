"""`Noise`: the errors of a quantum device as a study declares them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.common.python_values import keep_python_values
from qkd_study.study.calibration import fields_of_calibration
from qkd_study.study.field_checks import check_field

#: A number for all qubits, or one for each.
OfQubits = float | tuple[float, ...]
#: A number for all pairs, or (lower qubit, higher qubit, number) for each pair there is.
OfPairs = float | tuple[tuple[int, int, float], ...]

PROBABILITIES = (
    *("one_qubit", "two_qubit", "amplitude_damping", "phase_damping"),
    *("readout_0_as_1", "readout_1_as_0"),
)
_PAIRS = ("two_qubit", "two_qubit_time")
#: Parameters that models with noise read.
NOISE = frozenset({"noise_scale", "noise_in", "mitigation"})
#: Density matrices of more qubits are not simulated.
LARGEST = 8


@dataclass(frozen=True)
class Noise:
    """Errors after every gate of a circuit, and in its measurement. Embedding is exact.

    A value is a number for all qubits or a tuple of one for each; of `two_qubit` and
    `two_qubit_time`, a number for all pairs or a tuple of (lower, higher, number) for each pair
    that the device couples.

    Attributes:
        one_qubit: probability of a Pauli error (depolarising) after a gate on one qubit.
        two_qubit: that after a gate on two qubits.
        amplitude_damping: probability that |1> decays, on each qubit of a gate.
        phase_damping: probability of losing the phase, likewise.
        t1, t2: relaxation and dephasing times in microseconds, in place of the two dampings.
        one_qubit_time, two_qubit_time: durations of gates in microseconds, beside `t1` or `t2`.
        over_rotation: every rotation turns by (1 + over_rotation) times its angle; negative numbers
            under-rotate.
        readout_0_as_1, readout_1_as_0: probabilities of reading a qubit wrongly.

    Raises:
        InputError: a probability lies outside [0, 1], a time is not positive, T2 > 2 T1, or damping
            is declared in both ways.
    """

    one_qubit: OfQubits = 0.0
    two_qubit: OfPairs = 0.0
    amplitude_damping: OfQubits = 0.0
    phase_damping: OfQubits = 0.0
    t1: OfQubits | None = None
    t2: OfQubits | None = None
    one_qubit_time: OfQubits = 0.0
    two_qubit_time: OfPairs = 0.0
    over_rotation: float = 0.0
    readout_0_as_1: OfQubits = 0.0
    readout_1_as_0: OfQubits = 0.0

    def __post_init__(self) -> None:
        keep_python_values(self)
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, list):
                value = tuple(tuple(v) if isinstance(v, list) else v for v in value)
                object.__setattr__(self, one.name, value)
            self._check(one.name, value)
        given = [self.t1 is not None, self.t2 is not None]
        if any(given) and (self.amplitude_damping or self.phase_damping):
            raise InputError(
                "Noise takes t1 and t2, or amplitude_damping and phase_damping, but got both."
            )
        if any(given) and not (self.one_qubit_time or self.two_qubit_time):
            raise InputError(
                "Noise with t1 or t2 needs one_qubit_time or two_qubit_time in microseconds: how "
                "long gates take."
            )
        if not any(given) and (self.one_qubit_time or self.two_qubit_time):
            raise InputError(
                "one_qubit_time and two_qubit_time of Noise act through t1 or t2 only."
            )
        for qubit in range(self.qubits or 1) if all(given) else ():
            t1, t2 = self._of("t1", qubit), self._of("t2", qubit)
            if t2 > 2 * t1:
                where = f" of qubit {qubit}" if self.qubits else ""
                raise InputError(
                    f"t2{where} must be at most 2 * t1, as dephasing cannot be slower than what "
                    f"relaxation causes, but got t1={t1:g}, t2={t2:g}."
                )

    @classmethod
    def from_calibration(cls, source: str | Path) -> Noise:
        """The numbers of a device out of a JSON file; docs/on_hardware.md describes its form.

        Args:
            source: a path, or the name of a made-up device of this package: `example-line` or
                `example-ring`.

        Raises:
            InputError: there is no such file, or it is not in that form.
        """
        return cls(**fields_of_calibration(source))

    @property
    def qubits(self) -> int | None:
        """How many qubits have numbers of their own; `None` if all have the same."""
        counts = [
            len(value)
            for one in fields(self)
            if one.name not in _PAIRS and isinstance(value := getattr(self, one.name), tuple)
        ]
        return min(counts, default=None)

    def at(self, scale: float) -> Noise:
        """The same, every number multiplied by `scale`; of T1 and T2, the durations of gates.

        Raises:
            InputError: a probability becomes larger than 1.
        """
        changed: dict[str, Any] = {}
        for name in (*PROBABILITIES, "one_qubit_time", "two_qubit_time", "over_rotation"):
            value = getattr(self, name)
            if isinstance(value, tuple) and name in _PAIRS:
                changed[name] = tuple((a, b, scale * number) for a, b, number in value)
            elif isinstance(value, tuple):
                changed[name] = tuple(scale * number for number in value)
            else:
                changed[name] = scale * value
            largest = max(_numbers(changed[name]), default=0.0)
            if name in PROBABILITIES and largest > 1:
                raise InputError(
                    f"noise_scale={scale:g} makes a probability {name} of {largest:g}, above 1. "
                    f"Allowed with this noise: up to {scale / largest:.4g}."
                )
        return replace(self, **changed)

    def _of(self, name: str, qubit: int) -> float:
        value = getattr(self, name)
        return float(value[qubit] if isinstance(value, tuple) else value)

    def of_pair(self, name: str, pair: tuple[int, int]) -> float | None:
        """`two_qubit` or `two_qubit_time` of a pair (lower, higher); `None` if it is not there."""
        value = getattr(self, name)
        if not isinstance(value, tuple):
            return float(value)
        return next((number for a, b, number in value if (a, b) == pair), None)

    def damping(self, qubit: int, time: float) -> tuple[float, float]:
        """Amplitude and phase damping of a qubit by a gate that takes `time` microseconds.

        From T1 and T2: 1 - exp(-t/T1), and 1 - exp(-t (2/T2 - 1/T1)), so that the coherence decays
        as exp(-t/T2) (Nielsen and Chuang 2010, section 8.3; Krantz et al. 2019, arXiv:1904.06560).
        """
        if self.t1 is None and self.t2 is None:
            return self._of("amplitude_damping", qubit), self._of("phase_damping", qubit)
        energy = 0.0 if self.t1 is None else 1 / self._of("t1", qubit)
        phase = 0.0 if self.t2 is None else max(2 / self._of("t2", qubit) - energy, 0.0)
        return -math.expm1(-time * energy), -math.expm1(-time * phase)

    def single(self, qubit: int) -> tuple[float, float, float]:
        """Depolarising, amplitude damping and phase damping after a gate on one qubit."""
        return self._of("one_qubit", qubit), *self.damping(qubit, self._of("one_qubit_time", qubit))

    def readout(self, qubit: int) -> tuple[float, float]:
        """The probabilities that a qubit in 0 is read as 1, and one in 1 as 0."""
        return self._of("readout_0_as_1", qubit), self._of("readout_1_as_0", qubit)

    def _check(self, name: str, value: Any) -> None:
        if value is None and name in ("t1", "t2"):
            return
        each = isinstance(value, tuple) and name != "over_rotation"
        if each and name in _PAIRS:
            fits = all(_is_pair(one) for one in value)
        elif each:
            fits = len(value) > 0 and all(map(_is_number, value))
        else:
            fits = _is_number(value)
        allowed = "a finite number"
        if name in PROBABILITIES:
            allowed = "a probability from 0 to 1"
            fits = fits and all(0 <= number <= 1 for number in _numbers(value))
        elif name in ("t1", "t2"):
            allowed = "a time in microseconds > 0"
            fits = fits and all(number > 0 for number in _numbers(value))
        elif name != "over_rotation":
            allowed = "a time in microseconds >= 0"
            fits = fits and all(number >= 0 for number in _numbers(value))
        if name in _PAIRS:
            allowed += ", or a tuple of (lower qubit, higher qubit, number) for each pair"
        elif name != "over_rotation":
            allowed += ", or a tuple of one for each qubit"
        if not fits:
            raise InputError(f"{name} of Noise must be {allowed}, but got {safe_repr(value)}.")


def _is_number(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)  # type: ignore[arg-type]


def _is_pair(value: object) -> bool:
    if not isinstance(value, tuple) or len(value) != 3 or not _is_number(value[2]):
        return False
    whole = all(isinstance(wire, int) and not isinstance(wire, bool) for wire in value[:2])
    return whole and 0 <= value[0] < value[1]


def _numbers(value: Any) -> Iterator[float]:
    """The numbers in a value that is valid."""
    if isinstance(value, tuple):
        for one in value:
            yield one[2] if isinstance(one, tuple) else one
    else:
        yield value


def check_is_noise(owner: Any) -> None:
    """Check that the field `noise` is a `Noise` or `None`; raises `InputError` if not."""
    fits = owner.noise is None or isinstance(owner.noise, Noise)
    check_field(owner, "noise", fits, "Noise(...) or None")


def check_noise(noise: Noise, values: Mapping[str, Any]) -> None:
    """Check the noise of a circuit as far as that is possible without the circuit.

    Args:
        noise: as declared.
        values: parameters by name; nothing is simulated at a noise_scale of 0.

    Raises:
        InputError: there are too many qubits, more than have numbers, a device that does not
            simulate it, or a scale that makes a probability larger than 1.
    """
    scale, qubits = values["noise_scale"], values["qubits"]
    if not scale:
        return
    noise.at(scale)
    if qubits > LARGEST:
        raise InputError(
            f"noise is simulated exactly on up to {LARGEST} qubits, but got qubits={qubits}. Take "
            f"fewer qubits, or noise_scale=0."
        )
    if noise.qubits is not None and qubits > noise.qubits:
        raise InputError(
            f"the noise has numbers of {noise.qubits} qubits, but got qubits={qubits}. Allowed "
            f"with it: up to {noise.qubits}."
        )
    if values["device"] != "lightning.qubit":
        raise InputError(
            f"noise is simulated by this package's own density matrices, not on a device, but got "
            f"device={values['device']!r}. Leave device at 'lightning.qubit', or noise out."
        )
