"""`TeacherPhase`: the search for a teacher, with the rules of the search for a student."""

from __future__ import annotations

from qkd_study.search.arm_search import ArmSearch
from qkd_study.search.suggestions import Suggestions
from qkd_study.study.study import Study
from qkd_study.study.teacher_search import TeacherSearch


class TeacherPhase(ArmSearch):
    """The search for the best configuration of a teacher. Nothing of it is confirmed.

    Its replicates are those of the students' search, so that these find their teachers trained.
    """

    phase = "teacher"

    def __init__(self, study: Study, search: TeacherSearch, suggestions: Suggestions) -> None:
        super().__init__(study, search.cell, search.arm, suggestions)
        self._trials = study.teacher_trials
        self._space, self._minimise = dict(search.space), None

    @property
    def name(self) -> str:
        """The name of this search in Optuna's storage and in messages."""
        return f"teacher {super().name}"

    def missing(self) -> list[tuple[int, list[int]]]:
        """Nothing: what students are taught by is confirmed with them."""
        return []
