"""Suggestions for misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from qkd_study.common.errors import safe_repr

#: Common other names of parameters, datasets and arms.
_ELSEWHERE: Mapping[str, str] = {
    "backend": "device",
    "baseline": "scratch",
    "bs": "batch_size",
    "cifar": "cifar-10",
    "dev": "device",
    "encoding": "embedding",
    "fmnist": "fashion-mnist",
    "k": "samples",
    "kd": "soft",
    "layers": "depth",
    "lr": "learning_rate",
    "m": "teacher_samples",
    "n": "samples",
    "n_epochs": "epochs",
    "n_layers": "depth",
    "n_qubits": "qubits",
    "n_samples": "samples",
    "n_train": "samples",
    "n_wires": "qubits",
    "num_epochs": "epochs",
    "num_layers": "depth",
    "num_qubits": "qubits",
    "opt": "optimizer",
    "scheduler": "schedule",
    "t": "temperature",
    "tau": "temperature",
    "teacher_lr": "teacher_learning_rate",
    "wd": "weight_decay",
    "wires": "qubits",
}


def did_you_mean(name: object, known: Iterable[str]) -> str | None:
    """A question with up to three names similar to `name`; `None` if there are none."""
    if not isinstance(name, str):
        return None
    by_letters = {_letters(one): one for one in known}
    elsewhere = _ELSEWHERE.get(name.lower().replace("-", "_"), "")
    if elsewhere in by_letters.values():
        near = [elsewhere]
    elif _letters(name) in by_letters:
        near = [by_letters[_letters(name)]]
    else:
        close = difflib.get_close_matches(_letters(name)[:100], by_letters, n=3, cutoff=0.7)
        near = [by_letters[one] for one in close]
    return f"Did you mean {' or '.join(map(repr, near))}?" if near else None


def unknown(kind: str, name: object, known: Iterable[str], or_else: str = "") -> str:
    """The message for an unknown name: similar names, or else all known ones.

    Args:
        kind: of what is named, such as `parameter`.
        name: what was given.
        known: the valid names.
        or_else: follows the list of them.
    """
    names = list(known)
    near = did_you_mean(name, names)
    return f"unknown {kind} {safe_repr(name)}. " + (
        near or f"Known {kind}s: {', '.join(names)}{or_else}."
    )


def _letters(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
