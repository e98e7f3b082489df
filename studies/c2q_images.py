"""Which reduction of images and which encoding suit a distilled quantum student?

After Hasan and Mahdy (arXiv:2311.13810): a frozen convolutional teacher, students of 4 and 8
qubits, images reduced to as many features as the encoding takes. They report that a trained fully
connected reduction and amplitude encoding come out best, and gains of distillation of 0.8 points on
MNIST and 5.4 on Fashion-MNIST. Here the teacher is LeNet-5, and every combination is also trained
without it. In as many qubits, amplitudes take 16 or 256 features and angles 4 or 8, so both are
compared with 4 features each as well. Basis encoding passes no gradient to a trained reduction, so
it is left out.
"""

from qkd_study import Claim, ClassicalToHybrid, HybridCircuit, LeNet, LogFloat, Replicates, Study

study = Study(
    question="Does distillation from a CNN improve quantum students, for which inputs?",
    setting=ClassicalToHybrid(teacher=LeNet(), student=HybridCircuit()),
    datasets=("fashion-mnist", "digits-28x28"),
    factors={
        "reduction": ("linear", "pca", "average", "max", "crop"),
        "embedding": ("amplitude", "angle"),
        "qubits": (4, 8),
        "features": (0, 4),
    },
    search={
        "learning_rate": LogFloat(3e-3, 1e-1),
        "temperature": LogFloat(1.0, 10.0),
        "weight_soft": LogFloat(0.1, 10.0),
    },
    teacher_search={"teacher_learning_rate": LogFloat(3e-4, 3e-2)},
    teacher_trials=8,
    fixed={"samples": 300, "depth": 3, "epochs": 40, "teacher_epochs": 40},
    arms=("scratch", "soft", "separable-student"),
    claims=(
        Claim(
            says="A convolutional teacher improves the quantum students.",
            better="soft",
            than="scratch",
            margin=0.01,
        ),
        Claim(
            says="Amplitude encoding is better than angle encoding.",
            better={"embedding": "amplitude"},
            than={"embedding": "angle"},
            arm="soft",
            where={"features": (0,)},
            margin=0.01,
        ),
        Claim(
            says="It is better with as many features, too.",
            better={"embedding": "amplitude"},
            than={"embedding": "angle"},
            arm="soft",
            where={"features": (4,)},
            margin=0.01,
        ),
        Claim(
            says="A trained linear reduction is better than principal components.",
            better={"reduction": "linear"},
            than={"reduction": "pca"},
            arm="soft",
            where={"features": (0,)},
            margin=0.01,
        ),
        Claim(
            says="The circuits learn more than they do without entangling gates.",
            better="soft",
            than="separable-student",
            margin=0.01,
        ),
    ),
    trials=5,
    replicates=Replicates(search=2, confirm=8, searches=4),
)
