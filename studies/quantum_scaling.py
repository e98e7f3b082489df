"""What do qubits, depth and samples cost, and what do they buy?

One hybrid student over circuits and sample sizes, with and without a classical teacher. Beside
the accuracy, read `cost.seconds_train`, `cost.peak_rss_mb` and `cost.parameters` off the rows:
seconds should grow as 2^qubits once the state outweighs the overhead, and linearly in depth and
samples.
"""

from qkd_study import Claim, ClassicalToHybrid, HybridCircuit, Int, LogFloat, Mlp, Replicates, Study

study = Study(
    question="How do cost and accuracy of a quantum student scale with qubits, depth and samples?",
    setting=ClassicalToHybrid(teacher=Mlp((32,)), student=HybridCircuit()),
    datasets=("fashion-mnist", "digits"),
    factors={"qubits": (2, 4, 6, 8, 10), "depth": (1, 4), "samples": (100, 400)},
    search={"learning_rate": LogFloat(3e-3, 1e-1)},
    teacher_search={
        "teacher_learning_rate": LogFloat(1e-3, 1e-1),
        "teacher_epochs": Int(20, 150),
    },
    teacher_trials=8,
    fixed={
        "ansatz": "hardware-efficient-minimal",
        "embedding": "angle",
        "reduction": "average",
        "epochs": 60,
    },
    arms=("scratch", "soft", "separable-student"),
    claims=(
        Claim(
            says="A classical teacher improves the student whatever its circuit.",
            better="soft",
            than="scratch",
            margin=0.01,
        ),
        Claim(
            says="Eight qubits are better than four.",
            better={"qubits": 8},
            than={"qubits": 4},
            arm="scratch",
            margin=0.01,
        ),
        Claim(
            says="The circuits learn more than they do without entangling gates.",
            better="soft",
            than="separable-student",
            margin=0.01,
        ),
    ),
    trials=3,
    replicates=Replicates(search=2, confirm=12, searches=4),
)
