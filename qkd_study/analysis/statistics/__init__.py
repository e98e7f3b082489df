"""Statistics of paired replicates, in one place: arrays in, numbers out.

`paired`: two arms; `items`: over test items too; `power`: verdicts and plans; `sequential`: looks
at a growing number of replicates; `efficiency`: over K; `epochs`: speed.
"""

from qkd_study.analysis.statistics.efficiency import (
    Efficiency,
    Slope,
    data_efficiency,
    slope_per_doubling,
)
from qkd_study.analysis.statistics.epochs import EpochsCompared, compare_epochs
from qkd_study.analysis.statistics.items import (
    CrossedDifference,
    ItemVariance,
    crossed_difference,
    item_variance,
)
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
from qkd_study.analysis.statistics.sequential import (
    boundaries,
    chance_of_verdict,
    chance_to_reject,
    levels,
    repeated_p,
)

__all__ = [
    "MOST_REPLICATES",
    "CrossedDifference",
    "Efficiency",
    "EpochsCompared",
    "Equivalence",
    "ItemVariance",
    "Paired",
    "Slope",
    "Verdict",
    "boundaries",
    "chance_of_verdict",
    "chance_to_reject",
    "compare_epochs",
    "crossed_difference",
    "data_efficiency",
    "detectable_difference",
    "equivalence",
    "holm",
    "item_variance",
    "levels",
    "paired_difference",
    "repeated_p",
    "replicates_needed",
    "slope_per_doubling",
    "verdict",
]
