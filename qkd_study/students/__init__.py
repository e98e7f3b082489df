"""Trained students: their weights as a file, and what can be done with them after a study."""

from qkd_study.students.bound import BoundCircuit
from qkd_study.students.folder import load_student, save_student
from qkd_study.students.probabilities import probabilities
from qkd_study.students.spec import StudentSpec
from qkd_study.students.student import Student
from qkd_study.students.weights import check_digest, restored, weights_of

__all__ = [
    "BoundCircuit",
    "Student",
    "StudentSpec",
    "check_digest",
    "load_student",
    "probabilities",
    "restored",
    "save_student",
    "weights_of",
]
