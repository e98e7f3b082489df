"""How much of a distillation gain is a larger step?

Two more terms in the loss make larger gradients. Under plain SGD with few epochs an undertrained
student gains from that alone, and multiplying its cross-entropy does the same; Adam divides the
scale out again, so there `scaled-ce` can hardly differ from `scratch`. The learning rate is fixed
here on purpose: a search would find the larger step by itself. `decayed` is adamw with weight decay
and no teacher; the stand-ins ask whether the teacher has to be a circuit.
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
    question="Is the gain from distillation more than that of a larger step?",
    setting=QuantumToClassical(),
    datasets=("fashion-mnist", "digits"),
    factors={"optimizer": ("sgd", "adam"), "epochs": (10, 100)},
    search={
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
    fixed={"samples": 100, "learning_rate": 0.01, "momentum": 0.0, "epoch_choice": "last"},
    arms=("scratch", "scaled-ce", "decayed", "soft", "soft+features", *STAND_INS),
    claims=(
        Claim(
            says="Under plain SGD, distillation improves an undertrained student.",
            better="soft+features",
            than="scratch",
            where={"optimizer": ("sgd",), "epochs": (10,)},
            margin=0.01,
            controls=("scaled-ce", "decayed"),
        ),
        Claim(
            says="Under Adam it does too.",
            better="soft+features",
            than="scratch",
            where={"optimizer": ("adam",)},
            margin=0.01,
            controls=("scaled-ce", "decayed"),
        ),
        Claim(
            says="Its soft targets help, and those of a teacher with less of a circuit do not.",
            better="soft",
            than="scratch",
            margin=0.01,
            controls=("scaled-ce", *STAND_INS),
        ),
    ),
    trials=10,
    replicates=Replicates(search=2, confirm=18, searches=6),
)
