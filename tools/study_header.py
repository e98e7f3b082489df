"""The first part of a study's page: what its file declares."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

from qkd_study import Study
from qkd_study.study.load import load_study
from qkd_study.study.space import Choice, Range


def header(path: Path) -> str:
    """What the page of a study says before the numbers of a run, as Markdown.

    The text is the docstring of the study's file without its first line, for which the question
    of the study stands.
    """
    study = load_study(path)
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return "\n".join(
        [
            f"# {path.stem}",
            "",
            f"**{study.question}**",
            "",
            text.partition("\n")[2].strip(),
            "",
            "```sh",
            f"qkd-study run studies/{path.stem}.py",
            f"qkd-study run studies/{path.stem}.py --quick   # a small version, within 60 s on "
            "2 cores",
            "```",
            "",
            f"- Factors: {_factors(study)}.",
            f"- Searched in each cell and arm, as far as it reads them: {_ranges(study.search)}; "
            f"{study.trials} configurations over {study.replicates.search} replicates.",
            *_teachers(study),
            f"- {_confirmed(study)}",
            "",
            "| arm | what it asks |",
            "| --- | --- |",
            *(f"| `{arm.name}` | {arm.question} |" for arm in study.all_arms),
            "",
        ]
    )


def _factors(study: Study) -> str:
    each = (f"`{k}` in {', '.join(map(str, values))}" for k, values in study.factors.items())
    return "; ".join(each)


def _ranges(search: Mapping[str, Range]) -> str:
    return ", ".join(f"`{name}` {_range(space)}" for name, space in search.items())


def _range(space: Range) -> str:
    if isinstance(space, Choice):
        return "of " + ", ".join(map(str, space.values))
    return f"from {space.low:g} to {space.high:g}"


def _teachers(study: Study) -> list[str]:
    if not study.teacher_search:
        return []
    return [
        f"- Before that, for each kind of teacher: {_ranges(study.teacher_search)}; "
        f"{study.teacher_trials} configurations over {study.replicates.search} replicates "
        "([tuned teachers](../teachers.md))."
    ]


def _confirmed(study: Study) -> str:
    given = study.replicates
    if given.searches == 1:
        return f"{given.confirm} fresh replicates confirm the best configuration."
    return (
        f"{given.searches} independent searches; the best configuration of each is confirmed on "
        f"{given.confirm // given.searches} fresh replicates. Intervals and tests are over "
        f"searches ([intervals](../intervals.md))."
    )
