"""Does a distilled circuit keep under noise what its larger teacher loses?

The case for quantum distillation is that small circuits fit today's devices. Here student and
teacher run on noisy qubits, with errors as devices report them (0.1 and 1 % per gate, 2 to 4 % per
readout), and four times as strong. The teacher is larger, so that more goes wrong in it. Students
are trained exactly and meet noise in the test, or are trained under it.
"""

from qkd_study import (
    Claim,
    HybridCircuit,
    Int,
    LogFloat,
    Noise,
    QuantumToQuantum,
    Replicates,
    Study,
    Subset,
)

NOISE = Noise(one_qubit=0.001, two_qubit=0.01, readout_0_as_1=0.02, readout_1_as_0=0.04)
CIRCUITS = {"ansatz": "hardware-efficient-minimal", "embedding": "angle", "reduction": "pca"}
TEACHER = {"teacher_qubits": 6, "teacher_depth": 4}
SIZES = {"samples": 200, "validation_samples": 200, "validate_every": 5, "epochs": 60}

study = Study(
    question="Does a larger, noisier quantum teacher help a small student on a noisy device?",
    setting=QuantumToQuantum(HybridCircuit(noise=NOISE)),
    datasets=(Subset("fashion-mnist", (0, 1, 2, 3)), Subset("digits", (0, 1, 2, 3))),
    factors={
        "qubits": (3, 4),
        "depth": (2, 4),
        "noise_scale": (1.0, 4.0),
        "noise_in": ("test", "training+test"),
    },
    search={
        "learning_rate": LogFloat(1e-2, 1e-1),
        "temperature": LogFloat(1.0, 10.0),
        "weight_soft": LogFloat(0.1, 10.0),
        "weight_decay": LogFloat(1e-2, 3.0),
    },
    teacher_search={"teacher_learning_rate": LogFloat(3e-3, 1e-1), "teacher_epochs": Int(20, 80)},
    teacher_trials=6,
    fixed={**CIRCUITS, **TEACHER, **SIZES, "teacher_noise_in": "test"},
    arms=("scratch", "decayed", "soft", "classical-teacher", "separable-student"),
    claims=(
        Claim(
            says="A larger, noisier quantum teacher improves the student.",
            better="soft",
            than="scratch",
            margin=0.01,
            controls=("decayed", "classical-teacher"),
        ),
        Claim(
            says="Where noise is strong, training under it is better than exact training.",
            better={"noise_in": "training+test"},
            than={"noise_in": "test"},
            arm="scratch",
            where={"noise_scale": (4.0,)},
            margin=0.01,
        ),
        Claim(
            says="Where noise is strong, two layers are better than four.",
            better={"depth": 2},
            than={"depth": 4},
            arm="scratch",
            where={"noise_scale": (4.0,)},
            margin=0.01,
        ),
        Claim(
            says="The circuit learns more than it does without entangling gates.",
            better="soft",
            than="separable-student",
            margin=0.01,
        ),
    ),
    trials=4,
    replicates=Replicates(search=1, confirm=12, searches=6),
)
