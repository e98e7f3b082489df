"""What a study committed to before it saw results, and what was changed after it had."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Entry = dict[str, Any]


def committed(
    before: Mapping[str, Any], declared: Mapping[str, Any], *, at: str | None, confirm_rows: int
) -> dict[str, list[Entry]]:
    """The claims of a study, with what was there when each was declared and changed.

    Args:
        before: study.json as it was; empty for a new run.
        declared: the study, as `study.identity.declaration` has it.
        at: the time.
        confirm_rows: how many there are: what changes now was changed with them in sight.

    Returns:
        `claims`: each with `declared_at`, `confirm_rows` (how many there were then), `scope` (the
        cells, trials and confirm replicates that it rests on) and `changes` (`at`, `confirm_rows`
        and `what`, in words); `withdrawn`: those that are no longer made, but had confirm rows to
        be seen by. They stay in the family that p values are corrected over.
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
            claims.append({"claim": claim, **first, "scope": scope, "changes": []})
            continue
        said = _differences(entry.get("scope", scope), scope)
        said += ["the claim was made again"] if _name(entry) in withdrawn else []
        claims.append({**entry, "scope": scope, "changes": _noted(entry, said, now)})
    kept = [
        entry
        if _name(entry) in withdrawn
        else {**entry, "changes": _noted(entry, ["the claim was withdrawn"], now)}
        for name, entry in known.items()
        if name not in made and (confirm_rows or name in withdrawn)
    ]
    return {"claims": claims, "withdrawn": kept}


_PARTS = ("withdrawn", "claims")


def _name(entry: Entry) -> str:
    return json.dumps(entry["claim"], sort_keys=True)


def _scope(claim: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
    """What the rows that a claim is judged by depend on."""
    cells = {name: list(values) for name, values in declared["factors"].items()}
    for side in (claim["better"], claim["than"]):
        if isinstance(side, Mapping):  # other values of these factors are not looked at
            cells = {name: values for name, values in cells.items() if name not in side}
    cells |= {name: list(values) for name, values in claim["where"].items()}
    replicates = declared["replicates"]["confirm"]
    return {"cells": cells, "trials": declared["trials"], "confirm replicates": replicates}


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    said = [
        f"{name} from {old[name]} to {new[name]}"
        for name in ("trials", "confirm replicates")
        if old[name] != new[name]
    ]
    for name, values in new["cells"].items():
        was = old["cells"].get(name, values)
        if sorted(map(str, was)) != sorted(map(str, values)):
            said.append(f"{name} from {_listed(was)} to {_listed(values)}")
    return said


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))


def _noted(entry: Entry, said: list[str], now: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The changes of an entry with new ones, if there was anything to be seen by."""
    changes = list(entry.get("changes", []))
    return [*changes, {**now, "what": "; ".join(said)}] if said and now["confirm_rows"] else changes
