"""Real runs of some seconds, without Ray: trained in this process, written as a driver does."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qkd_study import ClassicalToQuantum, FullyQuantum, Mlp, Replicates, Study
from qkd_study.analysis import Results, load
from qkd_study.data import load as load_data
from qkd_study.distill import TeacherStore, run_phase
from qkd_study.results import RunFolder, finished, start_tables, write_manifest, write_records
from qkd_study.results.provenance import session
from qkd_study.study.trial import Phase, Trial

SOURCE = "from tests.students.made import quantum_study\n\nstudy = quantum_study()\n"


def quantum_study(**changes: Any) -> Study:
    """Two arms and one cell; the student is a circuit of four qubits."""
    return Study(
        **{
            "question": "Can it be taken home?",
            "name": "made",
            "setting": ClassicalToQuantum(Mlp((8,)), FullyQuantum(scale=True)),
            "datasets": ("digits",),
            "fixed": {
                "samples": 40,
                "epochs": 3,
                "teacher_epochs": 2,
                "validation_samples": 30,
                "qubits": 4,
                "depth": 1,
                "embedding": "angle",
                "reduction": "average",
            },
            "arms": ("scratch", "soft"),
            "trials": 1,
            "replicates": Replicates(search=2, confirm=3),
            **changes,
        }
    )


def made_run(folder: Path, study: Study | None = None, source: str = SOURCE) -> Results:
    """Run a study without search space, and write it to a folder."""
    study = study or quantum_study()
    dataset = load_data("digits")
    run = RunFolder(folder / study.name / "20260101-000000-000000")
    run.path.mkdir(parents=True)
    start_tables(run.path)
    file = folder / "study.py"
    file.write_text(source)
    for cell in study.cells():
        for arm in study.all_arms:
            config = study.config(cell, arm, {}, dataset.name)
            phases: tuple[tuple[Phase, range], ...] = (
                ("search", range(study.replicates.search)),
                ("confirm", range(1000, 1000 + study.replicates.confirm)),
            )
            for phase, replicates in phases:
                trial = Trial(phase, cell, arm, 0, config, tuple(replicates))
                store = TeacherStore(run.path / "teachers")
                results = run_phase(
                    phase, study.setting, arm, config, dataset, store, trial.replicates
                )
                records = []
                for replicate, result in zip(replicates, results, strict=True):
                    assert not isinstance(result, Exception), result
                    given = study.name, run.run_id, trial, replicate, result, datetime.now(UTC)
                    predictions, weights = study.predictions, study.weights
                    records.append(finished(*given, predictions=predictions, weights=weights))
                write_records(run.path, [trial], records)
    plan = {
        "runs": 5 * len(study.cells()) * len(study.all_arms),
        "cell_keys": [cell.key for cell in study.cells()],
        "arm_names": [arm.name for arm in study.all_arms],
    }
    write_manifest(
        run,
        study,
        file,
        dataset=dataset.name,
        digest=dataset.digest,
        plan=plan,
        session=session(1, str(file)),
    )
    return load(run.path)
