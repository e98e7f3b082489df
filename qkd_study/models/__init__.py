"""Students and teachers."""

from qkd_study.models.build import build_student, build_teacher
from qkd_study.models.convolution import ConvolutionStudent, QuanvolutionTeacher
from qkd_study.models.outputs import Model, Outputs, count_parameters, predict, seeded

__all__ = [
    "ConvolutionStudent",
    "Model",
    "Outputs",
    "QuanvolutionTeacher",
    "build_student",
    "build_teacher",
    "count_parameters",
    "predict",
    "seeded",
]
