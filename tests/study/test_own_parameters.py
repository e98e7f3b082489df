"""Parameters that models, ansatze and loss terms of a study declare, and terms with own weights."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from qkd_study import (
    Arm,
    ClassicalToClassical,
    ClassicalToHybrid,
    ClassicalToQuantum,
    FullyQuantum,
    HybridCircuit,
    InputError,
    Int,
    LogFloat,
    Mlp,
    Own,
    OwnAnsatz,
    OwnTerm,
    Parameter,
    Study,
)
from qkd_study.distill.objective import Objective
from qkd_study.models import Outputs, build_ansatz, effective_widths
from qkd_study.quantum import Circuit, Gate
from qkd_study.results import Record, read_table, start_tables, write_records
from qkd_study.results.manifest import check_manifest
from qkd_study.results.replay import config_of
from qkd_study.results.run_schema import own_columns
from qkd_study.results.schema import ROW_KEYS
from qkd_study.search.ranges import with_weak_terms
from qkd_study.study.branches import shared_cells
from qkd_study.study.canonical import canonical
from qkd_study.study.identity import declaration, fingerprint
from qkd_study.study.matched import EffectiveMlp
from qkd_study.study.space import Range
from qkd_study.study.trial import Trial

WIDTH = Parameter("width", default=8, low=1, high=64, meaning="width of the hidden layer")


def build(config: Any, shape: tuple[int, ...], classes: int) -> Any:
    raise NotImplementedError


def first(student: Outputs, teacher: Outputs, labels: Any, config: Any) -> Any:
    return config.delta * (student.logits - teacher.logits).abs().mean()


def second(student: Outputs, teacher: Outputs, labels: Any, config: Any) -> Any:
    return (student.logits / config.temperature).sum()


FIRST = OwnTerm(first, declares=(Parameter("delta", default=1.0, above=0),))
SECOND = OwnTerm(second, weight=2.0, reads=("temperature",))


def study(**changes: Any) -> Study:
    return Study(
        **{
            "question": "?",
            "name": "own",
            "setting": ClassicalToClassical(Mlp((18,)), Own(build, declares=(WIDTH,))),
            "datasets": ("xor4",),
            "factors": {"width": (2, 4), "delta": (0.5, 1.5)},
            "search": {"weight_first": LogFloat(0.01, 10.0), "learning_rate": LogFloat(0.01, 0.1)},
            "arms": ("scratch", "soft", Arm("both", (FIRST, SECOND))),
            **changes,
        }
    )


def configs(of: Study, cell: int = 0) -> dict[str, Any]:
    return {arm.name: of.config(of.cells()[cell], arm, {}, "xor4") for arm in of.all_arms}


def test_a_parameter_is_read_where_it_is_declared_and_null_elsewhere() -> None:
    found = configs(study(), cell=3)
    names = ("width", "delta", "weight_first", "weight_second", "temperature")
    assert {arm: [getattr(c, name) for name in names] for arm, c in found.items()} == {
        "scratch": [4, None, 0.0, 0.0, None],
        "soft": [4, None, 0.0, 0.0, 4.0],
        "both": [4, 1.5, 1.0, 2.0, 4.0],
    }
    assert list(study().space(study().arm("both"))) == ["weight_first", "learning_rate"]
    assert list(study().space(study().arm("soft"))) == ["learning_rate"]
    # Arms that do not read a factor run once for all its values.
    assert set(shared_cells(study())) == {"scratch", "soft"}
    assert set(shared_cells(study())["soft"].values()) == {"width=2", "width=4"}


def test_a_teacher_has_what_it_declares_and_may_be_searched_for_it() -> None:
    teacher = ClassicalToClassical(Own(build, declares=WIDTH), Mlp(()))  # type: ignore[arg-type]
    made = study(
        setting=teacher, factors={}, search={}, teacher_search={"width": Int(2, 9)}, arms=("soft",)
    )
    arm = made.all_arms[0]
    config = made.config(made.cells()[0], arm, {"width": 5}, "xor4")
    assert teacher.decided_by(vars(config), arm, 1)["width"] == 5
    assert "width" not in study().setting.decided_by(vars(config), arm, 1)
    with pytest.raises(InputError, match="teacher_search varies width, which no teacher"):
        study(factors={}, search={}, teacher_search={"width": Int(2, 9)})


def test_each_term_has_its_weight_and_sees_the_configuration() -> None:
    made = study(fixed={"weight_second": 3.0, "temperature": 2.0})
    arm, config = made.arm("both"), configs(made)["both"]
    logits, other = torch.randn(2, 5, 3)
    terms = Objective.of(config, arm)(
        Outputs(logits, logits), torch.zeros(5, dtype=torch.int64), Outputs(other, other)
    )
    parts = {"first": 0.5 * (logits - other).abs().mean(), "second": logits.sum() / 2}
    for name, value in parts.items():
        torch.testing.assert_close(terms.parts[name], value)
    torch.testing.assert_close(
        terms.total, terms.cross_entropy + parts["first"] + 3 * parts["second"]
    )


def test_the_gradient_of_every_own_term_reaches_the_student() -> None:
    """By central differences of the whole loss, in each of the student's logits."""
    made = study(fixed={"weight_second": 3.0, "temperature": 2.0})
    objective = Objective.of(configs(made)["both"], made.arm("both"))
    logits, other = torch.randn(2, 5, 3, dtype=torch.float64, generator=seeded(0))
    labels, step = torch.tensor([0, 2, 1, 1, 0]), 1e-6

    def loss(at: torch.Tensor) -> torch.Tensor:
        return objective(Outputs(at, at), labels, Outputs(other, other)).total

    at = logits.clone().requires_grad_()
    loss(at).backward()
    moved = torch.eye(15, dtype=torch.float64).reshape(15, 5, 3) * step
    found = [(loss(logits + one) - loss(logits - one)) / (2 * step) for one in moved]
    torch.testing.assert_close(at.grad, torch.stack(found).reshape(5, 3), rtol=1e-6, atol=1e-8)
    # It is what cross-entropy and both terms give by formula.
    distance = 0.5 * (logits - other).sign() / 15
    entropy = (logits.softmax(1) - torch.eye(3, dtype=torch.float64)[labels]) / 5
    torch.testing.assert_close(at.grad, entropy + distance + 3 * torch.full((5, 3), 0.5).double())


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_weak_terms_have_the_least_weights() -> None:
    space: dict[str, Range] = {
        "weight_first": LogFloat(0.01, 10.0),
        "delta": LogFloat(0.1, 0.5),
        "width": Int(9, 20),
    }
    weak = with_weak_terms(space, {}, study().parameters)
    assert weak == {"weight_first": 0.01, "delta": 0.5, "width": 9}


def test_a_configuration_is_the_same_in_another_process() -> None:
    config = configs(study())["both"]
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert type(again) is type(config)
    assert hash(again) == hash(config)


def test_tables_have_its_columns(tmp_path: Path) -> None:
    made = study()
    start_tables(tmp_path)  # as a run of a study without them
    start_tables(tmp_path, own_columns(made))
    arm, cell = made.arm("both"), made.cells()[0]
    trial = Trial("search", cell, arm, 0, configs(made)["both"], (0,))
    keys: dict[str, Any] = {
        "study": "own",
        "run_id": "r",
        "phase": "search",
        "cell": cell.key,
        "arm": "both",
    }
    keys |= {"trial": 0, "replicate": 0, "search": 0}
    values = {f"config.{name}": value for name, value in vars(trial.config).items()}
    row = {**keys, "status": "ok", **values}
    write_records(tmp_path, [trial], [Record(row, [{**keys, "epoch": 1, "loss.second": 0.25}])])
    rows = read_table(tmp_path, "runs")
    assert rows[["config.width", "config.delta", "config.weight_second"]].iloc[0].tolist() == [
        2, 0.5, 2.0,
    ]  # fmt: skip
    assert rows["config.width"].dtype == np.int64
    assert (
        config_of({str(k): v for k, v in rows.iloc[0].items()}, made.own_parameters) == trial.config
    )
    columns = [*ROW_KEYS["curves"], "loss.first", "loss.second"]
    curves = read_table(tmp_path, "curves", columns=columns)
    assert curves["loss.second"].tolist() == [0.25]
    assert pd.isna(curves["loss.first"][0])


def test_study_json_has_them_and_identity_is_unchanged_without() -> None:
    said = json.loads(json.dumps(declaration(study())))
    assert said["own_parameters"]["width"] == {
        "kind": "int",
        "default": 8,
        "low": 1,
        "high": 64,
        "meaning": "width of the hidden layer",
    }
    assert said["own_parameters"]["delta"] == {
        "kind": "float",
        "default": 1.0,
        "above": 0,
        "terms": ["first"],
    }
    manifest = {
        "fingerprint": "",
        "dataset": "",
        "dataset_sha256": "",
        "run_id": "",
        "arms": {},
        "plan": {"runs": 1, "cell_keys": [], "arm_names": []},
        "sessions": [{}],
        "declaration": said,
    }
    check_manifest(manifest)
    plain = study(
        setting=ClassicalToClassical(Mlp(), Own(build)), factors={}, search={}, arms=("soft",)
    )
    assert "own_parameters" not in declaration(plain)
    assert "declares" not in canonical(Own(build))
    # More arms extend a run, also those that declare something; other defaults of models do not.
    assert fingerprint(study(factors={}, search={}), "") == fingerprint(
        study(factors={}, search={}, arms=("scratch",)), ""
    )
    wider = Own(build, declares=(Parameter("width", default=9, low=1, high=64),))
    other = study(factors={}, search={}, setting=ClassicalToClassical(Mlp((18,)), wider))
    assert fingerprint(other, "") != fingerprint(study(factors={}, search={}), "")


def ladder(qubits: int, depth: int, rungs: int) -> Circuit:
    gates = [Gate("RY", (w,), parameter=w) for w in range(qubits)]
    return Circuit(qubits, (*gates, *[Gate("CZ", (0, 1))] * rungs))


def test_a_declaration_can_be_copied() -> None:
    own = Own(
        build,
        declares=(
            Parameter("width", default=np.int64(8), low=1),  # type: ignore[arg-type]
        ),
    )
    assert replace(own, is_quantum=True).declares == own.declares
    assert type(own.declares[0].default) is int
    assert replace(FIRST, weight=2.0).declares == FIRST.declares


def test_controls_of_a_student_count_what_its_ansatz_declares() -> None:
    angles = Parameter("angles", default=1, low=0)
    student = HybridCircuit(ansatz=OwnAnsatz(wide, (angles,)))
    made = Study(
        question="?",
        setting=ClassicalToHybrid(student=student),
        factors={"angles": (0, 1)},
        fixed={"qubits": 4, "reduction": "pca"},
        arms=("scratch", "effective-student"),
    )
    sizes = []
    for cell in range(2):
        values = vars(configs(made, cell)["effective-student"])
        components, hidden = effective_widths(EffectiveMlp(student), values, (64,), 3)
        sizes.append((components + 1) * hidden + (hidden + 1) * 3)
        assert student.parameters(values, (64,), 3) == sizes[-1]  # all of its angles have effect
    assert sizes == [15, 19]


def wide(qubits: int, depth: int, angles: int) -> Circuit:
    wires = [(w, n) for n in range(angles) for w in range(qubits)]
    gates = [Gate("RX" if n % 2 else "RY", (w,), parameter=i) for i, (w, n) in enumerate(wires)]
    return Circuit(qubits, tuple(gates))


def test_an_ansatz_gets_its_parameters() -> None:
    ansatz = OwnAnsatz(ladder, (Parameter("rungs", default=1, low=0),))
    made = Study(
        question="?",
        setting=ClassicalToQuantum(student=FullyQuantum(ansatz=ansatz)),
        factors={"rungs": (1, 3)},
        fixed={"qubits": 3},
        arms=("scratch", "soft"),
    )
    for cell, rungs in enumerate((1, 3)):
        config = configs(made, cell)["soft"]
        assert build_ansatz(config, ansatz, 0) == ladder(3, 1, rungs)
    assert made.setting.student_model.parameters(vars(config), (8,), 3) is not None


def same(**changes: Any) -> Any:
    return lambda: Own(build, declares=(Parameter(**{"name": "width", "default": 8, **changes}),))


def untaken(student: Any, teacher: Any, labels: Any) -> Any:
    return 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (same(name="samples"), "a parameter 'samples', but there is one of this name already"),
        (same(name="seed"), "Take another, such as 'own_seed'"),
        (same(name="a b"), "a parameter's name must be a word such as 'width', but got 'a b'"),
        (same(name="class"), "must be a word"),
        (same(default=0, low=1), "width must be an integer >= 1, but got width=0"),
        (same(default=None), "'width' must have a default: an integer, a number or a word"),
        (same(default=True), "must have a default"),
        (same(default="x", choices=("sum", "mean")), "width must be one of 'sum', 'mean'"),
        (same(choices=(1, 2)), r"choices of parameter 'width' must be words.*low and high"),
        (same(low="a"), "low of parameter 'width' must be a number, but got 'a'"),
        (same(kind="choice"), "has kind='choice', but its default, 8, is of kind 'int'"),
        (same(role="teacher"), "sets role, which follows from where it is declared. Allowed:"),
        (same(meaning=3), "meaning of parameter 'width' must be text, but got 3"),
        (lambda: Own(build, declares="width"), r"declares of Own must be parameters, as in \("),  # type: ignore[arg-type]
        (lambda: Own(build, declares=("width",)), "declares of Own holds 'width'. Allowed: such"),  # type: ignore[arg-type]
        (lambda: Own(build, declares=(WIDTH, WIDTH)), "declares of Own names 'width' twice"),
        (lambda: OwnTerm(3), "function of OwnTerm must be a function, but got 3"),  # type: ignore[arg-type]
        (lambda: OwnTerm(lambda s, t, y: 0), "name of OwnTerm must be a word.*<lambda>"),
        (lambda: OwnTerm(first, "soft"), "must not be that of a known term, but got 'soft'"),
        (lambda: OwnTerm(first, "decay"), "would have the weight weight_decay, which is another"),
        (lambda: OwnTerm(first, "own", weight=3), "Set weight_own in fixed, or name the term"),
        (lambda: OwnTerm(first, weight=-1), "weight_first must be a number >= 0, but got"),
        (lambda: OwnTerm(first, reads=("temprature",)), "Did you mean 'temperature'"),
        (lambda: OwnTerm(first, reads=3), "reads of term 'first' must name parameters"),  # type: ignore[arg-type]
        (lambda: OwnTerm(untaken, reads=("temperature",)), "function has no argument `config`"),
        (lambda: Arm("a", (first, second)), r"2 terms of its own.*OwnTerm\(function, name="),
        (lambda: study(factors={"width": (0, 1)}), "width must be an integer >= 1 and <= 64"),
        (lambda: study(search={"widht": Int(1, 2)}), "unknown parameter 'widht'. Did you mean"),
        (
            lambda: study(
                factors={},
                search={},
                arms=(Arm("a", (OwnTerm(first, declares=(Parameter("width", default=2.0),)),)),),
            ),
            "'width' is declared twice, as .*default=8.* and as .*default=2.0",
        ),
        (
            lambda: OwnAnsatz(3, (WIDTH,)),  # type: ignore[arg-type]
            "function of OwnAnsatz must be a function, but got 3",
        ),
    ],
)
def test_what_cannot_be_declared(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_it_can_be_set_as_a_built_in_one() -> None:
    made = study().with_fixed("width", 3)
    assert list(made.factors) == ["delta"]
    assert {config.width for config in configs(made).values()} == {3}
    assert list(study().parameters)[-4:] == ["width", "weight_first", "delta", "weight_second"]
