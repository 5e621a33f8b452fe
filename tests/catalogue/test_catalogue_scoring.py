"""The score of a checker: what counts as which error, and what known checkers get."""

import math

import pytest

from tests import catalogue


def test_checkers_without_judgement_get_one_rate_of_one():
    drawn = list(catalogue.cases([0], kinds=["kink", "optimum"]))
    credulous = catalogue.score(lambda case: "pass", drawn)
    assert (credulous.false_alarm_rate, credulous.miss_rate) == (0.0, 1.0)
    suspicious = catalogue.score(lambda case: "fail", drawn)
    assert (suspicious.false_alarm_rate, suspicious.miss_rate) == (1.0, 0.0)
    silent = catalogue.score(lambda case: "undecided", drawn)
    assert (silent.false_alarm_rate, silent.miss_rate) == (0.0, 0.0)
    assert silent.undecided == [case.name for case in drawn]


def test_an_exception_is_undecided_and_kept_with_the_name_of_its_case():
    def broken(case):
        raise ZeroDivisionError("no steps")

    result = catalogue.score(broken, catalogue.cases([0], kinds=["sparse"]))
    assert len(result.undecided) == 2
    assert set(result.errors.values()) == {"ZeroDivisionError: no steps"}
    assert f"raised: {result.undecided[0]}: ZeroDivisionError: no steps" in str(result)


def test_an_answer_of_another_kind_is_refused():
    message = "must return 'pass', 'fail' or 'undecided', got True for three-rows/"
    with pytest.raises(ValueError, match=message):
        catalogue.score(lambda case: True, catalogue.cases([0], kinds=["sparse"]))


def test_the_tables_count_right_code_by_kind_and_mutants_by_operator():
    drawn = list(catalogue.cases([0], kinds=["clipped", "sparse"]))
    result = catalogue.score(lambda case: "pass" if case.kind == "clipped" else "fail", drawn)
    assert result.by_kind() == {
        "clipped": {"pass": 2, "fail": 0, "undecided": 0, "error": 0},
        "sparse": {"pass": 0, "fail": 1, "undecided": 0, "error": 0},
    }
    assert {name: count["fail"] for name, count in result.by_operator().items()} == {
        case.operator: int(case.kind == "sparse") for case in drawn if case.wrong
    }


def test_a_long_list_of_names_is_cut_in_the_text_and_whole_in_the_properties(drawn):
    result = catalogue.score(lambda case: "pass", (c for c in drawn if c.start == "generic"))
    assert len(result.misses) == 77
    assert "missed: ... and 57 more" in str(result)


def test_rates_of_nothing_are_unknown():
    result = catalogue.score(lambda case: "pass", [])
    assert math.isnan(result.false_alarm_rate)
    assert math.isnan(result.miss_rate)
    assert "false alarms  0 of 0" in str(result)
