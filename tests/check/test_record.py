"""What a check found, put together block by block."""

from types import SimpleNamespace

from gradhook import Verdict
from gradhook.check.record import CheckRecord
from gradhook.report import Finding


def test_what_other_rows_said_stands_in_place_of_all_else():
    findings = {"W": Finding("generic point", Verdict.FAIL)}
    setting = SimpleNamespace(findings=findings, judgements=findings)
    evaluator = SimpleNamespace(evaluations=0, workspace=SimpleNamespace(names=["W"]))
    given = dict.fromkeys(("options", "rows", "whole", "switches", "free", "is_part"))
    record = CheckRecord(evaluator, **given, measured=[setting])
    assert record.verdict_of("W") is Verdict.FAIL
    record.kept["W"] = [Finding("other rows", Verdict.PASS)]
    assert record.findings_of("W") == record.kept["W"]
    assert record.verdict_of("W") is Verdict.PASS
