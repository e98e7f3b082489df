"""How many shots does training take, and does a teacher save any?

On hardware, all values are means over shots. A student is trained with 10, 100 or 1,000 per
circuit and sample, by parameter shift or by SPSA; `cost.shots` counts all shots of a training.
"""

from qkd_study import (
    Claim,
    ClassicalToHybrid,
    HybridCircuit,
    Int,
    LogFloat,
    Mlp,
    Replicates,
    Study,
    Subset,
)

CIRCUIT = {"ansatz": "hardware-efficient-minimal", "embedding": "angle", "reduction": "pca"}
SIZES = {"qubits": 4, "depth": 2, "test_shots": 1000, "samples": 100, "validation_samples": 100}
CONTROLS = ("label-smoothing", "decayed")

study = Study(
    question="Does a teacher save shots in the training of a quantum student?",
    setting=ClassicalToHybrid(teacher=Mlp((32,)), student=HybridCircuit()),
    datasets=(Subset("fashion-mnist", (0, 1, 2, 3)), Subset("digits", (0, 1, 2, 3))),
    factors={"shots": (10, 100, 1000), "gradient": ("parameter-shift", "spsa")},
    search={
        "learning_rate": LogFloat(3e-3, 1e-1),
        "temperature": LogFloat(1.0, 10.0),
        "weight_soft": LogFloat(0.1, 10.0),
        "label_smoothing": LogFloat(0.01, 0.5),
        "weight_decay": LogFloat(1e-2, 3.0),
    },
    teacher_search={"teacher_learning_rate": LogFloat(1e-3, 1e-1), "teacher_epochs": Int(20, 150)},
    teacher_trials=8,
    fixed={**CIRCUIT, **SIZES, "validate_every": 5, "epochs": 60},
    arms=("scratch", *CONTROLS, "soft", "separable-student"),
    claims=(
        Claim(
            says="With ten shots, a classical teacher improves the student.",
            better="soft",
            than="scratch",
            where={"shots": (10,)},
            margin=0.01,
            controls=CONTROLS,
        ),
        Claim(
            says="With a thousand shots it does.",
            better="soft",
            than="scratch",
            where={"shots": (1000,)},
            margin=0.01,
            controls=CONTROLS,
        ),
        Claim(
            says="A thousand shots train a better student than ten.",
            better={"shots": 1000},
            than={"shots": 10},
            arm="scratch",
            margin=0.01,
        ),
        Claim(
            says="By parameter shift a student learns more than by SPSA.",
            better={"gradient": "parameter-shift"},
            than={"gradient": "spsa"},
            arm="scratch",
            margin=0.01,
        ),
        Claim(
            says="The circuit learns more than it does without entangling gates.",
            better="soft",
            than="separable-student",
            margin=0.01,
        ),
    ),
    trials=5,
    replicates=Replicates(search=1, confirm=18, searches=6),
)
