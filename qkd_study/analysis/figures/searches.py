"""The expected best validation accuracy against the number of configurations."""

from __future__ import annotations

from matplotlib.figure import Figure

from qkd_study.analysis.figures import layout, values
from qkd_study.analysis.run_tables import RunTables


def search_curves(results: RunTables, title: str | None = None) -> Figure:
    """Per arm: the best validation accuracy (per cent) that so many configurations would find.

    The mean over the cells of each arm, as far as all of them go; see
    `search_analysis.expected_best`.

    Raises:
        InputError: no arm has two configurations with scores.
    """
    curves = results.expected_best()
    by_arm = {}
    for arm, own in curves.groupby("arm"):
        wide = own.pivot_table(index="n", columns="cell", values="best").dropna()
        if len(wide) > 1:
            by_arm[str(arm)] = 100 * wide.mean(axis=1)
    if not by_arm:
        raise values.NothingToDraw(f"no search of {results.name} has two configurations.")
    looks = {arm: look for arm, look in values.looks_of(results).items() if arm in by_arm}
    figure, (axes,) = layout.sheet([""], title=title, columns=1)
    for i, (arm, look) in enumerate(looks.items()):
        curve = by_arm[arm]
        step = max(1, len(curve) // 8)
        every = (int(i / len(looks) * step), step)
        style = {**look.line(4.5), "linewidth": 1.2}
        axes.plot(curve.index.to_numpy(), curve.to_numpy(), label=arm, markevery=every, **style)
    axes.set_xlabel("configurations of a search", fontsize=layout.TEXT)
    axes.set_ylabel("expected best\nvalidation accuracy (%)", fontsize=layout.TEXT)
    layout.arm_key(figure, looks)
    ends = ", ".join(f"{arm} {by_arm[arm].iloc[-1]:.1f} % of {len(by_arm[arm])}" for arm in looks)
    return layout.describe(
        figure,
        "Lines: the best validation accuracy that a search is expected to find against the "
        f"number of its configurations, the mean over cells. At the end: {ends}.",
    )
