"""A study is checked when it is built, and says what is wrong."""

from __future__ import annotations

import dataclasses
import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qkd_study import (
    ARMS,
    PARAMETERS,
    Arm,
    Arrays,
    Choice,
    Claim,
    ClassicalToClassical,
    ClassicalToQuantum,
    Ensemble,
    Float,
    FullyQuantum,
    HybridCircuit,
    HybridImage,
    InputError,
    Int,
    LogFloat,
    Mlp,
    Noise,
    Own,
    QuantumToClassical,
    QuantumToQuantum,
    Replicates,
    SelfDistillation,
    Study,
    StudyWarning,
    Subset,
)
from qkd_study.study.config import Config, parameter
from qkd_study.study.identity import declaration, fingerprint
from qkd_study.study.quick import quick
from qkd_study.study.setting import NETWORKS, Setting

#: More combinations of values that decide what fits than can be checked.
WIDE = {name: Choice(*range(10, 50)) for name in ("samples", "qubits", "depth", "teacher_depth")}


def study(**changes: Any) -> Study:
    return Study(**{"question": "why?", **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"question": " "}, "question must be a sentence, but got ' '"),
        (
            {"fixed": {"weight_soft": -1}},
            "weight_soft must be a number >= 0, but got weight_soft=-1",
        ),
        ({"fixed": {"temperature": 0}}, "temperature must be a number > 0 and <= 1000, but got"),
        ({"fixed": {"epochs": 2.5}}, "epochs must be an integer >= 1, but got epochs=2.5"),
        ({"fixed": {"qubits": 20_000}}, "qubits must be an integer >= 1 and <= 64"),
        ({"search": {"embedding": Choice("auto", "angle")}}, "embedding='auto' follows from other"),
        ({"fixed": {"epochs": True}}, "epochs must be an integer >= 1, but got epochs=True"),
        ({"fixed": {"epochs": 10**400}}, "epochs must be an integer >= 1"),
        ({"fixed": {"learning_rate": float("nan")}}, "learning_rate must be a number > 0"),
        ({"trial_cpus": 0}, "trial_cpus must be an integer from 1 to 4096, but got 0"),
        ({"trial_memory": -1}, "trial_memory must be an integer from 0"),
        (
            {"fixed": {"optimizer": "lion"}},
            "optimizer must be one of 'adam', 'adamw', 'sgd'",
        ),
        ({"fixed": {"tempratur": 1}}, "unknown parameter 'tempratur'. Did you mean 'temperature'?"),
        ({"fixed": {3: 1}}, "unknown parameter 3. Known parameters: dataset, samples,"),
        ({"factors": {"n_qubits": (1, 2)}}, "unknown parameter 'n_qubits'. Did you mean 'qubits'?"),
        ({"search": {"LR": Float(1, 2)}}, "'LR'. Did you mean 'learning_rate'?"),
        ({"fixed": {"weight-feature": 1}}, "Did you mean 'weight_features'"),
        ({"fixed": [1]}, "fixed must be a dictionary by parameter, but got [1]"),
        (
            {"factors": {"samples": ()}},
            "factors['samples'] must be a tuple with at least one entry",
        ),
        (
            {"factors": {"samples": 20}},
            "factors['samples'] must be a tuple with at least one entry",
        ),
        ({"factors": {"samples": (20, 20)}}, "factors['samples'] names a value twice"),
        ({"search": {"temperature": 4.0}}, "search['temperature'] must be Float, LogFloat, Int or"),
        ({"search": {"temperature": Float(-1, 2)}}, "temperature must be a number > 0"),
        ({"search": {"epochs": Float(1, 2)}}, "epochs is an integer: search it with Int(...)"),
        ({"search": {"optimizer": Int(1, 2)}}, "optimizer takes words: search it with Choice(...)"),
        (
            {"search": {"depth": Int(1, 2)}, "fixed": {"depth": 1}},
            "depth stands in both search and fixed",
        ),
        ({"arms": ()}, "arms must be a tuple with at least one entry"),
        ({"arms": "soft"}, "arms must be a tuple with at least one entry"),
        (
            {"arms": ("softer",)},
            "unknown arm 'softer'. Did you mean 'soft'?",
        ),
        ({"arms": ("Soft_Features",)}, "Did you mean 'soft+features'?"),
        (
            {"arms": ("distil",)},
            "unknown arm 'distil'. Known arms: scratch, scaled-ce,",
        ),
        ({"arms": ("soft", Arm("soft"))}, "arms must have different names"),
        (
            {"fixed": {"validation_samples": 50, "validation_share": 0.5}},
            "validation_samples follows from validation_share and samples: set one of the two.",
        ),
        (
            {"fixed": {"validation_samples": 5}},
            "validation_samples must be 0 or an integer >= 10, but got validation_samples=5.",
        ),
        (
            {"fixed": {"validation_samples": 0}},
            "nothing to choose an epoch by, but got epoch_choice='best'. Ask for some with",
        ),
        (
            {"fixed": {"epoch_choice": "last"}, "factors": {"validation_samples": (0, 50)}}
            | {"search": {"learning_rate": LogFloat(1e-3, 0.1)}},
            "nothing to choose configurations by, but search varies learning_rate. Ask for some",
        ),
        (
            {"fixed": {"validation_samples": 0, "epoch_choice": "last"}}
            | {"teacher_search": {"teacher_epochs": Int(2, 9)}},
            "nothing to choose configurations by, but teacher_search varies teacher_epochs.",
        ),
        ({"trials": 0}, "trials must be an integer from 1 to 1000000, but got 0"),
        ({"seed": -1}, "seed must be an integer from 0 to"),
        ({"name": "a/b"}, "name must be letters, digits"),
        ({"name": ".."}, "at most 100 and no dot first, but got '..'"),
        ({"name": "x" * 101}, "at most 100 and no dot first"),
        ({"question": "\ud800"}, "question must be a sentence, but got '\\ud800'"),
        ({"question": 10**5000}, "question must be a sentence, but got an integer of 16610 bits"),
        ({"minimise": []}, "minimise must be None or one of parameters, qubits, gates"),
        (
            {"factors": {"samples": range(10**12)}},
            "at least one entry and at most 10,000, but got range(0, 1000000000000)",
        ),
        ({"factors": {"samples": b"ab"}}, "must be a tuple with at least one entry, but got b'ab'"),
        (
            {"factors": {"samples": range(20, 220), "epochs": range(1, 101)}},
            "factors make 20,000 cells (200 of samples x 100 of epochs). Allowed: 10,000.",
        ),
        (
            {"search": WIDE},
            "search varies samples, qubits, depth, teacher_depth together: ",
        ),
        ({"setting": "Q2C"}, "setting must be one such as QuantumToClassical(...), but got 'Q2C'"),
        ({"replicates": 3}, "replicates must be Replicates(...), but got 3"),
        (
            {"replicates": Replicates(confirm=6, searches=3), "minimise": "parameters"},
            "minimise='parameters' confirms a front of one search",
        ),
        (
            {"replicates": Replicates(confirm=(20, 200))},
            "looks at (20, 46, 71, 97, 123, 149, 174, 200) stop when the claims are decided, but "
            "the study has no claims. Declare some, or ask for a fixed number such as "
            "Replicates(confirm=200)",
        ),
        (
            {
                "replicates": Replicates(confirm=(20, 200)),
                "claims": (Claim(says="It helps.", better="soft", than="scratch"),),
            },
            "claim 'It helps.' has no margin. Give it the difference that does not matter, such as "
            "margin=0.01, or ask for a fixed number such as Replicates(confirm=200)",
        ),
        (
            {"fixed": {"qubits": 3, "embedding": "angle"}},
            "angle embedding of the 4 pixels of a 2x2 patch needs qubits >= 4, but got qubits=3",
        ),
        (
            {"factors": {"qubits": (1, 4)}},
            "amplitude embedding of the 4 pixels of a 2x2 patch needs",
        ),
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        study(**changes)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Choice(), "Choice() is empty"),
        (lambda: Choice(1, 1), "Choice(1, 1) names a value twice"),
        (lambda: Choice([]), "Choice() is empty"),
        (lambda: Choice([1], [2]), "or Choice([1, 2]), but got [1]"),
        (lambda: Choice(range(10**12)), "Choice has more than 10,000 values. Use Int(low, high)."),
        (lambda: Float(2, 1), "`low < high` must hold, but got Float(low=2, high=1)"),
        (lambda: Float("a", 1), "Float takes numbers, but got low='a'"),  # type: ignore[arg-type]
        (
            lambda: LogFloat(0, 1),
            "`low > 0` must hold for a logarithm, but got LogFloat(low=0, high=1)",
        ),
        (lambda: Int(1, 2.5), "Int takes integers"),  # type: ignore[arg-type]
        (lambda: Float(1, float("inf")), "Float takes finite numbers, but got high=inf"),
        (lambda: Int(float("nan"), 2), "Int takes finite numbers, but got low=nan"),  # type: ignore[arg-type]
        (lambda: Float(10**5000, 1), "takes finite numbers, but got low=an integer of 16610 bits"),
        (lambda: LogFloat(0.01, 0.01), "high=0.01). Use fixed={...} for one value."),
        (lambda: Arm("x" * 101), "an arm's name must be a word without spaces"),
        (lambda: Arm("a\x1b"), "an arm's name must be a word without spaces"),
        (lambda: Arm("x", ([],)), "terms of an arm are a tuple of 'soft', 'features'"),  # type: ignore[arg-type]
        (lambda: Arm("x", teacher=[]), "teacher of arm 'x' must be one of 'own', 'classical'"),  # type: ignore[arg-type]
        (
            lambda: HybridImage(channels=3),  # type: ignore[arg-type]
            "channels of HybridImage must be a tuple of two integers",
        ),
        (lambda: HybridImage(channels=(1, True)), "must be a tuple of two integers >= 1"),
        (
            lambda: FullyQuantum(assignment=3),  # type: ignore[arg-type]
            "assignment of FullyQuantum must be a tuple of classes",
        ),
        (lambda: FullyQuantum(assignment=([],)), "assignment of FullyQuantum must be a tuple of"),  # type: ignore[arg-type]
        (lambda: FullyQuantum(scale="no"), "scale of FullyQuantum must be True or False"),  # type: ignore[arg-type]
        (lambda: Own(int, is_quantum=None), "is_quantum of Own must be True or False"),  # type: ignore[arg-type]
        (
            lambda: QuantumToClassical(trainable=1),  # type: ignore[arg-type]
            "trainable of QuantumToClassical must be True or",
        ),
        (
            lambda: ClassicalToClassical(teacher=None),  # type: ignore[arg-type]
            "teacher of ClassicalToClassical must be a mo",
        ),
        (lambda: Replicates(confirm=1), "Replicates(confirm) must be an integer from 2"),
        (lambda: Replicates(confirm=20, searches=3), "multiple of the searches, such as 21"),
        (lambda: Replicates(search=400, confirm=6, searches=3), "makes 1,200 search replicates"),
        (
            lambda: Replicates(confirm=(20, 200), searches=3),
            "later looks would add replicates, not searches. Ask for one search, or for a fixed "
            "number such as confirm=201.",
        ),
        (
            lambda: Replicates(confirm=(200, 20)),
            "Replicates(confirm) must be an integer, or the least and the most confirm replicates "
            "such as (20, 200), rising and from 2 to 100000, but got (200, 20).",
        ),
        (
            lambda: Replicates(confirm=(20, 20.5)),  # type: ignore[arg-type]
            "rising and from 2 to 100000, but got (20, 20.5)",
        ),
        (
            lambda: Replicates(confirm=(20, 200), looks=(20, 100, 50, 200)),
            "Replicates(looks) must be 2 to 10 integers from 2 that rise, begin with 20, and end "
            "with confirm=200, such as (20, 200), but got (20, 100, 50, 200).",
        ),
        (lambda: Replicates(confirm=50, looks=(10, 60)), "and end with confirm=50, such as (12, 5"),
        (lambda: Replicates(confirm=50, looks=range(40, 51)), "must be 2 to 10 integers"),
        (
            lambda: Replicates(confirm=(20, 50), looks=7),  # type: ignore[arg-type]
            "such as (20, 50), but got 7.",
        ),
        (lambda: Replicates(search=1001), "Replicates(search) must be an integer from 1 to 1000"),
        (
            lambda: Arm("x", optimizer="sgdm"),  # type: ignore[arg-type]
            "optimizer of arm 'x' must be one of 'adam', 'adamw', 'sgd', but got 'sgdm'",
        ),
        (
            lambda: Arm("x", student="self"),  # type: ignore[arg-type]
            "student of arm 'x' must be one of 'own', 'separable'",
        ),
        (lambda: Arm("x", question=1), "question of arm 'x' must be text, but got 1"),  # type: ignore[arg-type]
        (lambda: Arm("two words"), "an arm's name must be a word without spaces"),
        (
            lambda: Arm("x", ("hard",)),
            "terms of an arm are a tuple of 'soft', 'features'",
        ),
        (
            lambda: QuantumToClassical(filters=0),
            "filters of QuantumToClassical must be an integer",
        ),
    ],
)
def test_parts_are_checked_too(build: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        build()


def test_searching_a_cost_on_accuracy_warns() -> None:
    with pytest.warns(StudyWarning, match="samples is searched on accuracy alone"):
        study(search={"samples": Int(20, 200)})


def test_a_parameter_that_no_arm_reads_warns() -> None:
    with pytest.warns(StudyWarning, match="no arm of this study reads temperature"):
        study(search={"temperature": Float(1, 9)}, arms=("scratch",))
    parts: tuple[dict[str, dict[str, Any]], ...] = (
        {"factors": {"plan": ("register", "plain")}},  # a quanvolution runs one matrix per filter
        {"search": {"momentum": Float(0, 0.9)}},
        {"search": {"angle_range": Float(1, 3)}, "fixed": {"embedding": "amplitude"}},
    )
    for changes in parts:
        (name,) = next(iter(changes.values()))
        with pytest.warns(StudyWarning, match=f"no arm of this study reads {name}"):
            study(**changes)


@pytest.mark.filterwarnings("ignore::qkd_study.StudyWarning")
@pytest.mark.parametrize("name", [name for name in PARAMETERS if name != "dataset"])
def test_every_parameter_can_be_fixed_crossed_or_searched(name: str) -> None:
    what = PARAMETERS[name]
    if what.kind == "choice":
        values: tuple[Any, ...] = tuple(c for c in what.choices if c != "auto")[:2]
    elif what.kind == "text":
        values = ("default.qubit", "lightning.qubit")
    elif name in ("qubits", "teacher_qubits"):
        values = (3, 4)
    elif what.kind == "int":
        least = 10 if name == "validation_samples" else max(int(what.low), 4)
        values = (least, least + 1)
    else:
        values = (0.5, 0.75)
    space = (
        Choice(*values)
        if what.kind in ("choice", "text")
        else (Int if what.kind == "int" else Float)(*values)
    )
    # Amplitudes have no surrogate, a trained reduction has no polynomial.
    kinds = ("surrogate", "quadratic")
    known = [a for a in ARMS.values() if a.teacher not in kinds and a.student not in kinds]
    arms: tuple[Any, ...] = (*known, Arm("mine", (lambda student, teacher, labels: None,)))
    of_noise = ("noise_scale", "noise_in", "mitigation")
    noise = Noise(one_qubit=0.01) if name.removeprefix("teacher_") in of_noise else None
    setting: Setting = QuantumToQuantum(HybridCircuit(noise=noise))
    if what.role == "network" or name.removeprefix("teacher_") in NETWORKS:
        setting = ClassicalToClassical(Mlp(), Mlp())
        arms = ("scratch", "soft", "self-teacher")
    other, allowed = what.only_with or (("shots", (5,)) if name == "gradient" else ("epochs", (5,)))
    parts: tuple[dict[str, dict[str, Any]], ...] = (
        {"fixed": {name: values[0]}},
        {"factors": {name: values}},
        {"search": {name: space}},
    )
    for changes in parts:
        if name != other:
            changes["fixed"] = {**changes.get("fixed", {}), other: allowed[0]}
        made = study(arms=arms, setting=setting, **changes)
        users = [a for a in made.all_arms if made.uses(a, what)]
        assert users
        cell = made.cells()[0]
        config = made.config(cell, users[0], {name: values[0]} if made.search else {}, "digits")
        assert getattr(config, name) == values[0]


def test_cells_cross_factors_in_order() -> None:
    cells = study(factors={"samples": (20, 50), "depth": (1, 2)}).cells()
    assert [c.key for c in cells] == [
        "samples=20,depth=1",
        "samples=20,depth=2",
        "samples=50,depth=1",
        "samples=50,depth=2",
    ]
    assert [c.key for c in study().cells()] == ["all"]


def test_an_arm_reads_only_its_own_parameters() -> None:
    made = study(
        search={
            "temperature": Float(1, 9),
            "weight_features": Float(0, 1),
            "scale_cross_entropy": Float(1, 9),
            "learning_rate": LogFloat(1e-3, 1e-1),
        }
    )
    assert {arm.name: set(made.space(arm)) for arm in made.all_arms} == {
        "scratch": {"learning_rate"},
        "scaled-ce": {"learning_rate", "scale_cross_entropy"},
        "soft": {"learning_rate", "temperature"},
        "soft+features": {"learning_rate", "temperature", "weight_features"},
    }
    cell = made.cells()[0]
    scratch = made.config(cell, made.arm("scratch"), {}, "digits")
    assert (scratch.temperature, scratch.weight_soft, scratch.weight_features) == (None, 0, 0)
    assert scratch.scale_cross_entropy == 1
    soft = made.config(cell, made.arm("soft"), {"temperature": 2.0}, "digits")
    assert (soft.temperature, soft.weight_soft, soft.weight_features) == (2, 1, 0)


def test_weight_decay_is_searched_where_it_is_read() -> None:
    made = study(
        search={"learning_rate": LogFloat(1e-3, 1e-1), "weight_decay": LogFloat(1e-2, 3)},
        arms=("decayed", "scratch", "soft"),
    )
    assert {arm.name: "weight_decay" in made.space(arm) for arm in made.all_arms} == {
        "decayed": True,
        "scratch": False,
        "soft": False,
    }
    assert made.baseline == "scratch"
    (cell,) = made.cells()
    decayed = made.config(cell, made.arm("decayed"), {"weight_decay": 0.5}, "digits")
    assert (decayed.optimizer, decayed.weight_decay) == ("adamw", 0.5)
    soft = made.config(cell, made.arm("soft"), {}, "digits")
    assert (soft.optimizer, soft.weight_decay) == ("adam", None)
    both = made.replaced(factors={"optimizer": ("adam", "adamw")})
    assert "weight_decay" in both.space(both.arm("scratch"))
    assert not both.uses(both.arm("decayed"), PARAMETERS["optimizer"])


def test_networks_of_teachers_and_students_have_their_own_parameters() -> None:
    fixed = {"activation": "gelu", "hidden": 7, "dropout": 0.2, "teacher_dropout": 0.4}
    made = study(setting=ClassicalToClassical(Mlp((5, 5)), Mlp((4,))), fixed=fixed)

    def config(name: str, setting: Any = None) -> Any:
        of = made if setting is None else made.replaced(setting=setting, arms=(name,))
        arm = ARMS[name]
        return of.config(of.cells()[0], arm, {}, "digits"), of.setting, arm

    soft, setting, arm = config("soft")
    assert (soft.activation, soft.hidden, soft.dropout) == ("gelu", 7, 0.2)
    assert (soft.teacher_activation, soft.teacher_hidden, soft.teacher_dropout) == ("relu", 5, 0.4)
    own = setting.of_teacher(vars(soft), arm)
    assert (own["activation"], own["hidden"], own["dropout"]) == ("relu", 5, 0.4)
    reads = setting.read_by_teacher(arm, 1)
    assert {"teacher_activation", "teacher_hidden", "teacher_dropout"} < set(reads)
    assert reads.count("activation") == 0
    # A teacher that is a student has what the student has.
    for name, of in (("self-teacher", None), ("soft", SelfDistillation(Mlp((4,))))):
        mine, setting, arm = config(name, of or made.setting)
        assert mine.teacher_activation is mine.teacher_hidden is mine.teacher_dropout is None
        own = setting.of_teacher(vars(mine), arm)
        assert (own["activation"], own["hidden"], own["dropout"]) == ("gelu", 7, 0.2)
        assert "activation" in setting.read_by_teacher(arm, 1)
    # Circuits have none, and layers of several widths no single one.
    hybrid = config("classical-teacher", QuantumToQuantum())[0]
    assert hybrid.activation is hybrid.hidden is hybrid.dropout is None
    assert (hybrid.teacher_activation, hybrid.teacher_dropout) == ("relu", 0.4)
    assert config("soft", ClassicalToClassical(Mlp((5, 6))))[0].teacher_hidden is None
    assert config("scratch")[0].teacher_dropout is None
    published = study(fixed={}).config(study().cells()[0], ARMS["soft"], {}, "digits")
    assert (published.activation, published.dropout, published.hidden) == ("tanh", 0, None)


def test_every_arm_has_its_question_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "arms.md").read_text()
    rows = re.findall(r"^\| `(\S+)` \| (\w[^|]+\?) \|$", page, re.MULTILINE)
    assert dict(rows) == {name: arm.question for name, arm in ARMS.items()}


def test_an_arm_without_a_search_space_is_tried_once() -> None:
    made = study(search={"temperature": Float(1, 9)}, trials=7)
    assert {arm.name: made.trials_of(arm) for arm in made.all_arms} == {
        "scratch": 1,
        "scaled-ce": 1,
        "soft": 7,
        "soft+features": 7,
    }


def test_embedding_follows_from_qubits() -> None:
    made = study(factors={"qubits": (2, 3, 4, 5)})
    configs = [made.config(c, made.arm("soft"), {}, "digits") for c in made.cells()]
    assert [c.embedding for c in configs] == ["amplitude", "amplitude", "angle", "angle"]


def test_teacher_sees_as_many_samples_as_the_student_by_default() -> None:
    made = study(factors={"samples": (20, 50)})
    configs = [made.config(c, made.arm("soft"), {}, "digits") for c in made.cells()]
    assert [c.teacher_samples for c in configs] == [20, 50]


def test_validation_samples_can_be_a_share_of_the_training_samples() -> None:
    made = study(factors={"samples": (20, 50), "validation_share": (0.25, 0.01, 0)})
    configs = [made.config(c, made.arm("scratch"), {}, "digits") for c in made.cells()]
    assert [c.validation_samples for c in configs] == [5, 1, 400, 12, 1, 400]


def test_with_fixed_moves_a_parameter() -> None:
    made = study(factors={"samples": (20, 50)}).with_fixed("samples", 30)
    assert made.cells()[0].key == "all"
    assert made.fixed["samples"] == 30
    with pytest.raises(InputError, match="unknown parameter 'sample'"):
        made.with_fixed("sample", 30)


def test_quick_is_smaller_and_the_same_question() -> None:
    both = {"teacher_learning_rate": LogFloat(1e-3, 0.1), "teacher_epochs": Int(50, 300)}
    made = study(
        factors={"samples": (20, 50, 100), "batch_size": (8, 16), "optimizer": ("sgd", "adam")},
        trials=50,
        teacher_search=both,
    )
    small = quick(made)
    assert small.factors == {"samples": (20, 50), "batch_size": (8, 16), "optimizer": ("sgd",)}
    assert (small.trials, small.teacher_trials, small.replicates) == (2, 2, Replicates(1, 3))
    assert small.question == made.question
    assert small.arms == made.arms
    assert list(small.teacher_search) == ["teacher_learning_rate"]
    assert (small.fixed["epochs"], small.fixed["teacher_epochs"]) == (20, 15)
    alone = study(teacher_search={"teacher_epochs": Int(50, 300)})
    assert quick(alone).teacher_search == alone.teacher_search


def test_a_study_travels_to_workers() -> None:
    made = study(factors={"samples": (20, 50)}, search={"temperature": Float(1, 9)})
    assert pickle.loads(pickle.dumps(made)) == made
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.trials = 3  # type: ignore[misc]


@given(st.one_of(st.integers(), st.floats(), st.text(), st.none(), st.booleans()))
def test_a_checked_value_obeys_the_bounds(value: object) -> None:
    for what in PARAMETERS.values():
        try:
            checked = what.check(value)
        except InputError as error:
            said = str(error)
            assert said.startswith(f"{what.name} must be {what.allowed}, but got")
            continue
        if what.kind == "choice":
            assert checked in what.choices
        elif what.kind == "text":
            assert checked == value
            assert str(checked).split() == [checked]
        else:
            assert isinstance(checked, int if what.kind == "int" else float)
            assert what.low <= checked <= what.high
            assert checked > what.above


def test_integers_have_an_end() -> None:
    with pytest.raises(InputError, match=r"batch_size=1000.*, more than 1,000,000,000\."):
        study(fixed={"batch_size": 10**20})


def test_numpy_numbers_are_numbers() -> None:
    assert parameter("samples").check(np.int64(5)) == 5
    assert type(parameter("samples").check(np.int64(5))) is int


def tensor(values: Any) -> torch.Tensor:
    return torch.tensor(np.array(values))


def declared_with(number: Any, sequence: Any) -> Study:
    """A study whose every number goes through one function, and every sequence through another."""
    return study(
        setting=ClassicalToQuantum(
            teacher=Ensemble(Mlp(sequence([number(8)])), members=number(2)),
            student=FullyQuantum(assignment=sequence([number(i % 2) for i in range(8)])),
        ),
        datasets=(
            Subset("digits", sequence([number(3), number(8)])),
            Arrays("mine", np.eye(8), np.arange(8) % 2, test_share=number(0.5)),
        ),
        factors={"samples": sequence([number(20), number(30)])},
        search={
            "batch_size": Int(number(8), number(16)),
            "epochs": Choice(sequence([number(2), number(3)])),
            "temperature": Float(number(1), number(2)),
            "learning_rate": LogFloat(number(0.25), number(0.5)),
        },
        fixed={"qubits": number(3), "reduction": "average", "weight_soft": number(1)},
        arms=["scratch", Arm("own", ["soft"])],  # type: ignore[arg-type]
        claims=[
            Claim(
                **CLAIM | {"better": "own", "margin": number(0.5)},
                where={"samples": sequence([number(20)])},
            )
        ],
        trials=number(2),
        batch=number(3),
        replicates=Replicates(number(1), number(4), number(1), sequence([number(2), number(4)])),
        trial_cpus=number(1),
        trial_memory=number(0),
        seed=number(1),
    )


@pytest.mark.filterwarnings("ignore::qkd_study.StudyWarning")
@pytest.mark.parametrize("sequence", [tuple, list, np.array, pd.Series, tensor])
def test_numbers_of_any_library_make_the_same_study(sequence: Any) -> None:
    plain = declared_with(lambda value: value, tuple)

    def of_numpy(value: Any) -> Any:
        return np.float32(value) if isinstance(value, float) else np.int64(value)

    for number in (of_numpy, np.array, lambda value: value):
        made = declared_with(number, sequence)
        assert made == plain
        assert json.dumps(declaration(made)) == json.dumps(declaration(plain))
        assert fingerprint(made, "") == fingerprint(plain, "")
        assert [cell.key for cell in made.cells()] == ["samples=20", "samples=30"]


def test_a_choice_takes_one_list() -> None:
    assert Choice(["adam", "sgd"]) == Choice(("adam", "sgd")) == Choice("adam", "sgd")
    assert Choice(range(1, 4)) == Choice(np.arange(1, 4)) == Choice(1, 2, 3)  # type: ignore[arg-type]


def test_config_fields_are_the_parameters() -> None:
    names = {f.name for f in dataclasses.fields(Config)}
    assert names == {*PARAMETERS, "seed"}


def test_choices_take_the_type_of_the_parameter() -> None:
    made = study(search={"batch_size": Choice(16.0, 32.0)})
    assert made.search["batch_size"] == Choice(16, 32)
    assert [type(v) for v in made.search["batch_size"].ends()] == [int, int]


CLAIM: dict[str, Any] = {"says": "It helps.", "better": "soft", "than": "scratch"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"says": "\ud800"}, "says of a claim must be a sentence"),
        ({"metric": []}, "metric of claim 'It helps.' must be one of test_accuracy"),
        ({"metric": "epochs_to_target", "target": "x"}, "needs a target between 0 and 1"),
        ({"arm": 3}, "contrasts two arms by name"),
        ({"controls": (3,)}, "controls of claim 'It helps.' are a tuple of arms, got (3,)"),
        (
            {"better": {"samples": np.zeros(2)}, "than": {"samples": 20}, "arm": "soft"},
            "must name values of factors, but got 'samples': (0.0, 0.0)",
        ),
    ],
)
def test_claims_that_say_nothing(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        Claim(**{**CLAIM, **changes})


def test_claims_have_their_values_in_the_type_of_the_parameter() -> None:
    values = np.array([20, 50])
    parts = {"better": {"samples": values[1]}, "than": {"samples": values[0]}, "arm": "soft"}
    claim = Claim(**{**CLAIM, **parts})
    assert json.dumps(claim.values) == '[{"samples": 50}, {"samples": 20}]'
    where = Claim(**CLAIM, where={"samples": [*values[:1].tolist(), values[1]]}).where
    assert json.dumps(dict(where)) == '{"samples": [20, 50]}'


def test_a_claim_about_what_is_no_value() -> None:
    claim = Claim(**CLAIM, where={"samples": (np.zeros(2),)})  # type: ignore[dict-item]
    with pytest.raises(InputError, match=r"is about samples=\(0\.0, 0\.0\), but the study runs"):
        study(factors={"samples": (20, 30)}, claims=(claim,))
