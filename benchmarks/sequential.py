"""The error, the power and the savings of looks, by simulation.

    python -m benchmarks.sequential            # 2,000 studies a line, some two minutes
    python -m benchmarks.sequential --studies 500

A simulated study has claims on arms that are compared with one baseline, so that the differences
of two claims are correlated by 1/2. Scores are normal. Each look judges as a run does: t tests of
all replicates so far, p values over the looks, Holm's correction over the claims, and the rule that
ends a claim. The planned effect is that which the last look would find with the planned power; the
margin equals it.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from qkd_study.analysis.claims.looks import FUTILE, Design
from qkd_study.analysis.statistics import Verdict, holm
from qkd_study.analysis.statistics.power import ClaimStatus, replicates_needed
from qkd_study.analysis.statistics.samples import Reals, greater_p, mean_p
from qkd_study.analysis.statistics.sequential import chance_to_reject
from qkd_study.study.replicates import Replicates

#: Effects whose savings are averaged, as multiples of the planned one.
EFFECTS = (0.0, 0.5, 1.0, 1.5, 2.0)


@dataclass(frozen=True)
class Outcome:
    """How the claims of one study ended: (claims,) each."""

    reasons: list[str]
    replicates: Reals


def study(design: Design, effects: Reals, margin: float, rng: np.random.Generator) -> Outcome:
    """Judge a simulated study look by look.

    Args:
        design: its looks.
        effects: (claims,), true mean differences; their standard deviation is 1.
        margin: of all claims.
        rng: of the scores.
    """
    count = len(effects)
    scores = rng.normal(0, math.sqrt(0.5), (count + 1, design.looks[-1]))
    differences = scores[1:] - scores[:1] + effects[:, None]
    reasons, ended = ["open"] * count, np.zeros(count)
    p_values: list[list[float]] = [[] for _ in effects]
    within: list[list[float]] = [[] for _ in effects]
    for look, n in enumerate(design.looks):
        for i in range(count):
            if reasons[i] == "open":
                values = differences[i, :n]
                p_values[i].append(mean_p(values))
                within[i].append(max(greater_p(margin + values), greater_p(margin - values)))
                ended[i] = n
        zero = holm([design.repeated(p, 2) for p in p_values])
        inside = holm([design.repeated(p, 1) for p in within])
        for i in range(count):
            if reasons[i] == "open":
                values = differences[i, :n]
                found = judged(values, zero[i], inside[i], design.alpha)
                reasons[i] = design.reason(found, values, margin, look)
        if "open" not in reasons:
            break
    return Outcome(reasons, ended)


def judged(values: Reals, p: float, p_within: float, alpha: float) -> Verdict:
    """The verdict as `statistics.verdict` has it, without what takes it most of its time."""
    mean = float(values.mean())
    status: ClaimStatus = "undecided"
    if p < alpha:
        status = "supported" if mean > 0 else "contradicted"
    elif p_within < alpha:
        status = "equivalent"
    return Verdict(status, p, None, False, None, mean, len(values))


def planned_effect(design: Design, power: float) -> float:
    """The mean difference, in standard deviations, that one claim finds with this power."""
    drift = optimize.brentq(
        lambda effect: chance_to_reject(design.fractions, effect)[-1] - power, 0.5, 9.0
    )
    return float(drift) / math.sqrt(design.looks[-1])


def chances(design: Design, margin: float, effect: float, studies: int = 40_000) -> Reals:
    """The chances that t tests at the levels of the looks support, or show equivalence.

    Without futility and without `repeated_p`; all studies at once.
    """
    rng = np.random.default_rng(1)
    n = np.array(design.looks)
    values = rng.standard_normal((studies, n[-1])) + effect
    mean = np.cumsum(values, axis=1)[:, n - 1] / n
    sd = np.sqrt((np.cumsum(values**2, axis=1)[:, n - 1] - n * mean**2) / (n - 1))
    error = sd / np.sqrt(n)
    above = mean > stats.t.isf(design.levels / 2, n - 1) * error
    below = mean < -stats.t.isf(design.levels / 2, n - 1) * error
    within = np.abs(mean) < margin - stats.t.isf(design.levels_within, n - 1) * error
    # The first verdict of a study counts; zero is tested first.
    first = np.argmax(above | below | within, axis=1), np.arange(studies)
    supported = above[first[::-1]]
    equivalent = within[first[::-1]] & ~supported & ~below[first[::-1]]
    return np.array([supported.mean(), equivalent.mean()])


def errors(studies: int) -> None:
    """The chance of any false verdict of a family."""
    print(f"Error of the family, {studies} studies a line (nominal 5 %):")
    cases = [((20, 200), 1), ((20, 200), 4), ((5, 40), 1), ((5, 40), 4), ((10, 30), 8)]
    for (least, most), claims in cases:
        design = Design(Replicates(confirm=(least, most)).looks)
        margin = planned_effect(design, 0.9)
        for what, effects, false in (
            ("all null", np.zeros(claims), ("supported", "contradicted")),
            ("all at the margin", np.full(claims, margin), ("equivalent",)),
            (
                "half null, half planned",
                np.repeat([0.0, margin], [(claims + 1) // 2, claims // 2]),
                ("supported", "contradicted"),
            ),
        ):
            if claims == 1 and what.startswith("half"):
                continue
            rng = np.random.default_rng(11)
            wrong = 0
            null = effects == effects[0]
            for _ in range(studies):
                found = study(design, effects, margin, rng)
                wrong += any(r in false for r, of in zip(found.reasons, null, strict=True) if of)
            error = 1.96 * math.sqrt(0.05 * 0.95 / studies)
            print(
                f"  {least:3} to {most:3} replicates, {len(design.looks)} looks, {claims} claims, "
                f"{what}: {wrong / studies:.1%} +- {error:.1%}"
            )


def power(studies: int) -> None:
    """Power at the planned effect and of equivalence, against theory."""
    print(
        f"Power of one claim, {studies} studies a line; theory: of the boundaries for normal "
        f"statistics, and of t tests at them, without futility:"
    )
    for least, most, wanted in ((20, 200, 0.9), (20, 200, 0.8), (10, 60, 0.9)):
        design = Design(Replicates(confirm=(least, most)).looks)
        margin = planned_effect(design, wanted)
        for i, name in enumerate(("supported", "equivalent")):
            effect = 0.0 if i else margin
            rng = np.random.default_rng(12)
            found = [study(design, np.array([effect]), margin, rng) for _ in range(studies)]
            rate = sum(one.reasons[0] == name for one in found) / studies
            normal = "" if i else f"{wanted:.1%} and "
            print(
                f"  {least:3} to {most:3} replicates, {name} at an effect of {effect:.3f} sd: "
                f"{rate:.1%}, theory {normal}{chances(design, margin, effect)[i]:.1%}"
            )


def savings(studies: int) -> None:
    """Replicates of a claim, against a fixed design of the same power."""
    print(f"Replicates of one claim, {studies} studies each, against a fixed number of equal power")
    for least, most, wanted in ((20, 200, 0.9), (20, 200, 0.95)):
        design = Design(Replicates(confirm=(least, most)).looks)
        margin = planned_effect(design, wanted)
        fixed = replicates_needed(margin, 1.0, power=wanted)
        saved = []
        print(f"  {least} to {most} replicates; a fixed {fixed} has the power {wanted:.0%} too:")
        for times in EFFECTS:
            rng = np.random.default_rng(13)
            found = [study(design, np.array([times * margin]), margin, rng) for _ in range(studies)]
            mean = float(np.mean([one.replicates[0] for one in found]))
            ends = {r: sum(one.reasons[0] == r for one in found) / studies for r in REASONS}
            saved.append(1 - mean / fixed)
            print(
                f"    {times:3} x planned: {mean:5.1f} replicates, {saved[-1]:.0%} saved; "
                + ", ".join(f"{r} {share:.0%}" for r, share in ends.items() if share)
            )
        print(f"    on average over these effects: {np.mean(saved):.0%} saved")


REASONS = ("supported", "contradicted", "equivalent", "futile", "last look")


def main() -> None:
    """Print all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    studies = parser.parse_args().studies
    print(f"A claim is hopeless if the chance of a verdict at the last look is below {FUTILE:.0%}.")
    errors(studies)
    power(studies)
    savings(studies)


if __name__ == "__main__":
    main()
