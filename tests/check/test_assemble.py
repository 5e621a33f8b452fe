"""From findings to a report; nothing is evaluated."""

import math

import numpy as np
import pytest

from gradhook import Tolerance
from gradhook.check.assemble import assemble
from gradhook.check.record import CheckRecord
from gradhook.check.sanity import SanityResult
from gradhook.diagnosis.explain import Explanation
from gradhook.difference.base import Estimate
from gradhook.objective.batch import Rows
from gradhook.objective.parameters import Tree
from gradhook.options import Options
from gradhook.probe.localise import locate_by_element
from gradhook.probe.result import SettingResult
from gradhook.probe.setting import Setting
from gradhook.verdict.evidence import BlockEvidence, Probe
from gradhook.verdict.judge import judge

TREE = Tree.of({"W": np.ones((2, 2)), "b": np.ones(1, dtype=np.float32)})
ROWS = Rows((), (0,), None, count=1, total=20)
A = {"W": np.array([[1.0, 2.0], [3.0, 4.0]]), "b": np.array([2.0])}


def probe(analytic, numerical):
    return Probe(analytic, Estimate(numerical, 1e-9, 1e-6))


def measured(numerical, **fields):
    """One setting, in which every element was measured."""
    evidence = {
        name: BlockEvidence(
            name,
            a.size,
            float(np.linalg.norm(a)),
            1.0,
            tuple(map(probe, a.flat, numerical[name].flat)),
            exact=True,
            elements=numerical[name],
        )
        for name, a in A.items()
    }
    judgements = {n: judge(e, "here", Tolerance(), ordinary=1.0) for n, e in evidence.items()}
    return SettingResult(Setting("here", {}, ()), None, A, evidence, judgements, **fields)


def report_of(numerical, options=None, explanation=None, facts=None, **fields):
    record = CheckRecord(
        facts or SanityResult(7.0, {}),
        [measured(numerical, **fields)],
        explanation=explanation or Explanation(boundary="between here and there"),
        coverage=["first"],
    )
    return assemble(record, TREE, options or Options(), ROWS)


WRONG = {**A, "W": A["W"] + [[0.0, 0.0], [2.0, 0.0]]}


def test_the_report_says_what_each_block_is_and_where_it_is_furthest_off():
    report = report_of(WRONG)
    W, b = report.blocks["W"], report.blocks["b"]
    assert (report.verdict, report.passed, W.verdict, b.verdict) == ("FAIL", False, "FAIL", "PASS")
    assert (W.shape, W.dtype, b.dtype, W.setting) == ((2, 2), "float64", "float32", "here")
    assert (W.worst.index, W.worst.analytic, W.worst.numerical) == ((1, 0), 3.0, 5.0)
    np.testing.assert_array_equal(W.relative_errors, [[0, 0], [0.4, 0]])
    assert W.ratio == pytest.approx(2 / (math.sqrt(30) + math.sqrt(46)))
    joint = np.linalg.norm([*A["W"].flat, 2.0]), np.linalg.norm([*WRONG["W"].flat, 2.0])
    assert report.ratio == pytest.approx(2 / sum(joint))
    assert report_of(A).passed


def test_what_is_known_besides_stands_in_its_place():
    report = report_of(A, facts=SanityResult(7.0, {}, writes_batch=True))
    assert (report.loss, report.rows, report.batch_rows) == (7.0, (0,), 20)
    first, one_sample, *special = report.coverage
    assert first == "first"
    assert one_sample.startswith("one sample:")
    assert [said.split()[0] for said in special] == ["W,"]
    assert [cause.kind for cause in report.causes] == ["writes_batch"]
    assert (report.boundary, report.settings) == ("between here and there", ("here",))


def test_layers_come_in_the_order_given_and_other_blocks_after_them():
    assert list(report_of(A, options=Options(layers=("b",))).blocks) == ["b", "W"]


@pytest.mark.parametrize(
    ("wrong", "parts"),
    [
        ([[0.0, 0.0], [2.0, 0.0]], {(1, 0): 0.4}),
        # Several elements have the error of all of them together.
        ([[0.0, 0.0], [2.0, 5.0]], {(1, ...): math.hypot(2, 5) / math.hypot(5, 9)}),
    ],
)
def test_wrong_parts_have_the_errors_of_their_elements_or_of_all_together(wrong, parts):
    numerical = {**A, "W": A["W"] + wrong}
    evidence = measured(numerical).evidence["W"]
    location = locate_by_element(evidence, A["W"], tolerance=Tolerance())
    explained = Explanation(locations={"W": location}, where={"W": "a part"})
    W = report_of(numerical, explanation=explained).blocks["W"]
    assert W.where == "a part"
    picture = np.zeros((2, 2))
    for box, error in W.wrong_parts:
        picture[box] = error
    expected = np.zeros((2, 2))
    for index, error in parts.items():
        expected[index] = error
    np.testing.assert_allclose(picture, expected)


def test_the_textbook_ratio_is_that_of_the_plain_differences():
    report = report_of(A, textbook={"W": 3 * A["W"]})
    assert report.textbook_ratio == report.blocks["W"].textbook_ratio == pytest.approx(0.5)
    assert math.isnan(report.blocks["b"].textbook_ratio)
