"""From findings to a report; nothing is evaluated."""

import math
from dataclasses import replace

import numpy as np
import pytest

from gradhook import Tolerance
from gradhook.check.assemble import Circumstances, assemble
from gradhook.check.record import CheckRecord
from gradhook.check.sanity import SanityResult
from gradhook.diagnosis.explain import Explanation
from gradhook.difference.base import Estimate
from gradhook.objective.parameters import Tree
from gradhook.options import Options
from gradhook.probe.result import SettingResult
from gradhook.probe.setting import Setting
from gradhook.verdict.evidence import BlockEvidence, Location, Probe
from gradhook.verdict.judge import judge

TREE = Tree.of({"W": np.ones((2, 2)), "b": np.ones(1, dtype=np.float32)})
SEEN = Circumstances(9, 2, 0.5, 3, (0, 4), 20, ("a note",), ("last",), "the call")
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


def report_of(numerical, seen=SEEN, options=None, explanation=None, facts=None, **fields):
    record = CheckRecord(
        facts or SanityResult(7.0, {}),
        [measured(numerical, **fields)],
        explanation=explanation or Explanation(boundary="between here and there"),
        coverage=["first"],
    )
    return assemble(record, TREE, options or Options(), seen)


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
    assert (report.evaluations, report.gradient_evaluations, report.step) == (9, 2, 3)
    assert (report.loss, report.rows, report.batch_rows, report.call) == (
        7.0,
        (0, 4),
        20,
        "the call",
    )
    assert (report.notes, report.coverage) == (("a note",), ("first", "last"))
    assert [cause.kind for cause in report.causes] == ["writes_batch"]
    assert (report.boundary, report.settings) == ("between here and there", ("here",))


def test_layers_come_in_the_order_given_and_other_blocks_after_them():
    assert list(report_of(A, options=Options(layers=("b",))).blocks) == ["b", "W"]


def test_wrong_parts_have_the_errors_of_their_elements_or_of_all_together():
    row, element = (slice(0, 1), slice(0, 2)), (slice(1, 2), slice(0, 1))
    location = Location(
        "W", (2, 2), (row, element), 2.0, 4.0, 5.0, elements={(1, 0): probe(3.0, 5.0)}
    )
    explained = Explanation(locations={"W": location}, where={"W": "W[1, 0]"})
    W = report_of(WRONG, explanation=explained).blocks["W"]
    assert W.where == "W[1, 0]"
    assert W.wrong_parts == ((row, 0.4), (element, 0.4))
    apart = replace(location, elements={(1, 0): probe(3.0, 4.0)})
    W = report_of(WRONG, explanation=Explanation(locations={"W": apart})).blocks["W"]
    assert W.wrong_parts == ((row, 0.4), (element, 0.25))


def test_the_textbook_ratio_is_that_of_the_plain_differences():
    report = report_of(A, textbook={"W": 3 * A["W"]})
    assert report.textbook_ratio == report.blocks["W"].textbook_ratio == pytest.approx(0.5)
    assert math.isnan(report.blocks["b"].textbook_ratio)
