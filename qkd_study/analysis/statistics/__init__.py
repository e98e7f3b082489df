"""Statistics of paired replicates, in one place: arrays in, numbers out.

`comparison`: two arms; `power`: verdicts and plans; `efficiency`: over K; `epochs`: speed.
"""

from qkd_study.analysis.statistics.efficiency import (
    Efficiency,
    Slope,
    data_efficiency,
    slope_per_doubling,
)
from qkd_study.analysis.statistics.epochs import EpochsCompared, compare_epochs
from qkd_study.analysis.statistics.paired import (
    Equivalence,
    Paired,
    equivalence,
    holm,
    paired_difference,
)
from qkd_study.analysis.statistics.power import (
    MOST_REPLICATES,
    Verdict,
    detectable_difference,
    replicates_needed,
    verdict,
)

__all__ = [
    "MOST_REPLICATES",
    "Efficiency",
    "EpochsCompared",
    "Equivalence",
    "Paired",
    "Slope",
    "Verdict",
    "compare_epochs",
    "data_efficiency",
    "detectable_difference",
    "equivalence",
    "holm",
    "paired_difference",
    "replicates_needed",
    "slope_per_doubling",
    "verdict",
]
