"""The report as one self-contained HTML file, and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import jinja2


@dataclass(frozen=True)
class TableColumn:
    """A column of a table; text is left-aligned."""

    name: str
    text: bool = False


@dataclass(frozen=True)
class TableCell:
    """A cell: its text, and its sort key (empty: always last)."""

    shown: str
    value: str | float = ""
    text: bool = False


@dataclass(frozen=True)
class Table:
    """A table with a note on how to read it."""

    title: str
    note: str
    columns: Sequence[TableColumn]
    rows: Sequence[Sequence[TableCell]]


@dataclass(frozen=True)
class Picture:
    """A figure.

    Attributes:
        id: short; where it goes follows from how it begins.
        caption: one or two plain sentences.
        alt: what it shows, for readers who cannot see it.
        png: base64-encoded.
    """

    id: str
    caption: str
    alt: str
    png: str


@dataclass(frozen=True)
class Statement:
    """A claim and its verdict, as text; marks stand behind the verdict."""

    says: str
    status: str
    lines: Sequence[str]
    marks: Sequence[str] = ()

    @property
    def verdict(self) -> str:
        """The status with its marks."""
        return ", ".join((self.status, *self.marks))


@dataclass(frozen=True)
class Subsection:
    """A heading, sentences, tables and figures."""

    title: str
    lines: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Picture] = ()


@dataclass(frozen=True)
class Section:
    """The part of the report about one run.

    Attributes:
        verdicts: those of `verdicts.json`.
        lead: figures that come first, before any text but the question.
    """

    name: str
    question: str
    summary: Sequence[str]
    claims: Sequence[Statement]
    verdicts: Sequence[Mapping[str, Any]]
    problems: Sequence[str]
    parts: Sequence[Subsection]
    method: Sequence[str]
    provenance: Sequence[tuple[str, str]]
    reproduce: str
    lead: Sequence[Picture] = ()


def word(text: str) -> TableCell:
    """A cell of text."""
    return TableCell(text, text, text=True)


def number(value: float | None, form: str = "{:.1f}") -> TableCell:
    """A cell with a number; empty if there is none."""
    if value is None or not math.isfinite(value):
        return TableCell("", "")
    return TableCell(form.format(value), value)


def html(title: str, subtitle: str, runs: Sequence[Section]) -> str:
    """One page, with styles, script and figures inside."""
    template = resources.files(__package__).joinpath("page.html.jinja").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template).render(title=title, subtitle=subtitle, runs=runs)


def markdown(title: str, subtitle: str, runs: Sequence[Section]) -> str:
    """The same without figures, for pasting into a paper."""
    lines = [f"# {title}", "", subtitle, ""]
    for run in runs:
        if len(runs) > 1:
            lines += [f"# {run.name}", ""]
        lines += [f"**{run.question}**", "", *_spaced(run.summary)]
        for claim in run.claims:
            lines += [f"- **{claim.says}** *{claim.verdict}.* {' '.join(claim.lines)}"]
        lines += [""] if run.claims else []
        if run.problems:
            lines += ["What is missing:", "", *(f"- {line}" for line in run.problems), ""]
        for part in run.parts:
            if part.lines or part.tables:  # figures are files beside it
                lines += [f"## {part.title}", "", *(f"- {line}" for line in part.lines)]
                lines += [""] if part.lines else []
            for table in part.tables:
                lines += _table(table)
        lines += ["## Method", "", *_spaced(run.method)]
        lines += ["## Where this comes from", ""]
        lines += [f"- {name}: {value}" for name, value in run.provenance]
        lines += ["", "```sh", run.reproduce, "```", ""]
    return "\n".join(lines)


def _table(table: Table) -> list[str]:
    ends = "|".join(" --- " if c.text else " ---: " for c in table.columns)
    rows = [[c.name for c in table.columns], *([c.shown for c in row] for row in table.rows)]
    head, *body = ["| " + " | ".join(map(_plain, row)) + " |" for row in rows]
    return [f"### {table.title}", "", table.note, "", head, f"|{ends}|", *body, ""]


def _spaced(paragraphs: Sequence[str]) -> list[str]:
    return [part for text in paragraphs for part in (text, "")]


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
