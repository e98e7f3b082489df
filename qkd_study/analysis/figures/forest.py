"""All claims at a glance: differences with their intervals, margins, controls and verdicts."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.transforms import blended_transform_factory

from qkd_study.analysis.claims.evaluate import ClaimResult
from qkd_study.analysis.claims.table import side, unit
from qkd_study.analysis.figures import layout, values
from qkd_study.analysis.statistics import Paired

#: The colour of a verdict, as in the report.
COLOURS: Mapping[str, str] = {
    "supported": "#009E73",
    "contradicted": "#D55E00",
    "equivalent": "#0072B2",
    "undecided": "0.35",
}
#: What is said beside a control, by outcome.
OUTCOMES = {
    "beaten": "beaten",
    "matches": "does as well",
    "open": "not shown to be beaten",
    "untested": "untested",
}
#: Letters in a line of a claim, of a name at the left, and of a verdict at the right.
CLAIM, NAME, VERDICT = 60, 22, 18


_NONE = (math.nan, math.nan)
_NO_MEAN = (math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class _Row:
    """A line of the figure: heights are counted downwards, in lines of text.

    Attributes:
        name: at the left.
        mean: nan if there is none.
        over_replicates, over_both: intervals; nan if there is none.
        over_datasets: the mean over datasets with its interval; nan if there is none.
        word: at the right.
        colour: of all of it.
        control: whether it is of a control.
    """

    name: str
    mean: float
    over_replicates: tuple[float, float]
    over_both: tuple[float, float]
    word: str
    colour: str
    control: bool = False
    over_datasets: tuple[float, float, float] = _NO_MEAN

    @property
    def lines(self) -> int:
        """Its height."""
        texts = textwrap.wrap(self.name, NAME), textwrap.wrap(self.word, VERDICT)
        return max(1 if math.isnan(self.over_datasets[0]) else 2, *map(len, texts))


def verdicts(judged: Sequence[ClaimResult], title: str | None = None) -> Figure:
    """A forest of all claims, a panel per unit.

    The difference of a claim, averaged over its cells, with its 95 % interval over replicates
    or searches (thick), over test samples too (thin, with ends), and of a claim over datasets the
    mean over them with its interval (dashed); a band from -margin to margin;
    the gain of each control with its interval over replicates; the verdict by colour and word.

    Args:
        judged: the claims with their verdicts.
        title: of the figure.

    Raises:
        NothingToDraw: there are no claims.
    """
    if not judged:
        raise values.NothingToDraw("the study declares no claims.")
    units = list(dict.fromkeys(unit(one.claim["metric"])[1] for one in judged))
    grouped = [[(i, j) for i, j in enumerate(judged, 1) if _unit(j) == name] for name in units]
    heights = [sum(_height(number, one) for number, one in group) for group in grouped]
    figure = Figure(figsize=(layout.WIDTH, 0.5), layout="constrained")
    layout.grow(figure, math.ceil(sum(heights)) + 3 * len(units))
    ratios = [height + 1 for height in heights]
    panels = figure.subplots(len(units), 1, squeeze=False, height_ratios=ratios)[:, 0]
    for axes, name, group, height in zip(panels, units, grouped, heights, strict=True):
        _panel(axes, group, height)
        axes.set_xlabel(f"difference, {name}", fontsize=layout.TEXT)
    if title:
        figure.suptitle(layout.plain(title), fontsize=layout.TEXT + 1)
    _key(figure, judged)
    counts = [f"{one.claim['says']} {', '.join((one.status, *one.marks))}." for one in judged]
    return layout.describe(figure, f"Forest of {len(judged)} claims. {' '.join(counts)}")


def _unit(one: ClaimResult) -> str:
    return unit(one.claim["metric"])[1]


def _title(number: int, one: ClaimResult) -> list[str]:
    return textwrap.wrap(f"{number}. {one.claim['says']}", CLAIM)


def _height(number: int, one: ClaimResult) -> float:
    """Lines of a claim: its text, its rows, and a gap."""
    return len(_title(number, one)) + sum(row.lines for row in _rows(one)) + 0.6


def _rows(one: ClaimResult) -> Iterator[_Row]:
    """The row of a claim, then those of its controls."""
    factor = unit(one.claim["metric"])[0]
    better, than = side(one.claim["better"]), side(one.claim["than"])
    overall = one.overall
    both, datasets = overall.both, _NO_MEAN
    if overall.datasets is not None:
        found = overall.datasets.summary
        datasets = (factor * found.mean, factor * found.low, factor * found.high)
    yield _Row(
        f"{better} - {than}",
        *_scaled(overall.paired, factor),
        _NONE if both is None else (factor * both.low, factor * both.high),
        ", ".join((one.status, *one.marks)),
        COLOURS[one.status],
        over_datasets=datasets,
    )
    for control in one.controls:
        numbers = _scaled(control.gain, factor)
        yield _Row(
            f"{control.arm} - {than}", *numbers, _NONE, OUTCOMES[control.outcome], "0.35", True
        )


def _scaled(paired: Paired | None, factor: float) -> tuple[float, tuple[float, float]]:
    if paired is None:
        return math.nan, _NONE
    return factor * paired.mean, (factor * paired.t_low, factor * paired.t_high)


def _panel(axes: Axes, group: Sequence[tuple[int, ClaimResult]], height: float) -> None:
    axes.set_ylim(height, 0)
    axes.axvline(0, color="0.6", linewidth=0.8, zorder=0.5)
    axes.grid(True, axis="x", color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(labelsize=layout.SMALL, left=False)
    ticks: list[tuple[float, str]] = []
    top = 0.0
    for number, one in group:
        for line in _title(number, one):
            _text(axes, 0.01, top + 0.5, line, "black", "bold", of_figure=True)
            top += 1
        first = top
        for row in _rows(one):
            at = top + row.lines / 2
            top += row.lines
            ticks.append((at, "\n".join(textwrap.wrap(row.name, NAME))))
            _draw(axes, at, row)
        margin = one.claim["margin"]
        if margin is not None:
            half = unit(one.claim["metric"])[0] * margin
            axes.add_patch(
                Rectangle(
                    (-half, first), 2 * half, top - first, color="0.88", linewidth=0, zorder=0.2
                )
            )
        top += 0.6
    axes.set_yticks([at for at, _ in ticks], [layout.plain(name) for _, name in ticks])
    axes.autoscale(axis="x")
    axes.margins(x=0.06)


def _draw(axes: Axes, at: float, row: _Row) -> None:
    (low, high), (wide_low, wide_high) = row.over_replicates, row.over_both
    mean, data_low, data_high = row.over_datasets
    middle = at
    if math.isfinite(mean):
        below, at = at + 0.35, at - 0.35
        axes.hlines(below, data_low, data_high, color=row.colour, linewidth=1, linestyle="--")
        axes.plot([mean], [below], "D", color=row.colour, markersize=4)
    face = "white" if row.control else row.colour
    width = 1.0 if row.control else 3.2
    if math.isfinite(low):
        axes.hlines(at, low, high, color=row.colour, linewidth=width)
    if math.isfinite(wide_low):
        axes.hlines(at, wide_low, wide_high, color=row.colour, linewidth=1)
        axes.vlines((wide_low, wide_high), at - 0.2, at + 0.2, color=row.colour, linewidth=1)
    if math.isfinite(row.mean):
        size = 4 if row.control else 6
        axes.plot([row.mean], [at], "o", color=row.colour, markerfacecolor=face, markersize=size)
    word = "\n".join(textwrap.wrap(row.word, VERDICT))
    _text(axes, 1.02, middle, word, row.colour, "normal" if row.control else "bold")


def _text(
    axes: Axes, x: float, y: float, text: str, colour: str, weight: str, *, of_figure: bool = False
) -> None:
    """Text at a height in data, and at a part of the panel's width, or of the figure's."""
    across = axes.get_yaxis_transform()
    if of_figure:
        figure = axes.get_figure(root=True)
        assert figure is not None
        across = blended_transform_factory(figure.transFigure, axes.transData)
    drawn = axes.text(
        x,
        y,
        layout.plain(text),
        color=colour,
        fontsize=layout.SMALL,
        fontweight=weight,
        va="center",
        transform=across,
    )
    drawn.set_in_layout(not of_figure)  # it runs across the panel, and leaves margins as they are


def _key(figure: Figure, judged: Sequence[ClaimResult]) -> None:
    counted = judged[0].overall.unit
    entries: list[tuple[str, Line2D | Patch]] = [
        (f"95 % over {counted}", Line2D([], [], color="0.35", linewidth=3.2))
    ]
    if any(one.overall.both is not None for one in judged):
        both = Line2D([], [], color="0.35", linewidth=1, marker="|", markersize=5)
        entries.append((f"over {counted} and test samples", both))
    if any(one.overall.datasets is not None for one in judged):
        dashed = Line2D([], [], color="0.35", linewidth=1, linestyle="--", marker="D", markersize=4)
        entries.append(("mean over datasets", dashed))
    if any(one.controls for one in judged):
        hollow = Line2D(
            [], [], color="0.35", linewidth=1, marker="o", markersize=4, markerfacecolor="white"
        )
        entries.append((f"control, over {counted}", hollow))
    if any(one.claim["margin"] is not None for one in judged):
        entries.append(("within the margin", Patch(color="0.88")))
    layout.grow(figure, -(-len(entries) // 2))
    figure.legend(
        [handle for _, handle in entries],
        [name for name, _ in entries],
        loc="outside lower center",
        ncols=2,
        fontsize=layout.SMALL,
        frameon=False,
    )
