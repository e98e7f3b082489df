"""Study files that nobody should write: right ones, as Python trees, with a part or more spoilt."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tests.faults.damage import ARRAYS

#: What junk may name: objects whose methods fail, functions and models that misbehave.
PREAMBLE = """
import fractions, decimal, functools
from collections.abc import Mapping, Sequence
import numpy as np
from qkd_study import *


def fail(*args, **kwargs):
    raise RuntimeError("evil")


def failing(*names, base=object):
    return type("Failing", (base,), {name: fail for name in names})


class Endless:
    def __repr__(self):
        return f"<{self!r}>"


class Silent(Exception):
    def __str__(self):
        raise RuntimeError("evil")


class Liar(Sequence):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        raise IndexError("evil")


class Lookup(Mapping):
    def __len__(self):
        return 1

    def __iter__(self):
        return iter(("samples",))

    def __getitem__(self, key):
        raise KeyError("evil")


class Everything:
    __getattr__ = fail


def forever(*args):
    return forever(*args)


loop = []
loop.append(loop)
"""

_EVIL = [
    *(f'failing("{n}")()' for n in ("__repr__", "__eq__", "__iter__", "__hash__", "__bool__")),
    *(f'failing("{n}", "__repr__", base=str)("digits")' for n in ("__eq__", "__hash__", "__str__")),
    *(f'failing("{n}", "__format__", base=str)("soft")' for n in ("__eq__", "__hash__")),
    *(f'failing("{n}", "__repr__", base=int)(20)' for n in ("__eq__", "__lt__", "__float__")),
    *(
        f'failing("{n}", base=float)(0.5)'
        for n in ("__float__", "__repr__", "__le__", "__format__")
    ),
    *(f'failing("{n}", base=tuple)((20, 30))' for n in ("__iter__", "__len__", "__repr__")),
    *(f'failing("{n}", base=dict)(samples=(20,))' for n in ("__iter__", "items", "__repr__")),
    *("Endless()", "Liar()", "Lookup()", "Everything()", "loop", "Endless", "fail", "forever"),
    *("failing('__call__')()", "functools.partial(fail, Endless())", "failing('__class__')"),
]
_PLAIN = [
    *("None", "True", "False", "0", "-1", "1", "2", "3", "10", "10**30", "-(10**30)", "2**63"),
    *("10**5000", "0.5", "-0.5", "1e-320", "1e308", "float('nan')", "float('inf')", "1j"),
    *("''", "' '", "'a b'", "'digits'", "'soft'", "'samples'", "'x' * 100_000", "'\\ud800'"),
    *("'a\\x00b'", "'naïve µ 量子'", "'../up'", "'a\\nb'", "'{x}'", "'%s'", "'[red]'", "b'x'"),
    *("()", "[]", "{}", "set()", "{1, 2}", "(20,)", "(20, 20)", "((),)", "[[[[]]]]", "(None,)"),
    *("{None: ()}", "{(): 1}", "{'samples': None}", "{'x': 1}", "range(3)", "range(10**12)"),
    *("iter(())", "(x for x in ())", "object()", "int", "Study", "Mlp", "...", "NotImplemented"),
    *("np.zeros(3)", "np.array(1)", "np.array([20, 30])", "np.float64(0.5)", "np.int64(20)"),
    *("np.float32('nan')", "np.zeros((0, 3))", "np.array(['a'])", "np.datetime64('2020')"),
    *("fractions.Fraction(1, 3)", "decimal.Decimal('0.5')", "decimal.Decimal('sNaN')"),
    *("lambda *a: None", "lambda: 0", "print", "memoryview(b'ab')", "bytearray(b'ab')", "slice(3)"),
    *("Mlp()", "Mlp(())", "Arm('own')", "Replicates()", "Float(0.1, 0.2)", "Int(1, 2)"),
    *("Choice(1, 'a')", "HybridCircuit()", "SelfDistillation()", "Own(Mlp)", "ARMS", "PARAMETERS"),
    *("Claim(says='x', better='soft', than='scratch')", "Subset('digits', (3, 8))", "'auto'"),
]


#: Lines that a study file may also hold, before or behind the study.
_LINES = [
    *("import sys; sys.exit()", "import sys; sys.exit(0)", "raise SystemExit('evil')", "exit(3)"),
    *("raise KeyError", "raise BaseException('evil')", "raise GeneratorExit", "raise Silent"),
    *("forever()", "1 / 0", "import nothing_of_that_name", "from qkd_study import nothing", "x ="),
    *("study = 3", "study = Study", "study = Endless()", "del study", "study = Everything()"),
    *("class study: pass", "study = failing('__class__')()", "def study(): return 1", "return"),
    *("assert False", "raise Exception('a\\nb\\nc')", "raise Exception('')", "open('no/file')"),
    *("raise Exception('x' * 100_000)", "raise Exception('\\ud800')", "x = '\\N{nothing}'", "🙂"),
    *(
        "raise ExceptionGroup('evil', [ValueError('a')])",
        "raise UnicodeDecodeError('a', b'', 0, 1, 'b')",
    ),
    *("  indented = 1", "exec('raise ValueError(1)')", "eval('1 +')", "print('\\ud800')", "\\"),
    *(
        "import warnings; warnings.warn('careful')",
        "import warnings; warnings.simplefilter('error')",
    ),
    *("import os; os.chdir('/')", "__name__ = '__main__'", "raise StudyWarning('evil')", "b'ä'"),
    *("import sys; sys.modules.clear", "import sys; sys.setrecursionlimit(60)", "a = " + "(" * 300),
    *("a = " + "-" * 20_000 + "1", "__file__ = None", "study.question = 1", "study.nothing"),
    *("study.trials = 0", "object.nothing"),
    *("study.cells(1)", "study = study.replaced(trials=0)", "raise InputError"),
]


#: Studies that are right, and that name every declaration there is. Each can be planned in no time.
RIGHT = (
    """
def squared(student, teacher, labels):
    return ((student.logits - teacher.logits) ** 2).mean()

study = Study(
    question="Does it work?",
    setting=QuantumToClassical(filters=2, kernel=2, stride=2, trainable=True),
    datasets=(Subset(of="digits", classes=(3, 5, 8), name="three"), "digits"),
    factors={"samples": (20, 30), "depth": [1, 2]},
    search={"learning_rate": LogFloat(1e-3, 0.1), "temperature": Float(1, 4)},
    fixed={"epochs": 3, "validation_samples": 40, "optimizer": "sgd", "embedding": "angle"},
    arms=("scratch", "soft", Arm("mine", ("soft", squared), teacher="self", spoiled="nothing")),
    claims=(
        Claim(
            says="It helps.", better="soft", than="scratch", metric="test_accuracy",
            where={"samples": (20,)}, margin=0.01, controls=("mine",),
        ),
        Claim(says="Faster.", better={"depth": 2}, than={"depth": 1}, arm="soft",
              metric="epochs_to_target", target=0.5),
    ),
    trials=2,
    batch=1,
    minimise="parameters",
    replicates=Replicates(search=2, confirm=3),
    seed=7,
    name="right",
)
""",
    """
from qkd_study.quantum import Circuit, Gate

def ladder(qubits, depth):
    gates = [Gate("RY", (w,), parameter=w) for w in range(qubits)]
    return Circuit(qubits, tuple(gates + [Gate("CZ", (0, 1))]))

study = Study(
    question="Does it work?",
    setting=ClassicalToQuantum(
        teacher=Ensemble(of=Mlp(hidden=(4, 3)), members=2, mean="probabilities"),
        student=FullyQuantum(scale=True, assignment=(0, 1, 2, 0), ansatz=ladder),
    ),
    datasets=(Arrays("made", np.arange(240.0).reshape(60, 4) % 7, np.arange(60) % 3,
                     test_share=0.25),),
    factors={"samples": (20, 30)},
    search={"reduction": Choice("none", "linear"), "epochs": Int(1, 3)},
    fixed={"qubits": 2, "validation_samples": 10},
    arms=["scratch", "decoupled", "relational"],
)
""",
    """
study = Study(
    question="Does it work?",
    setting=QuantumToQuantum(model=HybridCircuit(ansatz=None), classical=Mlp(())),
    datasets=("checkerboard",),
    fixed={"qubits": 4, "teacher_qubits": 4, "teacher_depth": 2, "reduction": "average"},
    arms=("scratch", "fidelity", "soft+features"),
)
""",
    """
study = Study(
    question="Does it work?",
    setting=ClassicalToHybrid(teacher=ConvNet(), student=HybridImage(channels=(2, 3))),
    datasets=(DataFile("own.npz", label="label", name="mine"), "digits"),
    factors={"label_noise": (0.0, 0.2)},
    fixed={"samples": 9, "validation_samples": 10},
    arms=("scratch", "label-smoothing", "random-teacher"),
)
""",
    """
import torch
from qkd_study.models import Model, Outputs

class Linear(Model):
    def __init__(self, config, shape, classes):
        super().__init__()
        self.head = torch.nn.Linear(shape[0] * shape[1], classes)

    def prepare(self, samples):
        return samples.flatten(1)

    def forward(self, inputs):
        return Outputs(self.head(inputs), inputs[:, :3])

    def head_parameters(self):
        return list(self.head.parameters())

study = Study(
    question="Does it work?",
    setting=ClassicalToClassical(teacher=Own(Linear), student=Own(build=Linear, is_quantum=False)),
    datasets=("digits",),
    fixed={"samples": 20, "generations": 2},
    arms=("scratch", "features", "shuffled-labels"),
)
""",
)


def expressions(tree: ast.Module, within: str) -> list[ast.expr]:
    """The expressions that something may stand in place of: in `all` of it, or its `functions`."""
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    return [
        node
        for part in (functions if within == "functions" else [tree])
        for node in ast.walk(part)
        if isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), ast.Store)
    ]


class _Replacing(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else self.generic_visit(node)


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


_JUNK = st.one_of(st.sampled_from(_PLAIN), st.sampled_from(_PLAIN), st.sampled_from(_EVIL))
_HOW = ("replace", "replace", "replace", "wrap", "add", "drop", "double")


@st.composite
def spoilt(draw: st.DrawFn, text: str, within: str = "all") -> str:
    """The file with an expression replaced, wrapped, or given or robbed of a part."""
    try:
        tree = ast.parse(text)
    except SyntaxError:  # spoilt enough
        return text
    there = expressions(tree, within)
    node = there[draw(st.integers(0, len(there) - 1))]
    junk, how = _expression(draw(_JUNK)), draw(st.sampled_from(_HOW))
    new: ast.expr = junk
    if how == "wrap":
        new = ast.List([node, junk], ast.Load())
    elif how != "replace" and isinstance(node, ast.Call):
        new = ast.Call(node.func, list(node.args), list(node.keywords))
        _part(draw, how, new.keywords, ast.keyword("nosuch", junk))
    elif how != "replace" and isinstance(node, ast.Tuple | ast.List):
        new = type(node)(list(node.elts), ast.Load())
        _part(draw, how, new.elts, junk)
    elif how != "replace" and isinstance(node, ast.Dict) and all(node.keys):
        pairs = list(zip(node.keys, node.values, strict=True))
        _part(draw, how, pairs, (junk, junk))
        new = ast.Dict([key for key, _ in pairs], [value for _, value in pairs])
    return ast.unparse(ast.fix_missing_locations(_Replacing(node, new).visit(tree)))


def _part(draw: st.DrawFn, how: str, parts: list[Any], junk: Any) -> None:
    at = draw(st.integers(0, len(parts)))
    if how == "add":
        parts.insert(at, junk)
    elif how == "drop":
        del parts[at : at + 1]
    elif parts:
        parts.insert(at, parts[at - 1])


@st.composite
def study_file(draw: st.DrawFn, right: Sequence[str] = RIGHT) -> str:
    """A whole study file, with no, one or a few things wrong."""
    text = draw(st.sampled_from(right))
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3, 0)))):
        text = draw(spoilt(text))
    return f"{PREAMBLE}\n{text}"


#: What a model, a loss or an ansatz of one's own may do instead.
_ANSWERS = (
    *("None", "0", "inputs", "Outputs(inputs, inputs)", "Outputs(None, None)", "Outputs(1, 2, 3)"),
    *("Outputs(self.head(inputs), torch.zeros(()))", "Outputs(self.head(inputs), torch.zeros(0))"),
    *(
        "Outputs(self.head(inputs) * float('nan'), inputs)",
        "Outputs(self.head(inputs)[:1], inputs)",
    ),
    *("Outputs(self.head(inputs).detach().numpy(), inputs)", "Outputs(self.head(inputs), [1])"),
    *(
        "Outputs(self.head(inputs).to(complex), inputs)",
        "torch.tensor(float('nan'))",
        "torch.ones(2)",
    ),
    *(
        "Outputs(self.head(inputs).to(int), inputs)",
        "student.logits.sum().item()",
        "exit(0)",
        "exit()",
    ),
    *("Circuit(qubits + 1, ())", "Circuit(qubits, (1,))", "Circuit(qubits, (Gate('RX', (9,)),))"),
    *("Circuit(qubits, (Gate('NO', (0,)),))", "Circuit(qubits, (Gate('RY', (0,), parameter=5),))"),
    *(
        "Circuit(0, ())",
        "Circuit('x', None)",
        "Circuit(qubits, loop)",
        "Circuit",
        "fail()",
        "forever()",
    ),
    *("torch.zeros(10**15)", "inputs.resize_(0)", "Endless()", "Outputs(Endless(), Everything())"),
    *("(_ for _ in ()).throw(KeyboardInterrupt)", "(_ for _ in ()).throw(Silent)", "open('no')"),
    *(
        "list(self.parameters())[0].data.fill_(float('inf'))",
        "torch.ones(4, 10, requires_grad=True)",
    ),
)


@st.composite
def own_parts(draw: st.DrawFn) -> str:
    """A study file with a model, a loss or an ansatz of its own that misbehaves."""
    text = draw(st.sampled_from([text for text in RIGHT if "def " in text]))
    if draw(st.booleans()):
        return f"{PREAMBLE}\n{draw(spoilt(text, 'functions'))}"
    tree = ast.parse(text)
    answers = [node for node in ast.walk(tree) if isinstance(node, ast.Return)]
    draw(st.sampled_from(answers)).value = _expression(draw(st.sampled_from(_ANSWERS)))
    return f"{PREAMBLE}\n{ast.unparse(tree)}"


@st.composite
def own_arrays(draw: st.DrawFn) -> str:
    """A study file whose samples are what nobody would train on."""
    given = {"x": draw(ARRAYS), "y": draw(ARRAYS)}
    if draw(st.integers(0, 3)) == 0:
        given |= {"test_x": draw(ARRAYS), "test_y": draw(ARRAYS)}
    right = {"x": "np.arange(240.0).reshape(60, 4) % 7", "y": "np.arange(60) % 3"}
    if keep := draw(st.sampled_from(("x", "y", ""))):
        given[keep] = right[keep]
    said = ", ".join(f"{name}={text}" for name, text in given.items())
    return (
        f"import pandas, torch\n{PREAMBLE}\n"
        f"study = Study(question='?', setting=ClassicalToClassical(), arms=('scratch',),\n"
        f"              datasets=(Arrays('own', {said}),),\n"
        f"              fixed=dict(samples=9, validation_samples=10))\n"
    )


@st.composite
def failing_file(draw: st.DrawFn) -> str:
    """A right study file with a line before or behind it that should not be there."""
    line, text = draw(st.sampled_from(_LINES)), draw(st.sampled_from(RIGHT))
    return f"{PREAMBLE}\n" + (f"{line}\n{text}" if draw(st.booleans()) else f"{text}\n{line}\n")
