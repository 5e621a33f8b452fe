"""What a session found, put together block by block."""

from types import SimpleNamespace

import numpy as np
import pytest

from gradhook import Verdict
from gradhook.check.record import CheckRecord
from gradhook.check.sanity import SanityResult
from gradhook.report import Finding


def setting(gradients, **verdicts):
    findings = {name: Finding("somewhere", verdict) for name, verdict in verdicts.items()}
    return SimpleNamespace(findings=findings, judgements=findings, gradients=gradients)


@pytest.fixture
def record():
    first = setting({"W": np.ones(2), "b": np.ones(1)}, W=Verdict.PASS, b=Verdict.PASS)
    second = setting({"W": np.zeros(2)}, W=Verdict.FAIL, b=Verdict.INCONCLUSIVE)
    return CheckRecord(SanityResult(1.0, {}), [first, second], unjudged="the loss is random")


def test_a_block_has_a_finding_of_every_setting_and_of_every_further_call(record):
    record.findings["b"] = [Finding("called again", Verdict.WARN)]
    assert [f.verdict for f in record.findings_of("W")] == ["PASS", "FAIL"]
    assert [f.verdict for f in record.findings_of("b")] == ["PASS", "INCONCLUSIVE", "WARN"]
    assert [record.verdict_of(name) for name in "Wb"] == ["FAIL", "WARN"]


def test_what_no_setting_judged_says_why(record):
    (finding,) = record.findings_of("V")
    assert (finding.verdict, finding.note) == ("INCONCLUSIVE", "the loss is random")


def test_what_other_rows_said_stands_in_place_of_all_else(record):
    record.kept["W"] = [Finding("other rows", Verdict.PASS)]
    assert record.findings_of("W") == record.kept["W"]
    assert record.verdict_of("W") is Verdict.PASS


def test_gradients_count_where_no_setting_has_let_go_of_one(record):
    assert [g.tolist() for g in record.gradients_of("W")] == [[1, 1], [0, 0]]
    assert record.gradients_of("b") == []
