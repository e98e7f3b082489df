"""The records of parameters and terms, and what follows from them."""

from __future__ import annotations

import re
from pathlib import Path

import qkd_study
from qkd_study import PARAMETERS, ClassicalToClassical, Study
from qkd_study.results.schema import schema
from qkd_study.study.config import TERMS

#: What the tables hold of each parameter of a term in arms without the term.
OFF = {
    "temperature": None,
    **dict.fromkeys([f"weight_{name}" for name in ("soft", "features", "target", "nontarget")], 0),
    **dict.fromkeys([f"weight_{name}" for name in ("distances", "angles", "fidelity", "own")], 0),
    "label_smoothing": 0,
    "scale_cross_entropy": 1,
}


def test_what_no_term_reads_has_no_effect() -> None:
    assert {name for name, p in PARAMETERS.items() if p.terms} == set(OFF)
    study = Study(question="?", setting=ClassicalToClassical(), arms=("scratch",))
    config = study.config(study.cells()[0], study.arm("scratch"), {}, "digits")
    assert {name: getattr(config, name) for name in OFF} == OFF
    for name, off in OFF.items():
        note = f"; {'null' if off is None else off} in arms without it"
        meaning = schema("runs").field(f"config.{name}").metadata[b"meaning"].decode()
        assert meaning.endswith(note)


def test_columns_of_terms_keep_their_names_units_and_order() -> None:
    names = [name for name in schema("curves").names if name.startswith("loss.")]
    assert names == [
        *("loss.cross_entropy", "loss.soft", "loss.features", "loss.decoupled", "loss.distances"),
        *("loss.angles", "loss.fidelity", "loss.own", "loss.total"),
    ]
    units = {name: schema("curves").field(name).metadata[b"unit"] for name in names}
    nats = {"loss.cross_entropy", "loss.soft", "loss.decoupled"}
    assert units == {name: b"nats" if name in nats else b"" for name in names}


def test_records_name_parameters_that_exist() -> None:
    for what in PARAMETERS.values():
        if what.only_with is not None:
            other, values = what.only_with
            assert set(values) <= set(PARAMETERS[other].choices)
        if what.follows is not None:
            followed = PARAMETERS[what.follows]
            assert (what.kind, what.choices) == (followed.kind, followed.choices)
            assert what.default is None
    for term in TERMS.values():
        assert {*term.reads, term.weight} - {None} <= PARAMETERS.keys()


def test_the_temperature_stands_where_it_is_declared_and_where_it_is_used() -> None:
    """And as what people mean by other names."""
    package = Path(qkd_study.__file__).parent
    code = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(r"\btemperature\b", re.sub(r'""".*?"""', "", path.read_text(), flags=re.S))
    }
    used = {"distill/losses.py", "distill/batched/objective.py"}
    # The entropy of the teacher's outputs, its column in the report, and what `init` writes.
    used |= {
        "distill/run.py",
        "distill/scores.py",
        "analysis/report/teachers.py",
        "study/templates.py",
    }
    assert code == {"study/config.py", "common/names.py", *used}
