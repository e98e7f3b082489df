"""The text of results/README.md, which describes the tables."""

from __future__ import annotations

from qkd_study.results.schema import TABLE_VERSION, TABLES


def describe() -> str:
    """The text of results/README.md, which describes the tables."""
    lines = [
        "# What runs write here",
        "",
        "`results/<study>/<run id>/` holds one run; `results/<study>/latest` points at the",
        "one that was worked on last.",
        "Git ignores all of it but this page, which is generated from",
        "`qkd_study/results/schema.py` (`python -m qkd_study.results`).",
        "",
        "| entry | what it is |",
        "| --- | --- |",
        "| `study.py` | the study file as it was run |",
        "| `study.json` | the resolved declaration, and where and with what it ran |",
        "| `runs/` | Parquet: one row per training of one student |",
        "| `curves/` | Parquet: one row per run and epoch |",
        "| `predictions/` | Parquet: one row per confirm run and test sample |",
        "| `weights/` | Parquet: one row per confirm run, its trained student |",
        "| `optuna.journal` | the finished trials of the search, in Optuna's journal format |",
        "| `teachers/` | trained teachers, as safetensors with JSON beside them |",
        "",
        "The tables grow by one small file per finished trial, written whole or not at all, so",
        "they can be read while a run is going:",
        "",
        "```python",
        "import pandas",
        "",
        'runs = pandas.read_parquet("results/q2c_low_data/latest/runs")',
        "```",
        "",
        "`predictions/` says how much of a difference is due to the test samples;",
        "`Study(predictions=False)` or `--no-predictions` do without it. Most of it are the",
        "probabilities, up to four bytes per run, test sample and class: read what you need. The",
        "accuracies of `runs/` follow from it, and so does what they hide:",
        "",
        "```python",
        'columns = ["cell", "arm", "replicate", "sample", "label", "predicted"]',
        "predictions = pandas.read_parquet("
        '"results/q2c_low_data/latest/predictions", columns=columns)',
        'predictions["right"] = predictions.label == predictions.predicted',
        'predictions.groupby(["cell", "arm", "replicate"], observed=True)["right"].mean()',
        'predictions.groupby("sample")["right"].mean().nsmallest(10)  # the hardest samples',
        "```",
        "",
        "`weights/` has the trained students, for `Results.student` and `qkd-study export`;",
        "`Study(weights=False)` or `--no-weights` do without.",
        "",
        f"Version of the tables: {TABLE_VERSION}.",
    ]
    for table, columns in TABLES.items():
        lines += [
            "",
            f"## {table}",
            "",
            "| column | type | unit | meaning |",
            "| --- | --- | --- | --- |",
        ]
        lines += [f"| `{c.name}` | {c.type} | {c.unit} | {c.meaning} |" for c in columns]
    return "\n".join(lines) + "\n"
