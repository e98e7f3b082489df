"""What is refused before Ray is started or joined."""

from __future__ import annotations

import pytest

from qkd_study import InputError
from qkd_study.tune.cluster import connect


@pytest.mark.parametrize("address", [None, "127.0.0.1:1"])
def test_a_trial_that_reserves_more_cpus_than_are_to_be_used(address: str | None) -> None:
    with (
        pytest.raises(InputError, match=r"reserves 4 CPUs .* but 2 are to be used"),
        connect(address, 2, trial_cpus=4),
    ):
        pass
