"""A study of 320 runs with quanvolution teachers, for `benchmarks/time_of_studies.py --full`."""

from qkd_study import QuantumToClassical, Replicates, Study

study = Study(
    question="What do quanvolution teachers cost?",
    setting=QuantumToClassical(),
    datasets=("fashion-mnist",),
    factors={"samples": (50, 100, 200, 500)},
    fixed={"optimizer": "sgd", "validation_samples": 1000},
    arms=("scratch", "scaled-ce", "soft", "soft+features"),
    trials=1,
    replicates=Replicates(search=1, confirm=20),
)
