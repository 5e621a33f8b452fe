"""Where a branch is said to be: the user's line, in call order, over all of its executions."""

import linecache
import os
import sys
import sysconfig
import textwrap
import types

import numpy as np
import pytest

from gradhook.diagnosis.branches import recording as module
from gradhook.diagnosis.branches.recording import recording, traced
from gradhook.diagnosis.branches.trace import trace
from gradhook.report.blocks import Branch, branch_sentences

H = 1e-3
Z = np.array([-1.0, 0.0, 5e-4, 2.0])

MODEL = """
import numpy as np

def relu(z):
    return np.maximum(0, z)

def loss(z):
    a = relu(z)
    b = relu(2 * z)
    c = (np.where(z > 0, z, 0.0)
         + np.abs(z))
    mask = z > 0
    d = np.where(mask, z, 0.0)
    return float(np.sum(a + b + c + d))
"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.py"
    path.write_text(textwrap.dedent(MODEL))
    namespace = {}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    yield types.SimpleNamespace(path=str(path), **namespace)
    linecache.clearcache()


def found(function, x=Z):
    return trace(lambda t: function(traced(x + t)), H)[1]


def test_lines_are_the_users_own_in_call_order(model):
    branches = found(model.loss)
    assert [(b.operation, b.line, b.source) for b in branches] == [
        ("maximum", 5, "return np.maximum(0, z)"),
        ("greater", 10, "c = (np.where(z > 0, z, 0.0)"),
        ("absolute", 11, "+ np.abs(z))"),
        ("greater", 12, "mask = z > 0"),
    ]
    assert {b.path for b in branches} == {model.path}
    assert {b.file for b in branches} == {"model.py"}


def test_a_line_that_runs_twice_is_told_once_with_both_counted(model):
    assert (found(model.loss)[0].flips, found(model.loss)[0].size) == (4, 8)


def test_operations_on_one_line_that_flip_other_elements_are_both_told():
    branches = found(lambda z: (np.maximum(z, 0) + np.minimum(z, 2.0)).sum())
    assert [(b.operation, b.flips) for b in branches] == [("maximum", 2), ("minimum", 1)]


def test_the_line_is_that_of_the_caller_of_a_library():
    source = "import numpy as np\ndef relu(z):\n    return np.maximum(0, z)"
    path = os.path.join(sysconfig.get_path("purelib"), "library", "layers.py")
    namespace = {}
    exec(compile(source, path, "exec"), namespace)
    relu = namespace["relu"]

    (branch,) = found(lambda z: relu(z).sum())
    assert branch.path == __file__
    assert branch.source == "(branch,) = found(lambda z: relu(z).sum())"


def test_code_without_a_source_has_an_empty_line():
    namespace = {}
    exec("import numpy as np\ndef loss(z):\n    return np.abs(z).sum()", namespace)
    (branch,) = found(namespace["loss"])
    assert (branch.file, branch.line, branch.source) == ("<string>", 3, "")
    assert branch_sentences((branch,)) == ["2 of 4 elements of np.absolute flip at <string>:3"]


def test_a_cell_of_a_notebook_goes_by_the_name_that_its_user_sees(monkeypatch):
    namer = types.SimpleNamespace(
        format_code_name=lambda path: ("Cell", "In[5]") if path == "/tmp/1/2.py" else None
    )
    shell = types.SimpleNamespace(compile=namer)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    namespace = {}
    exec(compile("def loss(z):\n    return abs(z).sum()", "/tmp/1/2.py", "exec"), namespace)
    (branch,) = found(namespace["loss"])
    assert (branch.file, branch.line) == ("Cell In[5]", 2)
    assert found(lambda z: abs(z).sum())[0].path == __file__


def test_executions_are_compared_one_by_one_when_one_side_makes_more_of_them():
    def loss(z):
        total = 0.0
        for value in z:
            total += max(0.0, value)
            if value > 0:  # the loop ends earlier on the high side
                break
        return total

    branches = found(loss, np.array([-1.0, -1.0, 0.0, 0.0, 3.0]))
    assert [(b.operation, b.flips, b.size) for b in branches] == [
        ("greater", 1, 3),
        ("greater", 1, 3),
    ]


def test_an_interrupt_is_not_swallowed():
    def interrupted(t):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trace(interrupted, H)


def test_large_arrays_are_left_out_and_counted(monkeypatch):
    monkeypatch.setattr(module, "LARGEST_OPERATION", 3)

    def loss(t):
        return np.maximum(0, traced(Z + t)).sum() + abs(traced(Z[:3] + t)).sum()

    _, branches, left_out = trace(loss, H)
    assert [(b.operation, b.flips) for b in branches] == [("absolute", 2)]
    assert left_out == 1


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 1600)
    x = traced(np.ones(800))
    with recording() as seen:
        for _ in range(10):
            _ = x > 0  # 1600 bytes each
    assert (len(seen.choices), seen.left_out) == (2, 8)


def test_a_report_tells_the_first_three_branches():
    many = tuple(
        Branch("maximum", f"/a/model{i}.py", i, f"h{i} = relu(z)", flips=i, size=9)
        for i in range(1, 6)
    )
    assert branch_sentences(many) == [
        "1 of 9 elements of np.maximum flips at model1.py:1  `h1 = relu(z)`",
        "2 of 9 elements of np.maximum flip at model2.py:2  `h2 = relu(z)`",
        "3 of 9 elements of np.maximum flip at model3.py:3  `h3 = relu(z)`",
        "and 2 operations more",
    ]
    long = Branch("where", "m.py", 1, "y = " + "x + " * 40, 1, 1)
    assert branch_sentences((long,))[0].count("…") == 1
    assert branch_sentences(()) == []
