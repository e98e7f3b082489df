"""The methods behind a report's numbers, their provenance, and how to reproduce them."""

from __future__ import annotations

from qkd_study.analysis.run_tables import RunTables

METHOD = (
    "In every cell and arm the search took the configuration with the best mean accuracy on "
    "validation samples. That configuration was then trained anew on fresh replicates, and only "
    "those met the test set: every number here is from them unless it says search or cost.",
    "A replicate fixes the samples drawn, the initial weights and the order of batches for all "
    "arms alike, so arms are compared by differences within replicates; a replicate that either "
    "side lacks is left out of the comparison and counted. If it lacks because a run failed, p "
    "is the largest over all scores between the lowest and the highest of its cell that the "
    "failed run may have had. Intervals are 95 % t intervals of the mean difference over "
    "replicates, for new replicates on these test samples, without correction for being many. "
    "Claims about the accuracy have another, for new test samples, too: by the two-way analysis "
    "of variance of what each replicate classified correctly. Their verdicts rest on it unless "
    "they say otherwise or predictions are missing. BCa bootstrap intervals stand beside them: "
    "at a nominal 95 % they hold the true mean 84 % of the time with 5 pairs and 93 % with 20, "
    "t intervals 95 %. p values are of paired t tests with Holm's correction over the family "
    "named. In figures, a mean accuracy, or another share, has a t interval on the logit scale, "
    "which cannot leave 0 to 100 %.",
    "Where a study has several independent searches per cell and arm, each chose a configuration "
    "of its own, which was confirmed on its share of the replicates. Intervals and tests are then "
    "over the means of the searches: they hold for a new search, too. With one search they hold "
    "for the configuration that it chose. No interval is over the search for a teacher, of which "
    "there is one per kind: where teachers are searched, all numbers hold for the configurations "
    "that it chose, and how much another choice would change, only runs with another --seed say.",
    "A claim over several cells is judged on its mean over them, replicate by replicate. It is "
    "supported or contradicted if zero is rejected at 5 %, equivalent if two one-sided tests, "
    "corrected likewise, place the difference within the declared margin, and undecided "
    "otherwise. Undecided does not mean that there is no effect: only equivalent says that, of "
    "arms that score above the majority class, in a study that sees some difference. That "
    "the difference is the same in all cells, and for all values of each factor, is tested by "
    "Hotelling's T^2, with Holm's correction over the tests of a claim; if not, the verdict says "
    "on what it depends.",
)


def provenance(results: RunTables) -> list[tuple[str, str]]:
    """The run, its machine, times and versions."""
    manifest, sessions = results.manifest, results.manifest["sessions"]
    last = sessions[-1] if sessions else {}
    data = manifest.get("datasets", {manifest["dataset"]: manifest.get("dataset_sha256", "?")})
    packages = ", ".join(f"{k} {v}" for k, v in last.get("packages", {}).items())
    seconds = float(results.runs["cost.seconds_total"].sum())
    devices = sorted(set(results.runs["where.backend"].dropna()))
    plans = sorted(set(results.runs["where.plan"].dropna()))
    lines = [
        ("run", results.name),
        *(("dataset", f"{name} (SHA-256 {digest[:16]}...)") for name, digest in data.items()),
        ("rows", f"{len(results.runs)}, {seconds:.0f} s of training in all"),
        ("circuits ran on", ", ".join(devices) + (f"; as {', '.join(plans)}" if plans else "")),
        ("seed", str(results.declaration["seed"])),
        ("fingerprint", str(manifest["fingerprint"])),
    ]
    if sessions:
        lines += [
            ("started", str(sessions[0].get("started_at", ""))),
            (
                "versions",
                f"qkd-study {last.get('qkd_study')}, Python {last.get('python')}, {packages}",
            ),
            ("machine", f"{last.get('system')} {last.get('machine')}, {last.get('cpus')} CPUs"),
        ]
    return lines


def reproduce(results: RunTables) -> str:
    """The commands that made the run."""
    commands = [session.get("command", []) for session in results.manifest["sessions"]]
    distinct = dict.fromkeys(" ".join(command) for command in commands if command)
    note = "# study.py in the run's folder is the study file as it was run"
    return "\n".join([note, *distinct])
