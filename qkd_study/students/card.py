"""The README of an exported student: how to use it, and its model card."""

from __future__ import annotations

from typing import Any

from qkd_study.students.spec import StudentSpec
from qkd_study.students.student import Student

_PERCENT = ("accuracy", "agreement", "majority", "f1_macro", "ece")


def card(student: Student) -> str:
    """The text of README.md (model cards: Mitchell et al. 2019, arXiv:1810.03993)."""
    about, spec = student.about, student.spec
    shape = ", ".join(map(str, spec.shape))
    kind = type(spec.model).__name__
    lines = [
        f"# A student of {about['study']}",
        "",
        "```python",
        "import qkd_study",
        "",
        'student = qkd_study.load_student(".")  # this folder',
        f"student.predict(x)  # classes; x of shape (n, {shape})",
        "student.predict_proba(x)",
        *_quantum_lines(student),
        "```",
        "",
        f"Samples go in as they are in the data: the student itself {_scaling(spec)}.",
        "",
        "## Model card",
        "",
        f"- **What**: {kind}, {about['parameters']:,} trained parameters, {spec.classes} classes.",
        f"- **From**: run `{about['study']}/{about['run_id']}`, cell `{about['cell']}`, arm "
        f"`{about['arm']}`, trial {about['trial']}, replicate {about['replicate']}; trained "
        f"{about['trained_at']}.",
        f"- **Question of the study**: {about['question']}",
        f"- **Classes**: {', '.join(map(str, about['class_names'])) or 'by number'}.",
        f"- **Data**: {about['dataset']['name']}, SHA-256 `{about['dataset']['sha256']}`; "
        f"{spec.config.samples} training samples, drawn for this replicate.",
        f"- **Weights**: `student.safetensors`, SHA-256 `{about['sha256']}`.",
        "",
        "### Scores",
        "",
        "| metric | this student |",
        "| --- | --- |",
        *(f"| {name} | {_number(name, value)} |" for name, value in about["scores"].items()),
        "",
        f"Over the {about['replicates']['n']} confirm replicates of its cell and arm the mean test "
        f"accuracy is {_number('accuracy', about['replicates']['mean_test_accuracy'])}: that, not "
        f"the score of one student that was chosen, is what such a training gives.",
        "",
        "### Configuration",
        "",
        "| parameter | value |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in about["config"].items()),
        "",
        "### Versions",
        "",
        "| package | version |",
        "| --- | --- |",
        *(f"| {name} | {version} |" for name, version in about["versions"].items()),
    ]
    return "\n".join(lines) + "\n"


def _quantum_lines(student: Student) -> list[str]:
    if student.circuit_model is None:
        return []
    return [
        "",
        'qnode = student.to_qnode(device="default.qubit")  # PennyLane',
        "student.from_measured(qnode(student.features(x)))  # logits",
        "student.to_qasm(x[0])  # OpenQASM 3",
    ]


def _scaling(spec: StudentSpec) -> str:
    if spec.mean:
        return "standardises them by the study's mean and standard deviation"
    if spec.max_value == 1:
        return "does all that was done with them in the study"
    return f"divides them by {spec.max_value:g}, as the study did"


def _number(name: str, value: Any) -> str:
    if name.endswith(_PERCENT):
        return f"{100 * value:.1f} %"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
