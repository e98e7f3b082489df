"""Does a quantum network learn in fewer epochs from its own kind?

After Yan et al. (arXiv:2603.21586), who report that self-distillation reaches a target accuracy
in fewer steps. The same circuit is teacher and student, over one and two generations, under Adam
and under SGD with momentum. Final accuracy answers little here: `curves` has the validation
accuracy of every epoch, from which the epochs to a target follow. `scaled-ce` multiplies the
loss: if it is as fast, the step was what mattered. The stand-ins ask whether the teacher has to be
the same circuit, and `decayed` whether weight decay does as much without a teacher.
"""

from qkd_study import Claim, Int, LogFloat, Replicates, SelfDistillation, Study, Subset

#: The same encoding, parameters or data, but less of a circuit, or none. Amplitudes have no
#: surrogate beside the quadratic form.
STAND_INS = ("separable-teacher", "quadratic-teacher", "matched-teacher", "kernel-teacher")
#: The student without entangling gates, without a circuit, and networks of as many
#: parameters, or of as many that have an effect.
STUDENTS = ("separable-student", "quadratic-student", "matched-student", "effective-student")

study = Study(
    question="Does self-distillation reach a target accuracy in fewer epochs?",
    setting=SelfDistillation(),
    datasets=(Subset("fashion-mnist", (0, 1, 2, 3)), Subset("digits", (0, 1, 2, 3))),
    factors={"optimizer": ("adam", "sgd"), "generations": (1, 2)},
    search={
        "temperature": LogFloat(1.0, 10.0),
        "weight_soft": LogFloat(0.1, 10.0),
        "scale_cross_entropy": LogFloat(1.0, 20.0),
        "weight_decay": LogFloat(1e-2, 3.0),
    },
    teacher_search={
        "teacher_learning_rate": LogFloat(1e-3, 1e-1),
        "teacher_epochs": Int(20, 150),
    },
    teacher_trials=8,
    fixed={
        "learning_rate": 0.01,
        "qubits": 6,
        "depth": 3,
        "reduction": "average",
        "samples": 200,
        "validation_samples": 200,
        "epochs": 100,
    },
    arms=("scratch", "scaled-ce", "decayed", "soft", *STAND_INS, *STUDENTS),
    claims=(
        Claim(
            says="Self-distillation reaches 75 % validation accuracy in fewer epochs.",
            better="soft",
            than="scratch",
            metric="epochs_to_target",
            target=0.75,
            controls=("scaled-ce", "decayed", *STAND_INS),
        ),
        Claim(
            says="It ends at a higher test accuracy.",
            better="soft",
            than="scratch",
            margin=0.01,
            controls=("scaled-ce", "decayed", *STAND_INS),
        ),
        Claim(
            says="The circuit learns more than it does without entangling gates.",
            better="soft",
            than="separable-student",
            margin=0.01,
            controls=STUDENTS[1:],
        ),
    ),
    trials=6,
    replicates=Replicates(search=2, confirm=18, searches=6),
)
