"""Does a classical teacher help a student without any classical layer?

The C2Q part of Piperno et al., fully quantum student: 64 features enter 6 qubits as amplitudes,
and the probabilities of the 64 basis states are summed into one group per class, which gives the
distribution that is distilled on. Two ansatze: blocks of universal two-qubit gates, and a
hardware-efficient one. `FullyQuantum(scale=True)` adds a trainable factor on the
log-probabilities.
"""

from qkd_study import Claim, ClassicalToQuantum, FullyQuantum, Int, LogFloat, Mlp, Replicates, Study

study = Study(
    question="Does a classical teacher improve a fully quantum student?",
    setting=ClassicalToQuantum(teacher=Mlp((18,)), student=FullyQuantum()),
    datasets=("xor4",),
    factors={"samples": (100, 400), "ansatz": ("brickwork", "hardware-efficient")},
    search={
        "learning_rate": LogFloat(3e-3, 1e-1),
        "temperature": LogFloat(0.3, 5.0),
        "weight_soft": LogFloat(0.1, 10.0),
        "scale_cross_entropy": LogFloat(1.0, 20.0),
        "weight_decay": LogFloat(1e-2, 3.0),
    },
    teacher_search={
        "teacher_learning_rate": LogFloat(1e-3, 1e-1),
        "teacher_epochs": Int(30, 200),
    },
    teacher_trials=8,
    fixed={"qubits": 6, "depth": 4, "teacher_samples": 5000, "epochs": 120},
    arms=(
        "scratch",
        "scaled-ce",
        "decayed",
        "soft",
        "self-teacher",
        "separable-student",
        "quadratic-student",
        "matched-student",
        "effective-student",
    ),
    claims=(
        Claim(
            says="A classical teacher improves the fully quantum student.",
            better="soft",
            than="scratch",
            margin=0.02,
            controls=("scaled-ce", "decayed", "self-teacher"),
        ),
        Claim(
            says="The brickwork ansatz is a better student than the hardware-efficient one.",
            better={"ansatz": "brickwork"},
            than={"ansatz": "hardware-efficient"},
            arm="scratch",
            margin=0.02,
        ),
        Claim(
            says="The circuit learns more than it does without entangling gates.",
            better="soft",
            than="separable-student",
            margin=0.02,
            controls=("quadratic-student", "matched-student", "effective-student"),
        ),
    ),
    trials=6,
    replicates=Replicates(search=2, confirm=18, searches=6),
)
