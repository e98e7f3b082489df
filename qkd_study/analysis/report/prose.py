"""Claims and numbers as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qkd_study.analysis.claims.contrasts import Contrast
from qkd_study.analysis.claims.evaluate import ClaimResult, Control
from qkd_study.analysis.claims.interaction import ALPHA, Interaction
from qkd_study.analysis.claims.looks import FUTILE, Look
from qkd_study.analysis.claims.table import side, unit
from qkd_study.analysis.report.page import Statement
from qkd_study.analysis.statistics.random_effects import RandomEffects
from qkd_study.study.claims import BOTH

#: What a control leaves out, by arm: a gain that it does not match is due to it.
LEFT_OUT = {
    "scaled-ce": "anything but a larger step of the optimiser",
    "label-smoothing": "a teacher, rather than soft labels of any kind",
    "classical-teacher": "the quantum part of the teacher",
    "random-teacher": "training the teacher's first layers",
    "self-teacher": "a teacher of another kind than the student",
    "shuffled-labels": "what the teacher says about a sample",
    "shuffled-features": "which sample a feature map belongs to",
    "constant-features": "what the feature maps show",
}


#: The text about the controls of a supported claim, by outcome.
BUTS = {
    "matches": "is matched by",
    "open": "is not shown to beat",
    "untested": "was not tested against",
}


#: Below so many datasets, it is said that they are few.
FEW_DATASETS = 6
#: So many undertrained arms are named.
NAMED = 4


def signed(difference: float, metric: str) -> str:
    """A difference in its metric's unit, with as many decimals as are significant."""
    factor, name = unit(metric)
    return f"{factor * difference:+.{3 if name == 'nats' else 1}f}"


def amount(contrast: Contrast, metric: str) -> str:
    """A difference with its intervals, and what they are over."""
    paired, both = contrast.paired, contrast.both
    assert paired is not None
    low, high = signed(paired.t_low, metric), signed(paired.t_high, metric)
    text = f"{signed(paired.mean, metric)} {unit(metric)[1]} (95 % interval {low} to {high} over "
    text += contrast.unit
    if both is not None:
        low, high = signed(both.low, metric), signed(both.high, metric)
        text += f", {low} to {high} over {contrast.unit} and {both.items} test samples"
    return text + ")"


def p_value(p: float) -> str:
    """A p value, with few digits."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def statement(judged: ClaimResult) -> Statement:
    """A claim, its verdict, and why."""
    claim, overall = judged.claim, judged.overall
    lines = []
    if judged.look is None or judged.look.number:
        lines.append(_overall(claim, overall, len(judged.cells)))
    if judged.look is not None:
        lines.append(_look(judged.look))
    if len(judged.cells) > 1:
        lines.append("By cell: " + "; ".join(_in_cell(claim, c) for c in judged.cells) + ".")
        lines += [_interaction(claim, found) for found in judged.interactions if found.p < ALPHA]
    held = judged.status == "supported"
    lines += [_control(claim, control, held) for control in judged.controls]
    if judged.undertrained:
        lines.append(_undertrained(judged))
    if judged.undertrained_teachers:
        lines.append(_undertrained_teachers(judged))
    if judged.short_search:
        lines.append(_short_search(judged))
    if judged.cut_to is not None:
        lines.append(
            f"This rests on the first {judged.cut_to} replicates, which were declared before there "
            "were results. Those that were added later are in the tables of scores, whose p "
            "values do not allow for that, but in no verdict: two looks at 5 % err more often."
        )
    if judged.declared_after:
        lines.append(
            f"Declared when {judged.declared_after} confirm runs were already there: not a claim "
            f"made beforehand."
        )
    lines += [
        f"Changed when {change['confirm_rows']} confirm runs were already there: {change['what']}. "
        "The p values do not count that look at them."
        for change in judged.changes
    ]
    return Statement(claim["says"], judged.status, lines, judged.marks)


def _interaction(claim: Mapping[str, Any], found: Interaction) -> str:
    """How the difference depends on a factor."""
    ends = sorted(found.means.items(), key=lambda item: item[1])
    (lowest, low), (highest, high) = ends[0], ends[-1]
    name = "" if found.over == "cells" else f"{found.over} = "
    low_text, high_text = signed(low, claim["metric"]), signed(high, claim["metric"])
    return (
        f"The difference depends on {found.over} (interaction, {p_value(found.p)}): from "
        f"{low_text} at {name}{lowest} to {high_text} at {name}{highest}. "
        "The mean over cells holds for none of them by itself."
    )


def _look(look: Look) -> str:
    """At which look a claim stopped, and what its numbers then are."""
    if not look.number:
        return (
            f"Not judged yet: the first of {look.of} looks, at {look.replicates} replicates, "
            "is not complete."
        )
    at = f"look {look.number} of {look.of}, at {look.replicates} replicates"
    match look.reason:
        case "open":
            text = f"Goes on after {at}."
        case "futile":
            text = (
                f"Stopped as hopeless at {at}: the chance that the last look decides was below "
                f"{FUTILE:.0%}."
            )
        case "last look":
            text = f"Not decided at {at}."
        case _:
            text = f"Stopped as {look.reason} at {at}; later replicates do not count."
    return (
        f"{text} p values are those of all looks so far, and intervals are repeated confidence "
        f"intervals: at all looks together they hold the true difference with 95 %."
    )


def _undertrained(judged: ClaimResult) -> str:
    """What still rose of all that a claim compares."""
    return (
        f"Undertrained: validation accuracy still rose over the last fifth of the epochs in "
        f"{len(judged.rising)} of {len(judged.compared)} compared arms ({_named(judged.rising)}). "
        f"With more epochs the verdict may be another."
    )


def _undertrained_teachers(judged: ClaimResult) -> str:
    """Whose teachers still rose."""
    rising = judged.rising_teachers
    return (
        f"Undertrained teachers: the validation accuracy of the teacher still rose over the last "
        f"fifth of its epochs in {len(rising)} of {len(judged.taught)} arms with a teacher that "
        f"are compared, controls included ({_named(rising)}). With more epochs of teachers the "
        f"verdict may be another."
    )


def _short_search(judged: ClaimResult) -> str:
    """Whose search still gained."""
    return (
        f"Search not levelled off: the last third of the configurations is expected to gain more "
        f"than half a point of validation accuracy in {len(judged.climbing)} of "
        f"{len(judged.compared)} compared arms ({_named(judged.climbing)}). With more trials the "
        f"verdict may be another."
    )


def _named(sides: Sequence[tuple[str, str]]) -> str:
    """Some of the arms and cells, by name."""
    found = "; ".join(f"{arm} in {cell}" for cell, arm in sides[:NAMED])
    return found + (f"; {len(sides) - NAMED} more" if len(sides) > NAMED else "")


def _overall(claim: Mapping[str, Any], contrast: Contrast, cells: int) -> str:
    better, than, metric = side(claim["better"]), side(claim["than"]), claim["metric"]
    paired, verdict = contrast.paired, contrast.verdict
    if paired is None or verdict is None:
        return (
            f"{better} against {than}: fewer than two replicates are there for both sides in every "
            f"cell; {contrast.left_out} are there in part, and left out."
        )
    factor, name = unit(metric)
    over = f", averaged over {cells} cells" if cells > 1 else ""
    text = (
        f"{better} minus {than}: {amount(contrast, metric)}{over}; higher in {paired.won:.0%} of "
        f"{paired.n} {contrast.unit}; {p_value(verdict.p)} after Holm's correction. "
        f"{_basis(contrast, metric)}"
    )
    if contrast.left_out:
        text += f" {contrast.left_out} replicates that a side or a cell lacks are left out."
    if contrast.bounds is not None:
        low, high = (signed(bound, metric) for bound in contrast.bounds)
        text += (
            f" {contrast.failed} of them have a failed run: with scores between the lowest and the "
            f"highest of their cell, the difference is between {low} and {high}, and p at most "
            "this. `--retry-failed` runs them again."
        )
    counted, count = contrast.unit, paired.n
    if contrast.datasets is not None:
        counted, count = "datasets", verdict.n
    margin = claim["margin"]
    one = margin is not None and factor * margin == 1
    shown = "" if margin is None else f"{factor * margin:g} {name[:-1] if one else name}"
    if verdict.negligible:
        text += f" The difference is real but shown to be smaller than {shown}, which was "
        text += "declared not to matter."
    elif contrast.insensitive:
        text += f" The difference is shown to be smaller than {shown}, but not that the study could"
        text += f" have seen one: {'; '.join(contrast.insensitive)}."
    elif contrast.marks:
        text += f" That it is not smaller than {shown}, which was declared not to matter, is not "
        text += "shown: the observed difference is."
    elif verdict.status == "equivalent":
        text += f" The difference is shown to be smaller than {shown}: practically none."
    elif contrast.too_few_items:
        text += " More replicates alone would not decide about a difference of "
        text += f"{shown or 'the size that was observed'}: the test samples are too few."
    elif verdict.status == "undecided" and verdict.replicates_needed is not None:
        needed, of = verdict.replicates_needed, shown or "the size that was observed"
        if needed > count:
            text += f" About {needed} {counted} would decide about a difference of {of}: best in "
            text += "a new run with another --seed, as more here would be a second look."
        else:
            text += f" The {counted} would have sufficed to see a difference of {of}, "
            text += "but not to show that there is none."
    return text


def _basis(contrast: Contrast, metric: str) -> str:
    """What a verdict rests on."""
    if contrast.datasets is not None:
        return _over_datasets(contrast.datasets.summary, metric)
    if contrast.over == BOTH:
        return f"The verdict is for new {contrast.unit} on new test samples."
    text = f"The verdict is for new {contrast.unit} on these test samples"
    if contrast.both is None:
        text += ": how much is due to the samples is not known"
    return text + "."


def _over_datasets(found: RandomEffects, metric: str) -> str:
    """What a verdict over datasets rests on."""
    numbers = (found.mean, found.low, found.high, found.next_low, found.next_high)
    mean, low, high, next_low, next_high = (signed(number, metric) for number in numbers)
    factor, name = unit(metric)
    text = (
        f"The verdict is for new datasets of the same kind: the mean over them, as random effects, "
        f"is {mean} {name} (95 % interval {low} to {high} over {found.count} datasets), the spread "
        f"between them {factor * found.spread:.{3 if name == 'nats' else 1}f}, and the difference "
        f"on one more lies between {next_low} and {next_high}."
    )
    if found.count < FEW_DATASETS:
        text += (
            f" {found.count} datasets are few: intervals of their mean have {found.count - 1} "
            f"degree{'s' * (found.count > 2)} of freedom and are wide."
        )
    return text


def _in_cell(claim: Mapping[str, Any], contrast: Contrast) -> str:
    if contrast.paired is None or contrast.verdict is None:
        return f"{contrast.where}: no pairs"
    mean = signed(contrast.paired.mean, claim["metric"])
    return f"{contrast.where}: {mean} ({', '.join((contrast.verdict.status, *contrast.marks))})"


def _control(claim: Mapping[str, Any], control: Control, held: bool) -> str:
    metric, better = claim["metric"], side(claim["better"])
    if control.gain is None or control.contrast.paired is None:
        return f"Control {control.arm}: fewer than two pairs of replicates."
    text = (
        f"Control {control.arm}: {signed(control.gain.mean, metric)} over {side(claim['than'])} by "
        f"itself; {better} minus {control.arm} {amount(control.contrast, metric)}."
    )
    if control.outcome == "beaten":
        return text + f" {better} beats this control."
    if not held:  # there is no gain to explain
        return text
    left_out = LEFT_OUT.get(control.arm, "what the control leaves out")
    if control.outcome == "matches":
        return text + f" The control does as well: the gain is not due to {left_out}."
    return text + f" {better} is not shown to beat it, so {left_out} is not shown to matter."


def _of_them(number: int, verb: str) -> str:
    """Such as `1 of them rests`, or `2 of them rest`."""
    return f"{number} of them {verb}{'s' if number == 1 else ''}"


def summary(judged: Sequence[ClaimResult]) -> list[str]:
    """The verdicts in one or two sentences."""
    if not judged:
        return ["The study declares no claims: the tables and figures below say what was measured."]
    counts = {
        status: sum(j.status == status for j in judged)
        for status in ("supported", "contradicted", "equivalent", "undecided")
    }
    text = ", ".join(f"{n} {status}" for status, n in counts.items() if n)
    lines = [f"Of {len(judged)} claims: {text}."]
    for claim in judged:
        of = {c.arm: c.outcome for c in claim.controls}
        buts = [
            f"{words} {', '.join(arms)}"
            for outcome, words in BUTS.items()
            if (arms := [arm for arm, found in of.items() if found == outcome])
        ]
        if claim.status == "supported" and buts:
            lines.append(
                f"\N{LEFT DOUBLE QUOTATION MARK}{claim.claim['says']}"
                f"\N{RIGHT DOUBLE QUOTATION MARK} holds, but {' and '.join(buts)}: read it with "
                "that."
            )
    if short := [j for j in judged if j.undertrained]:
        lines.append(
            f"{_of_them(len(short), 'rest')} on arms whose training ended while they were still "
            f"rising."
        )
    if short := [j for j in judged if j.undertrained_teachers]:
        lines.append(
            f"{_of_them(len(short), 'rest')} on teachers whose training ended while they were "
            f"still rising."
        )
    if short := [j for j in judged if j.short_search]:
        lines.append(f"{_of_them(len(short), 'rest')} on arms whose search had not levelled off.")
    late = [j for j in judged if j.declared_after or j.changes or j.withdrawn]
    if late:
        lines.append(
            f"{len(late)} of them were declared, changed or withdrawn with test results in sight."
        )
    return lines
