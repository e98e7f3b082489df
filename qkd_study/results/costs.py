"""The columns of what a run cost: sizes, executions, shots, times."""

from __future__ import annotations

from qkd_study.results.column import INT, REAL, UNKNOWN, Column

COSTS = (
    Column("cost.parameters", INT, "", "trainable numbers of the student"),
    Column(
        "cost.parameters_quantum", INT, "", "those of them that are angles of circuits" + UNKNOWN
    ),
    Column(
        "cost.parameters_effective",
        INT,
        "",
        "those of the angles that act: the rank, summed over circuits, of the Jacobian of what is "
        "read out in the angles; null above 12 qubits" + UNKNOWN,
    ),
    Column(
        "cost.teacher_parameters",
        INT,
        "",
        "trainable numbers of the teacher, also of one that was trained elsewhere; null without "
        "one, and where only its outputs are known",
    ),
    Column(
        "cost.teacher_queries",
        INT,
        "",
        "samples for which the student got outputs of its teacher: its training samples and its "
        "transfer samples; null without a teacher",
    ),
    Column(
        "cost.gates",
        INT,
        "",
        "gates of one circuit of the student, else of the teacher; 0 without any" + UNKNOWN,
    ),
    Column(
        "cost.labels",
        INT,
        "",
        "labelled samples of the run's draw: for training, also the teacher's, and for validation; "
        "not those of a teacher that was trained elsewhere",
    ),
    Column(
        "cost.circuit_executions",
        INT,
        "",
        "circuit executions of this run, teacher included unless it was trained elsewhere"
        + UNKNOWN,
    ),
    Column(
        "cost.shots",
        INT,
        "",
        "shots of the student's circuits in training, those of gradients included: what hardware "
        "would have measured; 0 if exact" + UNKNOWN,
    ),
    Column(
        "cost.test_shots",
        INT,
        "",
        "the same in validations and the test" + UNKNOWN,
    ),
    Column(
        "cost.teacher_shots",
        INT,
        "",
        "shots of the training of the teacher, whichever run trained it, and of those that taught "
        "it; null without a teacher" + UNKNOWN,
    ),
    Column(
        "cost.teacher_test_shots",
        INT,
        "",
        "the same in their validations, for what the student got, and for the test; null likewise",
    ),
    Column(
        "cost.copies",
        INT,
        "",
        "copies of states that the snapshots of the student's training, validation and transfer "
        "samples take; null unless it reads snapshots",
    ),
    Column(
        "cost.teacher_copies",
        INT,
        "",
        "the same of its teacher; null unless that reads snapshots",
    ),
    Column(
        "cost.seconds_train",
        REAL,
        "s",
        "wall time of training the student; of replicates trained together, an even share",
    ),
    Column(
        "cost.seconds_validation",
        REAL,
        "s",
        "of it, validations of the student; an even share likewise",
    ),
    Column(
        "cost.seconds_test",
        REAL,
        "s",
        "wall time of the test set, the teacher's logits for it included; an even share likewise",
    ),
    Column(
        "cost.seconds_teacher",
        REAL,
        "s",
        "wall time of training a teacher in this run, or before if it came from the cache; else 0; "
        "an even share likewise",
    ),
    Column(
        "cost.seconds_total",
        REAL,
        "s",
        "wall time of the run, without waiting for a teacher; an even share likewise",
    ),
    Column("cost.peak_rss_mb", REAL, "MB", "peak memory of the worker process so far"),
)
