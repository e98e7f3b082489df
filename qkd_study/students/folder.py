"""The folder of an exported student: weights, description, model card; no pickle, no study file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qkd_study.common.atomic import replace_file
from qkd_study.common.errors import InputError, StorageError
from qkd_study.students.card import card
from qkd_study.students.standalone import without_study
from qkd_study.students.student import Student
from qkd_study.students.weights import check_digest, restored

#: The files of the folder; the last where the circuit can be written without a sample.
WEIGHTS, ABOUT, CARD, QASM = "student.safetensors", "student.json", "README.md", "circuit.qasm"
VERSION = 1


def save_student(student: Student, folder: str | Path) -> Path:
    """Write a student to a folder that `load_student` reads.

    An ansatz of the study's own is written as the circuit that it gave.

    Returns:
        The folder.

    Raises:
        InputError: a part of the student other than an ansatz is code of its study file; or the
            folder has other files, or cannot be written.
    """
    student = without_study(student)
    folder = Path(folder)
    files = {
        WEIGHTS: student.weights,
        ABOUT: json.dumps({"version": VERSION, "about": student.about}, indent=1).encode() + b"\n",
        CARD: card(student).encode(),
    }
    if student.circuit_model is not None and student.circuit_model.embedding == "angle":
        files[QASM] = student.to_qasm().encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = sorted(path.name for path in folder.iterdir() if path.name not in _NAMES)
        if others:
            raise InputError(
                f"{folder} has other files, such as {others[0]}. Choose a new or an empty folder."
            )
        for name, content in files.items():
            replace_file(folder / name, content)
        for name in _NAMES - files.keys():
            (folder / name).unlink(missing_ok=True)
    except (OSError, StorageError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{folder} cannot be written: {reason}. Choose another folder.") from None
    return folder


_NAMES = {WEIGHTS, ABOUT, CARD, QASM}


def load_student(folder: str | Path) -> Student:
    """Load a student that `qkd-study export` or `save_student` wrote.

    Args:
        folder: as it was written; its study is not needed.

    Raises:
        InputError: a file is missing or damaged, the weights have another checksum, or they are of
            another version.
    """
    folder = Path(folder)
    try:
        body = (folder / WEIGHTS).read_bytes()
        entry: dict[str, Any] = json.loads((folder / ABOUT).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            f"{folder} is not the folder of a student: there is no {Path(error.filename).name}. "
            f"`qkd-study export RUN --best --out {folder}` writes one."
        ) from None
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror or error}.") from None
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{folder / ABOUT} is damaged: {error}. Export the student anew."
        ) from None
    try:
        version, about = entry["version"], dict(entry["about"])
        digest = str(about["sha256"])
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{folder / ABOUT} is damaged: it does not say version and SHA-256 of the weights. "
            f"Export the student anew."
        ) from None
    if version != VERSION:
        raise InputError(
            f"{folder} is of version {version!r}, but this qkd-study reads version {VERSION}."
        )
    check_digest(body, digest, str(folder / WEIGHTS))
    spec, model = restored(body)
    return Student(spec, model, body, about)
