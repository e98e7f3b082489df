"""Declared noise: its numbers, its bounds, calibration files, and the identity of runs."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from qkd_study import ClassicalToQuantum, FullyQuantum, HybridCircuit, InputError, Noise, Study
from qkd_study.study.calibration import DEVICES
from qkd_study.study.canonical import canonical
from qkd_study.study.identity import declaration, fingerprint
from qkd_study.study.source_text import source_text

#: The fingerprint of a study, on data with the digest "data", before there was noise.
BEFORE = "e46927603d22f68a1b1c29db866d4cd72fcc64906c6ef32d2d971d56056133f6"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"one_qubit": 1.5}, "one_qubit of Noise must be a probability from 0 to 1"),
        ({"two_qubit": -0.1}, "two_qubit of Noise must be a probability from 0 to 1"),
        ({"two_qubit": ((1, 0, 0.1),)}, "(lower qubit, higher qubit, number) for each pair"),
        ({"phase_damping": math.nan}, "phase_damping of Noise must be a probability"),
        ({"readout_1_as_0": "0.1"}, "readout_1_as_0 of Noise must be a probability"),
        ({"amplitude_damping": ()}, "or a tuple of one for each qubit, but got ()"),
        ({"t1": 0.0, "one_qubit_time": 0.1}, "t1 of Noise must be a time in microseconds > 0"),
        ({"t1": 10.0, "t2": 21.0, "one_qubit_time": 0.1}, "t2 must be at most 2 * t1"),
        (
            {"t1": (10.0, 10.0), "t2": (9.0, 30.0), "one_qubit_time": 0.1},
            "t2 of qubit 1 must be at most 2 * t1",
        ),
        ({"t1": 10.0, "amplitude_damping": 0.1, "one_qubit_time": 0.1}, "but got both"),
        ({"t1": 10.0}, "needs one_qubit_time or two_qubit_time"),
        ({"one_qubit_time": 0.1}, "act through t1 or t2 only"),
        ({"over_rotation": math.inf}, "over_rotation of Noise must be a finite number"),
    ],
)
def test_impossible_noise_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        Noise(**fields)


def test_relaxation_times_become_damping() -> None:
    """The coherence of a qubit decays as exp(-t / T2), its energy as exp(-t / T1)."""
    noise = Noise(t1=100.0, t2=80.0, one_qubit_time=5.0)
    _, energy, phase = noise.single(0)
    assert 1 - energy == pytest.approx(math.exp(-5 / 100), rel=1e-14)
    assert math.sqrt((1 - energy) * (1 - phase)) == pytest.approx(math.exp(-5 / 80), rel=1e-14)
    _, energy, phase = noise.at(2).single(0)
    assert math.sqrt((1 - energy) * (1 - phase)) == pytest.approx(math.exp(-10 / 80), rel=1e-14)
    _, energy, phase = Noise(t1=50.0, t2=100.0, one_qubit_time=1.0).single(0)
    assert energy > 0
    assert phase == pytest.approx(0, abs=1e-15)


def test_a_scale_multiplies_every_number() -> None:
    pairs = ((0, 1, 0.1), (1, 2, 0.3))
    noise = Noise(one_qubit=(0.1, 0.2), two_qubit=pairs, over_rotation=-0.1, readout_0_as_1=0.25)
    double = noise.at(2)
    assert double.one_qubit == (0.2, 0.4)
    assert double.of_pair("two_qubit", (1, 2)) == 0.6
    assert double.of_pair("two_qubit", (0, 2)) is None
    assert (double.over_rotation, double.readout(0)) == (-0.2, (0.5, 0.0))
    assert noise.at(0).two_qubit == ((0, 1, 0.0), (1, 2, 0.0))
    with pytest.raises(InputError, match=r"two_qubit of 1.2, above 1. Allowed .* up to 3.333"):
        noise.at(4)


def test_devices_of_the_package_are_noise() -> None:
    assert [*DEVICES] == ["example-line", "example-ring"]
    line, ring = (Noise.from_calibration(name) for name in DEVICES)
    assert (line.qubits, ring.qubits) == (5, 8)
    assert isinstance(ring.two_qubit, tuple)
    assert (0, 7) in {(a, b) for a, b, _ in ring.two_qubit}
    assert (
        line.readout(0)[0]
        == json.loads(DEVICES["example-line"].read_text())["qubits"][0]["readout_0_as_1"]
    )
    assert hash(line) != hash(ring)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON"),
        ("[]", "the calibration must be a JSON object"),
        ('{"pairs": []}', "needs a list 'qubits'"),
        ('{"qubits": [], "pairs": []}', "qubits is empty"),
        ('{"qubits": [{"tee1": 3}], "pairs": []}', "qubit 0 has an unknown entry"),
        ('{"qubits": [{"t1": 3}, {}], "pairs": []}', "All need the same"),
        ('{"qubits": [{}, {}], "pairs": [{"qubits": [0, 2]}]}', "two different ones of 0 to 1"),
        (
            '{"qubits": [{}, {}], "pairs": [{"qubits": [0, 1]}, {"qubits": [1, 0]}]}',
            "is there twice",
        ),
        ('{"qubits": [{"one_qubit": 2}], "pairs": []}', "must be a probability from 0 to 1"),
    ],
)
def test_a_bad_calibration_is_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "device.json").write_text(content)
    with pytest.raises(InputError, match=re.escape(message)):
        Noise.from_calibration(tmp_path / "device.json")


def test_a_missing_calibration_names_the_devices() -> None:
    with pytest.raises(InputError, match="or one of the devices example-line, example-ring"):
        Noise.from_calibration("none.json")


def _study(**changes: Any) -> Study:
    return Study(question="?", setting=ClassicalToQuantum(student=FullyQuantum(**changes)))


def test_runs_without_noise_are_the_same_run_as_before() -> None:
    assert "noise" not in canonical(FullyQuantum())
    plain = _study()
    assert "noise_scale" in declaration(plain)["fixed"]
    assert fingerprint(plain, "data") == BEFORE
    noisy = _study(noise=Noise(one_qubit=0.1))
    other = _study(noise=Noise(one_qubit=0.2))
    assert len({fingerprint(one, "data") for one in (plain, noisy, other)}) == 3
    assert "Noise(one_qubit=0.1)" in (source_text(noisy) or "")


def test_what_has_no_noise_does_not_read_its_parameters() -> None:
    noise = Noise(one_qubit=0.1)
    assert {"noise_scale", "noise_in"} <= HybridCircuit(noise=noise).reads
    assert "noise_scale" not in HybridCircuit().reads
    with pytest.raises(InputError, match=r"noise of HybridCircuit must be Noise\(...\) or None"):
        HybridCircuit(noise=0.1)  # type: ignore[arg-type]
