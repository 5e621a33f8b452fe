"""The score of a checker: what counts as which error, and what known checkers get."""

import math

import numpy as np
import pytest

from tests import catalogue


def textbook(case) -> str:
    """Judge as course notes do: one central difference an element, step 1e-5, ratio below 1e-5."""
    _, gradients = case.loss_and_gradients(case.parameters, *case.batch)
    differences, sizes = [], []
    for name, value in case.parameters.items():
        numerical = np.zeros(value.shape)
        for index in np.ndindex(value.shape):
            sides = []
            for h in (1e-5, -1e-5):
                moved = value.copy()
                moved[index] += h
                at = {**case.parameters, name: moved}
                sides.append(case.loss_and_gradients(at, *case.batch)[0])
            numerical[index] = (sides[0] - sides[1]) / 2e-5
        differences.append(np.linalg.norm(gradients[name] - numerical))
        sizes.append(np.linalg.norm(gradients[name]) + np.linalg.norm(numerical))
    return "pass" if math.hypot(*differences) < 1e-5 * math.hypot(*sizes) else "fail"


def omniscient(case) -> str:
    """Compare with the code that the mutant was made from, where bugs show."""
    point = case.problem.displaced(np.random.default_rng(11))
    ratios = case.wrong_blocks(point, **case.problem.telling)
    return "fail" if max(ratios.values()) > 1e-6 else "pass"


def test_a_checker_that_knows_the_truth_makes_no_mistake(drawn):
    result = catalogue.score(omniscient, drawn)
    assert result.false_alarms == result.misses == result.undecided == []
    assert result.n_right == result.n_wrong > 190


def test_checkers_without_judgement_get_one_rate_of_one():
    drawn = list(catalogue.cases([0], kinds=["kink", "optimum"]))
    credulous = catalogue.score(lambda case: "pass", drawn)
    assert (credulous.false_alarm_rate, credulous.miss_rate) == (0.0, 1.0)
    suspicious = catalogue.score(lambda case: "fail", drawn)
    assert (suspicious.false_alarm_rate, suspicious.miss_rate) == (1.0, 0.0)
    silent = catalogue.score(lambda case: "undecided", drawn)
    assert (silent.false_alarm_rate, silent.miss_rate) == (0.0, 0.0)
    assert silent.undecided == [case.name for case in drawn]


def test_the_textbook_check_cries_wolf_where_the_catalogue_says_it_does(drawn):
    wolf = ("random", "constant", "float16", "tie")
    result = catalogue.score(textbook, (c for c in drawn if c.clean and c.kind in wolf))
    assert result.false_alarm_rate > 0.7


def test_the_textbook_check_is_right_about_smooth_code_at_a_generic_point():
    names = [
        f"{architecture}/{what}/generic/0"
        for architecture in ("rnn", "transformer")
        for what in ("clean-ce_sign", "ce_sign", "reg_missing", "clean-reg_missing")
        if not (architecture == "transformer" and what.startswith("clean-ce"))
    ]
    result = catalogue.score(textbook, (catalogue.case(name) for name in names))
    assert result.false_alarms == result.misses == []


def test_an_exception_is_undecided_and_kept_with_the_name_of_its_case():
    def broken(case):
        raise ZeroDivisionError("no steps")

    result = catalogue.score(broken, catalogue.cases([0], kinds=["sparse"]))
    assert len(result.undecided) == 2
    assert set(result.errors.values()) == {"ZeroDivisionError: no steps"}
    assert f"raised: {result.undecided[0]}: ZeroDivisionError: no steps" in str(result)


def test_an_interrupt_is_not_an_answer():
    def interrupted(case):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        catalogue.score(interrupted, catalogue.cases([0], kinds=["sparse"]))


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
