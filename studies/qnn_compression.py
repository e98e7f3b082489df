"""How small can a quantum network become with a larger one as its teacher?

After Yan et al. (arXiv:2603.21586): a trained circuit teaches one of the same kind with fewer
qubits or layers. The teacher has 6 qubits and 4 layers; the student's smaller input comes from
average pooling. Small circuits may keep most of the accuracy without a teacher: compare with
`scratch` first. `classical-teacher` asks whether the teacher has to be a circuit, the stand-ins how
much of one it takes, and `decayed` whether weight decay does as much without a teacher.
"""

from qkd_study import Claim, Int, LogFloat, QuantumToQuantum, Replicates, Study, Subset

#: The same encoding, parameters or data, but less of a circuit, or none. Amplitudes have no
#: surrogate beside the quadratic form.
STAND_INS = ("separable-teacher", "quadratic-teacher", "matched-teacher", "kernel-teacher")
#: The student without entangling gates, and without a circuit.
STUDENTS = ("separable-student", "quadratic-student")

study = Study(
    question="Does a larger quantum teacher let a smaller quantum student keep its accuracy?",
    setting=QuantumToQuantum(),
    datasets=(Subset("fashion-mnist", (0, 1, 2, 3)), Subset("digits", (0, 1, 2, 3))),
    factors={"qubits": (2, 3, 4), "depth": (1, 3)},
    search={
        "learning_rate": LogFloat(3e-3, 1e-1),
        "temperature": LogFloat(1.0, 10.0),
        "weight_soft": LogFloat(0.1, 10.0),
        "weight_decay": LogFloat(1e-2, 3.0),
    },
    teacher_search={
        "teacher_learning_rate": LogFloat(1e-3, 1e-1),
        "teacher_epochs": Int(20, 150),
    },
    teacher_trials=8,
    fixed={
        "ansatz": "hardware-efficient-minimal",
        "teacher_qubits": 6,
        "teacher_depth": 4,
        "reduction": "average",
        "samples": 200,
        "validation_samples": 200,
        "epochs": 100,
    },
    arms=("scratch", "decayed", "soft", "classical-teacher", "self-teacher", *STAND_INS, *STUDENTS),
    claims=(
        Claim(
            says="A larger quantum teacher improves the smaller quantum student.",
            better="soft",
            than="scratch",
            margin=0.01,
            controls=("decayed", "classical-teacher", "self-teacher", *STAND_INS),
        ),
        Claim(
            says="Four qubits are better than two.",
            better={"qubits": 4},
            than={"qubits": 2},
            arm="scratch",
            margin=0.01,
        ),
        Claim(
            says="The circuit learns more than it does without entangling gates.",
            better="soft",
            than="separable-student",
            margin=0.01,
            controls=("quadratic-student",),
        ),
    ),
    trials=6,
    replicates=Replicates(search=2, confirm=18, searches=6),
)
