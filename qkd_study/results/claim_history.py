"""When claims of a study were declared, changed and withdrawn, and the number of results then."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Entry = dict[str, Any]


def updated_history(
    before: Mapping[str, Any], declared: Mapping[str, Any], *, at: str | None, confirm_rows: int
) -> dict[str, list[Entry]]:
    """The claims of a study, with the number of confirm rows at each declaration and change.

    Args:
        before: the previous study.json; empty for a new run.
        declared: the study, in the form of `study.identity.declaration`.
        at: the time.
        confirm_rows: how many there are now; changes are recorded with this number.

    Returns:
        `claims`: each with `declared_at`, `confirm_rows` (how many there were then), `scope` (the
        cells, trials, confirm replicates and looks that it is tested on), `replicates` (the confirm
        replicates that were declared before there were results; it is tested on no others) and
        `changes` (`at`, `confirm_rows` and `what`, a text); `withdrawn`: those that are no longer
        declared, but were when there were confirm rows. They still count in the correction of p
        values.
    """
    known = {_name(entry): entry for part in _PARTS for entry in before.get(part, [])}
    withdrawn = {_name(entry) for entry in before.get("withdrawn", [])}
    now = {"at": at, "confirm_rows": confirm_rows}
    made = {json.dumps(claim, sort_keys=True) for claim in declared["claims"]}
    claims: list[Entry] = []
    for claim in declared["claims"]:
        scope = _scope(claim, declared)
        entry = known.get(json.dumps(claim, sort_keys=True))
        if entry is None:
            first = {"declared_at": at, "confirm_rows": confirm_rows}
            number = {"replicates": scope["confirm replicates"]}
            claims.append({"claim": claim, **first, "scope": scope, **number, "changes": []})
            continue
        changed = _differences(entry.get("scope", scope), scope)
        changed += ["the claim was made again"] if _name(entry) in withdrawn else []
        number = _before_results(entry, scope, confirm_rows)
        changes = _with_change(entry, changed, now)
        claims.append({**entry, "scope": scope, **number, "changes": changes})
    withdrawn_claims = [
        entry
        if _name(entry) in withdrawn
        else {**entry, "changes": _with_change(entry, ["the claim was withdrawn"], now)}
        for name, entry in known.items()
        if name not in made and (confirm_rows or name in withdrawn)
    ]
    return {"claims": claims, "withdrawn": withdrawn_claims}


_PARTS = ("withdrawn", "claims")


def _name(entry: Entry) -> str:
    return json.dumps(entry["claim"], sort_keys=True)


def _scope(claim: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
    """The cells, trials, replicates and looks that a claim is tested on."""
    cells = {name: list(values) for name, values in declared["factors"].items()}
    for side in (claim["better"], claim["than"]):
        if isinstance(side, Mapping):  # other values of these factors are not used
            cells = {name: values for name, values in cells.items() if name not in side}
    cells |= {name: list(values) for name, values in claim["where"].items()}
    return {
        "cells": cells,
        "trials": declared["trials"],
        "trials per parameter": declared.get("trials_per_parameter", 0),
        "confirm replicates": declared["replicates"]["confirm"],
        "looks": declared["replicates"].get("looks", []),
    }


def _before_results(
    entry: Entry, scope: Mapping[str, Any], confirm_rows: int
) -> dict[str, int | Sequence[int]]:
    """The confirm replicates that were declared last before there were results."""
    if not confirm_rows:
        return {"replicates": scope["confirm replicates"]}
    of_earlier_versions = entry.get("scope", scope)["confirm replicates"]
    return {"replicates": entry.get("replicates", of_earlier_versions)}


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    changed = [
        f"{name} from {old[name]} to {new[name]}"
        for name in ("trials", "trials per parameter", "confirm replicates")
        if name in old and old[name] != new[name]
    ]
    before, after = old.get("looks", []), new["looks"]
    if before != after:
        changed.append(f"looks from {_joined(before) or 'none'} to {_joined(after) or 'none'}")
    for name, values in new["cells"].items():
        was = old["cells"].get(name, values)
        if sorted(map(str, was)) != sorted(map(str, values)):
            changed.append(f"{name} from {_joined(was)} to {_joined(values)}")
    return changed


def _joined(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))


def _with_change(entry: Entry, changed: list[str], now: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The changes of an entry and the new one, which counts only if there are confirm rows."""
    changes = list(entry.get("changes", []))
    return (
        [*changes, {**now, "what": "; ".join(changed)}]
        if changed and now["confirm_rows"]
        else changes
    )
