"""The branch trace inside a check: when it runs, what it says, and that it changes nothing."""

import inspect

import numpy as np
import pytest

import gradhook
from gradhook.diagnosis.branches import trace as _trace
from gradhook.diagnosis.branches.recording import Traced, recording, traced
from tests import catalogue

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(7, 5))
Y = RANDOM.normal(size=(7, 3))
WITH_ZERO_ROWS = np.where(np.arange(7)[:, None] < 2, 0.0, X)
PARAMETERS = {
    "W1": 0.5 * RANDOM.normal(size=(5, 6)),
    "b1": np.zeros(6),
    "W2": RANDOM.normal(size=(6, 3)),
    "b2": RANDOM.normal(size=3),
}


def loss_of(p, x, y):
    z = x @ p["W1"] + p["b1"]
    h = np.maximum(0, z)
    return 0.5 * np.sum((h @ p["W2"] + p["b2"] - y) ** 2)


LINE_OF_MAXIMUM = inspect.getsourcelines(loss_of)[1] + 2


def gradients_of(p, x, y, *, factor=1.0):
    z = x @ p["W1"] + p["b1"]
    h = np.maximum(0, z)
    out = h @ p["W2"] + p["b2"] - y
    back = (out @ p["W2"].T) * (z > 0)
    return {
        "W1": x.T @ back,
        "b1": factor * back.sum(axis=0),
        "W2": h.T @ out,
        "b2": out.sum(axis=0),
    }


def network(factor=1.0):
    return gradhook.Objective(
        parameters=PARAMETERS,
        loss=loss_of,
        gradients=lambda p, x, y: gradients_of(p, x, y, factor=factor),
    )


def is_the_maximum(branch, flips=12, size=42):
    return (
        branch.operation == "maximum"
        and branch.path == __file__
        and branch.line == LINE_OF_MAXIMUM
        and branch.source == "h = np.maximum(0, z)"
        and (branch.flips, branch.size) == (flips, size)
    )


def untraced(monkeypatch):
    monkeypatch.setattr(_trace, "trace_branches", lambda *_: {})


def test_a_kink_at_the_current_point_names_its_line():
    report = gradhook.check_gradients(network(), batch=(WITH_ZERO_ROWS, Y), points=("current",))
    assert report.blocks["b1"].verdict == "KINK"
    (branch,) = report.blocks["b1"].branches
    assert is_the_maximum(branch)  # two rows of six units stand at their kink
    line = (
        "12 of 42 elements of np.maximum flip at "
        f"test_branch_trace.py:{LINE_OF_MAXIMUM}  `h = np.maximum(0, z)`"
    )
    assert line in " ".join(str(report).split()).replace(" `", "  `")
    assert report.passed


def test_a_block_that_passes_elsewhere_says_so_where_the_kink_is_told():
    report = gradhook.check_gradients(network(), batch=(WITH_ZERO_ROWS, Y))
    assert report.blocks["b1"].verdict == "PASS"
    assert is_the_maximum(report.blocks["b1"].branches[0])
    (told,) = [line for line in report.coverage if line.startswith("b1 at current point: KINK")]
    assert told.endswith(f"test_branch_trace.py:{LINE_OF_MAXIMUM}  `h = np.maximum(0, z)`")


def test_a_wrong_gradient_beside_a_kink_is_still_wrong_and_names_the_line():
    report = gradhook.check_gradients(network(factor=1.5), batch=(WITH_ZERO_ROWS, Y))
    assert report.blocks["b1"].verdict == "FAIL"
    assert is_the_maximum(report.blocks["b1"].branches[0])
    again = gradhook.Report.from_json(report.to_json())
    assert again == report
    assert again.blocks["b1"].branches == report.blocks["b1"].branches


def test_a_check_without_doubts_makes_no_further_evaluation(monkeypatch):
    with_trace = gradhook.check_gradients(network(), batch=(X, Y))
    untraced(monkeypatch)
    without = gradhook.check_gradients(network(), batch=(X, Y))
    assert with_trace.verdict == "PASS"
    assert with_trace.evaluations == without.evaluations


@pytest.mark.parametrize(("factor", "blocks"), [(1.0, 1), (1.5, 1)])
def test_a_traced_block_costs_two_evaluations_and_nothing_else_changes(monkeypatch, factor, blocks):
    with_trace = gradhook.check_gradients(network(factor), batch=(WITH_ZERO_ROWS, Y))
    untraced(monkeypatch)
    without = gradhook.check_gradients(network(factor), batch=(WITH_ZERO_ROWS, Y))
    assert with_trace.evaluations == without.evaluations + 2 * blocks
    assert with_trace.verdict == without.verdict
    for name, block in without.blocks.items():
        assert with_trace.blocks[name].findings == block.findings


def test_at_most_three_blocks_are_traced(monkeypatch):
    def tied(p):
        return sum(np.abs(values).sum() for values in p.values())

    parameters = {name: np.zeros(8) for name in "abcde"}
    objective = gradhook.Objective(
        parameters=parameters,
        loss=tied,
        gradients=lambda p: {name: np.sign(values) + 0.5 for name, values in p.items()},
    )
    with_trace = gradhook.check_gradients(objective)
    assert with_trace.verdict == "FAIL"
    assert sum(bool(block.branches) for block in with_trace.blocks.values()) == 3
    untraced(monkeypatch)
    assert with_trace.evaluations == gradhook.check_gradients(objective).evaluations + 6


class Network:
    """Holds its parameters, and caches what the backward pass needs."""

    def __init__(self):
        self.params = {name: values.copy() for name, values in PARAMETERS.items()}
        self.cache = {"x": None}
        self.drawn = np.random.default_rng(9)

    def loss(self, x, y):
        self.cache["x"] = x
        self.noise = self.drawn.normal() * 0.0
        return loss_of(self.params, x, y), gradients_of(self.params, self.cache["x"], y)


def test_in_place_the_batch_carries_the_trace_and_nothing_is_left_behind():
    model = Network()
    before = model.drawn.bit_generator.state
    report = gradhook.check_gradients(model, batch=(WITH_ZERO_ROWS, Y), points=("current",))
    assert is_the_maximum(report.blocks["b1"].branches[0])
    assert model.cache == {"x": None}
    assert not hasattr(model, "noise")
    assert model.drawn.bit_generator.state == before
    for name, values in model.params.items():
        assert type(values) is np.ndarray
        assert values.tobytes() == PARAMETERS[name].tobytes()


def test_a_penalty_that_bends_is_named_as_well():
    report = gradhook.check_gradients(
        gradhook.Objective(
            parameters={"w": np.zeros(20)},
            loss=lambda p: float(((p["w"] - 1) ** 2).sum()),
            gradients=lambda p: {"w": 2 * (p["w"] - 1) + 0.3 * np.sign(p["w"])},
        ),
        penalty=gradhook.L1(0.3),
        points=("current",),
    )
    (branch,) = report.blocks["w"].branches
    assert (branch.operation, branch.file, branch.flips) == ("less", "switches.py", 20)


@pytest.mark.parametrize(
    "refuses",
    [
        lambda z: (_ for _ in ()).throw(TypeError("plain arrays only")),
        lambda z: np.asarray(z) * np.nan,
        lambda z: np.asarray(z) + 1.0,
    ],
    ids=["raises", "is not finite", "gives something else"],
)
def test_code_that_treats_traced_arrays_otherwise_gets_no_trace_and_no_error(refuses):
    def loss(p, x, y):
        z = x @ p["W1"] + p["b1"]
        if isinstance(z, Traced):
            z = refuses(z)
        h = np.maximum(0, z)
        return 0.5 * np.sum((h @ p["W2"] + p["b2"] - y) ** 2)

    objective = gradhook.Objective(parameters=PARAMETERS, loss=loss, gradients=gradients_of)
    report = gradhook.check_gradients(objective, batch=(WITH_ZERO_ROWS, Y), points=("current",))
    assert report.blocks["b1"].verdict == "KINK"
    assert report.blocks["b1"].branches == ()


def test_operations_too_large_to_trace_are_told_once(monkeypatch):
    from gradhook.diagnosis.branches import recording as module

    monkeypatch.setattr(module, "LARGEST_OPERATION", 10)
    report = gradhook.check_gradients(network(), batch=(WITH_ZERO_ROWS, Y), points=("current",))
    left_out = [line for line in report.coverage if "branch trace" in line]
    assert left_out == ["1 operation(s) on very large arrays were left out of the branch trace"]


def test_the_trace_has_a_bug_and_the_check_survives(monkeypatch):
    def broken(*_):
        raise RuntimeError("a bug of the trace")

    monkeypatch.setattr(_trace, "trace", broken)
    report = gradhook.check_gradients(network(), batch=(WITH_ZERO_ROWS, Y), points=("current",))
    assert report.blocks["b1"].verdict == "KINK"
    assert report.blocks["b1"].branches == ()


def _clean_networks():
    return [c for c in catalogue.cases([0]) if c.clean and c.kind == "network"]


def test_every_network_of_the_catalogue_gives_the_same_bits_traced_and_not():
    seen_operations = set()
    cases = _clean_networks()
    assert len(cases) > 100
    for case in cases:
        parameters = {name: np.array(v, np.float64) for name, v in case.parameters.items()}
        plain = case.problem.build("")(parameters, *case.batch)
        with recording() as seen:
            loss, gradients = case.problem.build("")(traced(parameters), *traced(case.batch))
        assert np.asarray(loss).tobytes() == np.asarray(plain[0]).tobytes(), case.name
        for name, gradient in plain[1].items():
            assert np.asarray(gradients[name]).tobytes() == np.asarray(gradient).tobytes()
        seen_operations |= {choice.operation for choice in seen.choices}
    assert seen_operations >= {"maximum", "max", "argmax", "absolute", "greater"}
