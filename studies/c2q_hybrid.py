"""Does a classical teacher help a small hybrid student on data that no linear model separates?

The C2Q part of Piperno et al., hybrid student: 64 features enter 6 qubits as amplitudes, a
trainable circuit acts, and a linear layer reads <Z>. The teacher is the MLP 64-18-3 with 1,227
parameters. Its samples are a factor: as many as the largest student has, or 5,000. The data are
`xor4`, a task of second order that suits amplitudes; a gain here says nothing about other tasks.
Students without entangling gates, or without a circuit, ask what the circuit adds.
"""

from qkd_study import Claim, ClassicalToHybrid, HybridCircuit, Int, LogFloat, Mlp, Replicates, Study

study = Study(
    question="Does a classical teacher improve a hybrid student, and does its data decide?",
    setting=ClassicalToHybrid(teacher=Mlp((18,)), student=HybridCircuit()),
    datasets=("xor4",),
    factors={"samples": (60, 200), "teacher_samples": (400, 5000)},
    search={
        "learning_rate": LogFloat(3e-3, 1e-1),
        "temperature": LogFloat(1.0, 10.0),
        "weight_soft": LogFloat(0.1, 10.0),
        "label_smoothing": LogFloat(0.01, 0.5),
        "weight_decay": LogFloat(1e-2, 3.0),
    },
    teacher_search={
        "teacher_learning_rate": LogFloat(1e-3, 1e-1),
        "teacher_epochs": Int(30, 200),
    },
    teacher_trials=8,
    fixed={"qubits": 6, "depth": 4, "ansatz": "strongly-entangling", "epochs": 200},
    arms=(
        "scratch",
        "label-smoothing",
        "decayed",
        "soft",
        "self-teacher",
        "shuffled-labels",
        "separable-student",
        "quadratic-student",
        "matched-student",
        "effective-student",
    ),
    claims=(
        Claim(
            says="A teacher with 5,000 samples improves the hybrid student.",
            better="soft",
            than="scratch",
            where={"teacher_samples": (5000,)},
            margin=0.02,
            controls=("label-smoothing", "decayed", "self-teacher", "shuffled-labels"),
        ),
        Claim(
            says="A teacher with 400 samples improves it too.",
            better="soft",
            than="scratch",
            where={"teacher_samples": (400,)},
            margin=0.02,
            controls=("label-smoothing", "decayed", "self-teacher", "shuffled-labels"),
        ),
        Claim(
            says="The circuit learns more than it does without entangling gates.",
            better="soft",
            than="separable-student",
            margin=0.02,
            controls=("quadratic-student", "matched-student"),
        ),
    ),
    trials=6,
    replicates=Replicates(search=2, confirm=18, searches=6),
)
