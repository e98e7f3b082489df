"""`qkd-study plan --width`: as many runs as intervals of that width need."""

from __future__ import annotations

import math
from argparse import Namespace
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qkd_study.common.errors import InputError
from qkd_study.common.terminal_table import TerminalTable
from qkd_study.planning.plan import Plan
from qkd_study.study.claims import DATASETS
from qkd_study.study.replicates import FIRST_CONFIRM_REPLICATE, MOST_CONFIRM, Replicates
from qkd_study.study.study import Study
from qkd_study.tune.progress import format_duration

if TYPE_CHECKING:
    from qkd_study.analysis.claims.width import Needed

#: Metrics with intervals in percentage points.
_POINTS = ("test_accuracy", "test_f1_macro")
_COLUMNS = ("claim", "now ±", "searches", "replicates", "test items", "needs", "CPU time")


@dataclass(frozen=True)
class Width:
    """What a study needs for intervals of a wanted half-width.

    Attributes:
        run: whose spreads were taken.
        searches: how many each cell and arm of it has.
        points: the half-width, in percentage points.
        claims: what each of the study's claims about an accuracy needs.
        replicates: of the study, enough for all claims that can have it; `None` if none can.
        seconds: of CPU, per search and per confirm replicate of the study.
        over_datasets: the claims over datasets, whose intervals no number of runs makes narrow.
    """

    run: str
    searches: int
    points: float
    claims: list[Needed]
    replicates: Replicates | None
    seconds: tuple[float, float]
    over_datasets: tuple[str, ...] = ()

    def cost(self, searches: int, each: int) -> float:
        """CPU seconds of so many searches with so many confirm replicates of each."""
        search, replicate = self.seconds
        return searches * (search + each * replicate)

    def as_json(self) -> dict[str, Any]:
        """As `qkd-study plan --json` prints it; half-widths in percentage points."""
        chosen = self.replicates
        return {
            "run": self.run,
            "half_width": self.points,
            "claims": [
                {
                    "says": one.says,
                    "now": None if math.isnan(one.now) else 100 * one.now,
                    "searches": one.searches,
                    "confirm": one.searches and one.replicates and one.searches * one.replicates,
                }
                for one in self.claims
            ],
            "over_datasets": list(self.over_datasets),
            "searches": chosen and chosen.searches,
            "confirm": chosen and chosen.confirm,
        }


def width_of(study: Study, counted: Plan, options: Namespace) -> Width | None:
    """The runs that the options ask for; `None` without `--width`.

    Raises:
        InputError: no such run, no claim about an accuracy, no confirmed rows, or a width that is
            not a number of percentage points.
    """
    if options.width is None:
        if options.spreads_of is not None:
            raise InputError("--from names the run whose spreads --width uses, so give --width.")
        return None
    if not 0 < options.width <= 100:
        raise InputError(
            f"--width must be above 0 and at most 100 percentage points, but got {options.width}."
        )
    if options.replicates is not None:
        raise InputError(
            "--width finds the confirm replicates that --replicates would set: give one of the two."
        )
    of = [claim for claim in study.claims if claim.metric in _POINTS]
    if not of:
        raise InputError("--width needs a claim about an accuracy, but the study has none.")
    says = [claim.says for claim in of if claim.over != DATASETS]
    if not says:
        raise InputError(
            "--width finds searches and replicates, but all claims about an accuracy are over "
            "datasets, and the number of those decides how wide their intervals are. `qkd-study "
            "report` says how many would decide a claim; see docs/datasets.md."
        )
    from qkd_study.analysis.claims.width import needed_for_width
    from qkd_study.analysis.run_tables import read_run

    results = read_run(options.spreads_of or study.name, search_curves=False)
    seconds = results.student_runs.groupby("phase")["cost.seconds_total"].mean()
    if "confirm" not in seconds:
        raise InputError(
            f"--width takes spreads from {results.name}, which has no confirm rows yet: let it run "
            f"on, or name another run with --from."
        )
    once = float(seconds.get("search", 0.0))
    costs = (
        counted.runs_search / study.searches * once,
        counted.branches * float(seconds["confirm"]),
    )
    claims, chosen = needed_for_width(
        results, says, options.width / 100, search_cost=costs[0], replicate_cost=costs[1]
    )
    found = None if chosen is None else _replicates(study, *chosen)
    left_out = tuple(claim.says for claim in of if claim.over == DATASETS)
    return Width(results.name, results.searches, options.width, claims, found, costs, left_out)


def _replicates(study: Study, searches: int, each: int) -> Replicates:
    most = FIRST_CONFIRM_REPLICATE // study.replicates.search
    if searches > most or searches * each > MOST_CONFIRM:
        raise InputError(
            f"--width would take {searches:,} searches and {searches * each:,} confirm replicates. "
            f"Allowed: {most:,} and {MOST_CONFIRM:,}. Ask for a larger width."
        )
    confirm = max(searches * each, 2)
    return Replicates(study.replicates.search, confirm, searches)


def with_width(study: Study, found: Width | None) -> Study:
    """The study with the replicates that were found, if there are any."""
    if found is None or found.replicates is None:
        return study
    return study.replaced(replicates=found.replicates)


def width_lines(found: Width) -> list[str]:
    """What is said above and below `width_table`."""
    over = "searches" if found.searches > 1 else "replicates"
    lines = [
        f"expected 95 % intervals of at most ±{found.points:g} percentage points, with the spreads "
        f"(standard deviations, in points) that {found.run} has between {over}"
    ]
    if found.searches == 1:
        lines.append(
            "that run has one search per cell and arm: how searches differ is unknown, and these "
            "intervals are for the configurations that one search chose"
        )
    return lines


def width_table(found: Width) -> TerminalTable:
    """What each claim needs."""
    rows = [(one.says, *_entries(found, one)) for one in found.claims]
    more = ("", "", "", "", "more datasets, not more runs", "")
    rows += [(says, *more) for says in found.over_datasets]
    return TerminalTable("", _COLUMNS, rows)


def _entries(found: Width, one: Needed) -> tuple[str, ...]:
    if one.spreads is None:
        return ("", "", "", "", "not in that run", "")
    parts = (one.spreads.searches, one.spreads.replicates, one.spreads.items)
    spread = ["" if part is None else f"{100 * math.sqrt(part):.2f}" for part in parts]
    if one.searches is None or one.replicates is None:
        needs, cost = f"cannot: the test samples alone give ±{100 * one.least:.1f}", ""
    else:
        needs = f"confirm={max(one.searches * one.replicates, 2)}, searches={one.searches}"
        cost = format_duration(found.cost(one.searches, one.replicates))
    return (f"{100 * one.now:.1f}", *spread, needs, cost)


def chosen_line(found: Width) -> str:
    """What the counts below are of."""
    if found.replicates is None:
        return "no number of runs is enough: the rest is of the study as it is declared"
    chosen = found.replicates
    return (
        f"for all of them: Replicates(search={chosen.search}, confirm={chosen.confirm}, searches="
        f"{chosen.searches}), of which the rest is"
    )
