"""Which blocks get a line of the table, in which order, and what stands below it."""

import math

import pytest

from gradhook import Report, Verdict
from gradhook.report import BlockReport, Cause, Element, Finding
from gradhook.report import rows as module


def block(name, verdict=Verdict.PASS, ratio=3e-9, **more):
    return BlockReport(name, (3,), "float64", verdict, ratio, **more)


def report_of(*blocks):
    return Report(Verdict.PASS, True, {each.name: each for each in blocks})


def test_blocks_come_worst_first_and_unknown_ratios_last():
    blocks = [
        *(block("a", ratio=1e-9), block("b", ratio=math.nan), block("c", ratio=1e-8)),
        block("d", Verdict.FAIL),
    ]
    assert [each.name for each in module.worst_first(report_of(*blocks))] == ["d", "c", "a", "b"]


@pytest.mark.parametrize(("count", "hidden"), [(12, 0), (13, 0), (14, 2), (60, 48)])
def test_many_passing_blocks_are_summed_up_but_never_a_single_one(count, hidden):
    report = report_of(*(block(f"W{k}", ratio=(k + 1) * 1e-9) for k in range(count)))
    folded = module.folded(report)
    assert len(folded) == hidden
    assert len(module.rows(report)) == count - hidden
    if hidden:
        largest = "2e-09" if hidden == 2 else "4.8e-08"
        assert module.fold_sentence(folded) == (
            f"… and {hidden} blocks that PASS, largest ratio {largest}"
        )


def test_an_untested_block_has_no_ratio():
    assert module.ratio_cell(block("W", Verdict.UNTESTED)) == "–"
    assert module.ratio_cell(block("W")) == "3e-09"
    assert "– not measured" in module.thresholds(report_of(block("W", Verdict.UNTESTED)))
    assert "not measured" not in module.thresholds(report_of(block("W")))


def test_the_worst_element_is_told_by_both_numbers_where_it_is_wrong():
    worst = Element((1, 2), 0.25, 0.5, 1e-9)
    wrong, right = (block("W", v, worst=worst) for v in (Verdict.FAIL, Verdict.PASS))
    assert module.details(wrong) == ["worst element W[1, 2]: yours 0.25, numerical 0.5 ± 1e-09"]
    assert module.details(right) == ["worst [1, 2] by 0.25"]
    assert module.element_name(block("s", worst=Element((), 1.0, 2.0))) == "s"


@pytest.mark.parametrize(
    ("setting", "away"),
    [
        ("current point", ""),
        ("generic point", " (displaced weights)"),
        ("generic point, reg x 3700", " (displaced weights, reg x 3700)"),
        ("a step off the current point", " (a step away)"),
    ],
)
def test_numbers_that_no_user_sees_at_the_weights_as_they_are_say_where_they_were(setting, away):
    worst = Element((1,), 0.25, 0.5, 1e-9, setting=setting)
    (line,) = module.numbers([block("W", Verdict.FAIL, worst=worst)])
    assert line == f"W[1]: yours 0.25, numerical 0.5 ± 1e-09{away}"


def test_settings_are_listed_where_they_disagree_and_summed_up_where_not():
    found = [Finding("here", Verdict.FAIL, 0.2), Finding("there", Verdict.FAIL, 0.3)]
    assert module.details(block("W", Verdict.FAIL, findings=found)) == [
        "FAIL in both settings, ratio 0.2 to 0.3"
    ]
    other = [found[0], Finding("there", Verdict.KINK, 0.2, probes=3, kinks=2, note="a tie")]
    assert module.details(block("W", Verdict.FAIL, findings=other)) == [
        "here: FAIL, ratio 0.2",
        "there: KINK, ratio 0.2, 2 of 3 probes met a kink; a tie",
    ]


def test_a_cause_tells_what_it_knows_and_names_a_few_blocks():
    names = [f"W{k}" for k in range(20)]
    cause = Cause("S", "scale", names, "a sentence", evidence="numbers")
    shown = module.cause_details(cause, names)
    assert shown == [f"blocks: {', '.join(names[:12])}, …", "evidence: numbers"]
    assert module.few(["a", "b"], 2) == "a, b"
