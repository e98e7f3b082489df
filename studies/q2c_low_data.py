"""Does a quantum teacher help a small classical student when samples are few?

The Q2C part of Piperno et al. ("Quantum knowledge distillation"): a quanvolution teaches a
convolution of the same shape on the same K samples. The claim is that distillation helps when K
is small, so few labels choose epochs and configurations, too: as many as train the student. Every
arm gets the same search, and each kind of teacher one of its own before. `scaled-ce` asks whether
larger steps alone do the same, `constant-features` whether the teacher's maps say anything,
`decayed` whether weight decay does without a teacher, `classical-teacher` whether the teacher has
to be quantum, and the stand-ins how much of a circuit it takes: none entangles, and all but one
have no circuit.
"""

from qkd_study import Choice, Claim, Int, LogFloat, QuantumToClassical, Replicates, Study

#: The same encoding, parameters or data, but less of a circuit, or none.
STAND_INS = (
    "separable-teacher",
    "quadratic-teacher",
    "surrogate-teacher",
    "matched-teacher",
    "kernel-teacher",
)

study = Study(
    question="Does a quantum teacher trained on the same K samples improve a classical student?",
    setting=QuantumToClassical(),
    datasets=("fashion-mnist", "digits"),
    factors={"samples": (20, 50, 100, 200)},
    search={
        "learning_rate": LogFloat(1e-3, 1e-1),
        "temperature": LogFloat(1.0, 10.0),
        "weight_soft": LogFloat(0.1, 10.0),
        "weight_features": LogFloat(0.1, 10.0),
        "scale_cross_entropy": LogFloat(1.0, 20.0),
        "weight_decay": LogFloat(1e-2, 3.0),
    },
    teacher_search={
        "teacher_learning_rate": LogFloat(1e-3, 1e-1),
        "teacher_epochs": Int(50, 300),
        "teacher_activation": Choice("tanh", "relu", "gelu"),
    },
    teacher_trials=8,
    fixed={"validation_share": 1.0, "epochs": 150},
    arms=(
        "scratch",
        "scaled-ce",
        "decayed",
        "soft",
        "soft+features",
        "constant-features",
        "classical-teacher",
        *STAND_INS,
    ),
    claims=(
        Claim(
            says="Soft targets of a quantum teacher improve the student.",
            better="soft",
            than="scratch",
            margin=0.01,
            controls=("scaled-ce", "decayed", "classical-teacher", *STAND_INS),
        ),
        Claim(
            says="The teacher's feature maps improve it further.",
            better="soft+features",
            than="soft",
            margin=0.01,
            controls=("constant-features",),
        ),
        Claim(
            says="A quantum teacher teaches better than a classical one of the same shape.",
            better="soft",
            than="classical-teacher",
            margin=0.01,
            controls=STAND_INS,
        ),
    ),
    trials=12,
    replicates=Replicates(search=2, confirm=18, searches=6),
)
