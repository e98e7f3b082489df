"""The numbers behind all verdicts, as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from qkd_study.analysis.claims.contrasts import Contrast
from qkd_study.analysis.claims.evaluate import ClaimResult

_REALS = ["bound_low", "bound_high", "difference", "low", "high", "both_low", "both_high"]
_DATASETS = ["datasets", "datasets_mean", "datasets_low", "datasets_high"]
_DATASETS += ["spread", "next_low", "next_high"]
_REALS += [
    "test_items",
    "bca_low",
    "bca_high",
    "sd",
    "won",
    "p",
    "p_both",
    "p_holm",
    "p_wilcoxon",
    "margin",
    "p_margin",
    *_DATASETS,
]


def verdicts(judged: Sequence[ClaimResult]) -> pd.DataFrame:
    """Each claim's mean over its cells, its cells if there are several, and its controls.

    Returns:
        claim (counted from 1), contrast, where (`all`, a cell, or `control`), metric, pairs,
        left_out, failed (those of them with a failed run), bound_low and bound_high (the lowest and
        the highest mean difference with them; nan without any), difference, its t interval `low` to
        `high` over replicates, its interval `both_low` to `both_high` over replicates and test
        items, over so many `test_items` (nan if predictions are missing), its bootstrap interval
        `bca_low` to `bca_high`, sd, won, p (by itself, paired t), p_both (the same over replicates
        and test items), p_holm, p_wilcoxon, margin, p_margin (of two one-sided tests that the
        difference lies within the margin); of claims over datasets their number, the mean over them
        with its interval, the spread between them, and the interval of the difference on one more
        (`datasets`, `datasets_mean`, `datasets_low`, `datasets_high`, `spread`, `next_low`,
        `next_high`; else nan); over (what p_holm, p_margin and the verdict rest on),
        verdict and its `marks` (see `Contrast` and `ClaimResult`), joined by commas; in the unit of
        the metric, nan below two pairs.
    """
    rows = []
    for number, one in enumerate(judged, start=1):
        claim, better = one.claim, side(one.claim["better"])
        sides = f"{better} - {side(claim['than'])}"
        whole = _row(number, sides, "all", claim, one.overall)
        rows.append(whole | {"marks": ", ".join(one.marks)})
        if len(one.cells) > 1:
            rows += [_row(number, sides, c.where, claim, c) for c in one.cells]
        for control in one.controls:
            against = f"{better} - {control.arm}"
            rows.append(_row(number, against, "control", claim, control.contrast))
    names = ["claim", "contrast", "where", "metric", "pairs", "left_out", "failed"]
    names += [*_REALS, "over", "verdict"]
    table = pd.DataFrame(rows, columns=[*names, "marks"]).astype(dict.fromkeys(_REALS, float))
    return table.fillna({"marks": ""})


def as_json(judged: Sequence[ClaimResult]) -> list[dict[str, Any]]:
    """The verdicts for `verdicts.json`: a record per claim, with its contrasts as in `verdicts`.

    Returns:
        says, verdict, marks (a list), interactions (over, means, p), rising (cell and arm of what
        still rose when training ended), rising_teachers (of what had a teacher that still rose;
        null if that of none is known), climbing (of what had a search that had not levelled off),
        look (see `Look`; null without looks), declared_after, withdrawn, and contrasts; null where
        the table has nan.
    """
    table = verdicts(judged).drop(columns="marks")
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [
        {
            "says": one.claim["says"],
            "verdict": one.status,
            "marks": list(one.marks),
            "interactions": [
                {"over": i.over, "means": dict(i.means), "p": None if math.isnan(i.p) else i.p}
                for i in one.interactions
            ],
            "rising": [list(side) for side in one.rising],
            "climbing": [list(side) for side in one.climbing],
            "rising_teachers": [list(s) for s in one.rising_teachers] if one.taught else None,
            "look": None if one.look is None else asdict(one.look),
            "declared_after": one.declared_after,
            "withdrawn": one.withdrawn,
            "contrasts": [row for row in rows if row["claim"] == number],
        }
        for number, one in enumerate(judged, start=1)
    ]


def side(value: Any) -> str:
    """A side of a claim as text: an arm, or factor values."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {v}" for name, v in value.items())
    return str(value)


def unit(metric: str) -> tuple[float, str]:
    """The factor of a metric in texts, and its unit."""
    if metric == "test_nll":
        return 1.0, "nats"
    return (1.0, "epochs") if metric == "epochs_to_target" else (100.0, "percentage points")


def _row(
    number: int, sides: str, where: str, claim: Mapping[str, Any], contrast: Contrast
) -> dict[str, Any]:
    row = {
        "claim": number,
        "contrast": sides,
        "where": where,
        "metric": claim["metric"],
        "pairs": 0 if contrast.paired is None else contrast.paired.n,
        "left_out": contrast.left_out,
        "failed": contrast.failed,
        "margin": claim["margin"],
        "over": contrast.over,
        "verdict": "no pairs",
    }
    if contrast.bounds is not None:
        row["bound_low"], row["bound_high"] = contrast.bounds
    if contrast.both is not None:
        both = contrast.both
        row |= {"both_low": both.low, "both_high": both.high, "p_both": both.p}
        row["test_items"] = both.items
    if contrast.datasets is not None:
        found = contrast.datasets.summary
        values = (found.count, found.mean, found.low, found.high, found.spread)
        row |= dict(zip(_DATASETS, (*values, found.next_low, found.next_high), strict=True))
    paired, verdict = contrast.paired, contrast.verdict
    if paired is None or verdict is None:
        return row
    return row | {
        "difference": paired.mean,
        "low": paired.t_low,
        "high": paired.t_high,
        "bca_low": paired.low,
        "bca_high": paired.high,
        "sd": paired.sd,
        "won": paired.won,
        "p": paired.p_t,
        "p_holm": verdict.p,
        "p_wilcoxon": paired.p_wilcoxon,
        "p_margin": None if verdict.equivalence is None else verdict.equivalence.p,
        "verdict": verdict.status,
        "marks": ", ".join(contrast.marks),
    }
