"""`qkd-study diff`."""

from __future__ import annotations

import json
from argparse import Namespace

from qkd_study.common.exit_codes import DONE
from qkd_study.common.terminal import console, print_wrapped
from qkd_study.common.terminal_table import TerminalTable


def diff(options: Namespace) -> int:
    """`qkd-study diff`: what two runs declare differently, and their gains side by side."""
    from qkd_study.analysis import load
    from qkd_study.analysis.comparison_of_runs import compare, declared_differences
    from qkd_study.analysis.interval_text import format_gain, format_share
    from qkd_study.analysis.latex import lines_of

    one, other = (load(run, options.out, search_curves=False) for run in options.runs)
    differences = declared_differences(one, other)
    if options.json:
        gains = compare(one, other)
        found = {
            "declaration": differences.to_dict("records"),
            "gains": gains.astype(object).where(gains.notna(), None).to_dict("records"),
        }
        print(json.dumps(found, indent=1))
        return DONE
    names = [run.name for run in (one, other)]
    if differences.empty:
        print_wrapped(f"{names[0]} and {names[1]} declare the same on the same data.")
    else:
        rows = differences.to_numpy().tolist()
        console().print(TerminalTable("what is declared differently", ("entry", *names), rows))
    shown: dict[tuple[str, str], list[str]] = {}
    for place, run in enumerate((one, other)):
        for line in lines_of(run):
            texts = shown.setdefault((line.cell, line.arm), [""] * 4)
            texts[2 * place] = format_share(line.score)
            texts[2 * place + 1] = format_gain(line.gain) if line.gain else ""
    headings = [f"{what} of {name}" for name in names for what in ("score", "gain")]
    if not shown:
        print_wrapped("Neither has a test accuracy yet: no confirm run has ended well.")
        return DONE
    title = "test accuracy in %, and gain over the run's own baseline, paired, with 95 % intervals"
    scores = [(cell, arm, *texts) for (cell, arm), texts in shown.items()]
    console().print(TerminalTable.of_cells(title, ("arm", *headings), scores, keys=2))
    return DONE
