"""The texts of first study files, one for each setting, fitted to a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2, prod
from types import MappingProxyType

from qkd_study.data import Dataset

#: Training samples K that a study file crosses, as far as the dataset has them.
SAMPLES = (20, 50, 100, 200)
#: Validation samples, at most.
MOST_VALIDATION = 200
#: Qubits of a circuit whose features are reduced.
QUBITS = 4
#: Qubits, at most, of a circuit that takes all features as amplitudes.
MOST_QUBITS = 10


@dataclass(frozen=True)
class Template:
    """What a study file of a setting says.

    Attributes:
        about: who teaches whom, in one line.
        expression: of the setting.
        imports: names that it needs.
        question: of the study.
        circuits: whether the student is a circuit, whose qubits follow from the data.
        controls: arms beside `scratch`, `scaled-ce` and `soft`, each with what it asks.
    """

    about: str
    expression: str
    imports: tuple[str, ...]
    question: str
    circuits: bool
    controls: Mapping[str, str]


_TEACHERS = {
    "separable-teacher": "Does the teacher need entangling gates?",
    "quadratic-teacher": "Are products of pairs of its inputs enough, without a circuit?",
}
_STUDENTS = {
    "separable-student": "Does the student need entangling gates?",
    "quadratic-student": "Are products of pairs of its inputs enough, without a circuit?",
}
_LABELS = {"shuffled-labels": "Do the teacher's outputs have to be for the right sample?"}

#: By the names that `qkd-study init --setting` takes.
TEMPLATES: Mapping[str, Template] = MappingProxyType(
    {
        "quantum-to-classical": Template(
            "a quanvolution teaches a classical convolution, on images",
            "QuantumToClassical()",
            ("QuantumToClassical",),
            "Does a quantum teacher improve a classical student?",
            False,
            _TEACHERS,
        ),
        "classical-to-hybrid": Template(
            "a classical network teaches a circuit with a linear layer",
            "ClassicalToHybrid(teacher=Mlp((16,)), student=HybridCircuit())",
            ("ClassicalToHybrid", "HybridCircuit", "Mlp"),
            "Does a classical teacher improve a hybrid student?",
            True,
            _STUDENTS,
        ),
        "classical-to-quantum": Template(
            "a classical network teaches a circuit without classical layers",
            "ClassicalToQuantum(teacher=Mlp((16,)), student=FullyQuantum())",
            ("ClassicalToQuantum", "FullyQuantum", "Mlp"),
            "Does a classical teacher improve a student without classical layers?",
            True,
            _STUDENTS,
        ),
        "quantum-to-quantum": Template(
            "a deeper circuit teaches a shallower one",
            "QuantumToQuantum(model=HybridCircuit())",
            ("HybridCircuit", "QuantumToQuantum"),
            "Does a deeper circuit improve a shallower one?",
            True,
            _TEACHERS,
        ),
        "self-distillation": Template(
            "a circuit teaches another of its own kind",
            "SelfDistillation(model=HybridCircuit())",
            ("HybridCircuit", "SelfDistillation"),
            "Does a circuit learn better from its own kind?",
            True,
            _LABELS,
        ),
        "classical-to-classical": Template(
            "a classical network teaches a smaller one",
            "ClassicalToClassical(teacher=Mlp((32,)), student=Mlp((4,)))",
            ("ClassicalToClassical", "Mlp"),
            "Does a wider network improve a narrow one?",
            False,
            _LABELS,
        ),
    }
)


def study_text(setting: str, dataset: Dataset, entry: str, names: tuple[str, ...] = ()) -> str:
    """The text of a study file, with comments that say what each entry means.

    Args:
        setting: a name out of `TEMPLATES`.
        dataset: from which the numbers of samples and qubits follow.
        entry: of `datasets`, as Python: a name in quotes, or a declaration.
        names: to import for `entry`.
    """
    chosen = TEMPLATES[setting]
    used = {"Claim", "LogFloat", "Replicates", "Study", *chosen.imports, *names}
    imports = "".join(f"    {name},\n" for name in sorted(used))
    controls = "".join(f'        "{name}",  # {asks}\n' for name, asks in chosen.controls.items())
    validation, samples = _samples(dataset)
    fixed: dict[str, object] = {"epochs": 50, "teacher_epochs": 50}
    fixed["validation_samples"] = validation
    if chosen.circuits:
        fixed |= _circuit(dataset)
    if setting == "quantum-to-quantum":
        fixed["teacher_depth"] = 4
    entries = "".join(f'        "{name}": {_text(value)},\n' for name, value in fixed.items())
    return f'''"""{chosen.question}

Written by `qkd-study init`: {chosen.about}.
Next: `qkd-study plan` says what it would take, `qkd-study run --quick` tries it.
"""

from qkd_study import (
{imports})

study = Study(
    question="{chosen.question}",
    # Who teaches whom.
    setting={chosen.expression},
    # The first that is available.
    datasets=({entry},),
    # Every value is run: each is a cell.
    factors={{"samples": {samples}}},
    # One value each; all other parameters keep their defaults.
    fixed={{
{entries}    }},
    # Optuna tunes these, in every cell and arm by itself, on validation samples.
    search={{
        "learning_rate": LogFloat(1e-3, 1e-1),
        "temperature": LogFloat(1.0, 10.0),
        "weight_soft": LogFloat(0.1, 10.0),
        "scale_cross_entropy": LogFloat(1.0, 20.0),
    }},
    # Ways to train the same student. All but the first and "soft" are controls.
    arms=(
        "scratch",  # What does the student reach without a teacher?
        "scaled-ce",  # Do larger steps alone gain as much?
        "soft",  # Do the teacher's soft targets help?
{controls}    ),
    # What you commit to before there are results; the report gives a verdict.
    claims=(
        Claim(
            says="The teacher helps.",
            better="soft",
            than="scratch",
            margin=0.01,  # a point of accuracy does not matter
            controls=("scaled-ce",),  # which must not match the gain
        ),
    ),
    # Configurations that a search tries.
    trials=8,
    # Seeds: of each configuration in the search, and of the best one on the test set.
    replicates=Replicates(search=2, confirm=20),
)
'''


def _text(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _samples(dataset: Dataset) -> tuple[int, tuple[int, ...]]:
    """Validation samples, and the values of K, as far as the pool has them."""
    pool = len(dataset.pool_labels)
    validation = max(min(MOST_VALIDATION, pool // 3), 10)
    fitting = tuple(k for k in SAMPLES if dataset.classes < k <= pool - validation)
    return validation, fitting or (max(pool - validation, 2),)


def _circuit(dataset: Dataset) -> dict[str, object]:
    """The parameters of a circuit that takes a dataset's features."""
    features = prod(dataset.shape)
    least = max(2, (dataset.classes - 1).bit_length())
    if 2**least <= features <= 2**MOST_QUBITS and log2(features).is_integer():
        return {"qubits": int(log2(features)), "depth": 2}  # features enter as amplitudes
    qubits = min(features, max(QUBITS, least))
    found: dict[str, object] = {"qubits": qubits, "depth": 2, "embedding": "angle"}
    return found if qubits == features else {**found, "reduction": "pca"}
