"""How does the gain of a classical student depend on how much its quantum teacher has seen?

Dose and response: the student keeps K = 50 samples, the teacher gets M of them, from the same 50
to 800. Our pilot found no gain at M = K and a gain that grows with M, larger still for a
classical teacher. `random-teacher` trains only the last layer: it asks what training the circuits
adds. `decayed` asks whether weight decay does as much without a teacher, and the stand-ins how much
of a circuit it takes: none entangles, and all but one have no circuit.
Each kind of teacher is tuned first, with as many configurations for each M, so that none wins by a
learning rate or an activation function that happens to suit it.
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
    question="Does a quantum teacher help more, the more samples it was trained on?",
    setting=QuantumToClassical(),
    datasets=("fashion-mnist", "digits"),
    factors={"teacher_samples": (50, 100, 200, 400, 800)},
    search={
        "learning_rate": LogFloat(1e-3, 1e-1),
        "temperature": LogFloat(1.0, 10.0),
        "weight_soft": LogFloat(0.1, 10.0),
        "weight_decay": LogFloat(1e-2, 3.0),
    },
    teacher_search={
        "teacher_learning_rate": LogFloat(1e-3, 1e-1),
        "teacher_epochs": Int(50, 300),
        "teacher_activation": Choice("tanh", "relu", "gelu"),
    },
    teacher_trials=8,
    fixed={"samples": 50, "epochs": 150},
    arms=("scratch", "decayed", "soft", "classical-teacher", "random-teacher", *STAND_INS),
    claims=(
        Claim(
            says="A quantum teacher with 16 times the student's samples improves the student.",
            better="soft",
            than="scratch",
            where={"teacher_samples": (800,)},
            margin=0.01,
            controls=("decayed", "classical-teacher", "random-teacher", *STAND_INS),
        ),
        Claim(
            says="A teacher with 800 samples teaches better than one with the student's 50.",
            better={"teacher_samples": 800},
            than={"teacher_samples": 50},
            arm="soft",
            margin=0.01,
        ),
        Claim(
            says="Training the circuits makes a better teacher than leaving them random.",
            better="soft",
            than="random-teacher",
            margin=0.01,
        ),
    ),
    trials=10,
    replicates=Replicates(search=2, confirm=18, searches=6),
)
