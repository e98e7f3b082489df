"""The functions behind torch's optimisers: `adam`, `adamw` and `sgd` in `torch.optim`.

Checked with torch 2.13.0. Their modules export them, but nothing documents them or their
arguments. They are used because `torch.optim.Optimizer`, the class around them,
imports torch's compiler at its first use, which takes 1.3 s in every process that trains.
"""

from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

__all__ = ["adam", "adamw", "sgd"]
