"""Does a classical teacher help a network with a circuit between its classical layers?

After Li et al., "Hybrid Quantum Classical Machine Learning with Knowledge Distillation" (IEEE
10622755): convolutions, a circuit with one angle per qubit, a linear head; the teacher is a small
convolutional network, or an ensemble (swap in `Ensemble(ConvNet(), 3)`). `self-teacher` asks
whether any teacher will do, `label-smoothing` whether soft labels without a teacher do.
"""

from qkd_study import (
    Claim,
    ClassicalToHybrid,
    ConvNet,
    HybridImage,
    Int,
    LogFloat,
    Replicates,
    Study,
)

study = Study(
    question="Does a classical teacher improve a hybrid image student?",
    setting=ClassicalToHybrid(teacher=ConvNet(), student=HybridImage()),
    datasets=("fashion-mnist", "digits"),
    factors={"samples": (100, 400), "qubits": (4, 8)},
    search={
        "learning_rate": LogFloat(3e-3, 5e-2),
        "temperature": LogFloat(1.0, 10.0),
        "weight_soft": LogFloat(0.1, 10.0),
        "label_smoothing": LogFloat(0.01, 0.5),
        "weight_decay": LogFloat(1e-2, 3.0),
    },
    teacher_search={
        "teacher_learning_rate": LogFloat(3e-4, 3e-2),
        "teacher_epochs": Int(10, 80),
    },
    teacher_trials=8,
    fixed={"depth": 2, "epochs": 60},
    arms=(
        "scratch",
        "label-smoothing",
        "decayed",
        "soft",
        "self-teacher",
        "separable-student",
        "matched-student",
    ),
    claims=(
        Claim(
            says="A classical teacher improves the hybrid image student.",
            better="soft",
            than="scratch",
            margin=0.01,
            controls=("label-smoothing", "decayed", "self-teacher"),
        ),
        Claim(
            says="The circuit learns more than it does without entangling gates.",
            better="soft",
            than="separable-student",
            margin=0.01,
            controls=("matched-student",),
        ),
    ),
    trials=6,
    replicates=Replicates(search=2, confirm=15, searches=5),
)
