"""`qkd-study export`."""

from __future__ import annotations

from argparse import Namespace

from qkd_study.common.exit_codes import DONE


def export(options: Namespace) -> int:
    """`qkd-study export`: write a trained student to a folder, with its model card."""
    from qkd_study.analysis import load
    from qkd_study.students import save_student

    run = load(options.run, search_curves=False)
    student = run.student(options.cell, options.arm, options.replicate, best=options.best)
    folder = save_student(student, options.out)
    about = student.about
    print(
        f"{folder}: cell {about['cell']}, arm {about['arm']}, replicate {about['replicate']}, test "
        f"accuracy {100 * about['scores']['test_accuracy']:.1f} % (mean of "
        f"{about['replicates']['n']} replicates: "
        f"{100 * about['replicates']['mean_test_accuracy']:.1f} %)"
    )
    return DONE
