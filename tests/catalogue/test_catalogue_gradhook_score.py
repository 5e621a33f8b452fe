"""gradhook's error rates on a quick share of the catalogue; the whole of it is a benchmark.

Every fourth pair of a mutant and its twin, in order of kind, architecture, class of bug and start,
so that each has its share.
"""

from dataclasses import dataclass, replace

import pytest

import gradhook
from tests import catalogue

EVERY = 4


@dataclass
class Checker:
    """gradhook as the catalogue asks it, keeping its reports."""

    reports: dict

    def __call__(self, case):
        report = gradhook.check_gradients(
            case.objective, case.parameters, batch=case.batch, **case.check_options
        )
        self.reports[case.name] = report
        return "pass" if report.passed else "fail" if report.verdict == "FAIL" else "undecided"


@pytest.fixture(scope="module")
def share(seed_zero):
    pairs = sorted(
        zip(seed_zero[::2], seed_zero[1::2], strict=True),
        key=lambda pair: (pair[0].kind, pair[0].architecture, pair[0].family, pair[0].start),
    )
    return [replace(case) for pair in pairs[::EVERY] for case in pair]


@pytest.fixture(scope="module")
def checked(share):
    checker = Checker({})
    return catalogue.score(checker, share), checker.reports


def test_the_share_holds_both_sides_all_starts_and_most_families_and_kinds(share):
    assert sum(case.wrong for case in share) == len(share) / 2 > 40
    assert {case.start for case in share} == {"notebook", "generic", "special"}
    assert len({case.architecture for case in share if case.kind == "network"}) == 6
    families = {each.family for each in catalogue.operators()}
    assert len({case.family for case in share if case.wrong}) > 0.8 * len(families)
    assert len({case.kind for case in share}) > 0.5 * len(catalogue.kinds())


def test_no_right_code_fails_and_no_bug_passes(checked):
    score, _ = checked
    assert score.false_alarms == []
    assert score.misses == []


def test_hardly_any_case_is_left_undecided(checked):
    score, _ = checked
    assert score.errors == {}
    assert len(score.undecided) <= 0.02 * len(score.outcomes), score.undecided


def test_a_passing_check_of_right_code_keeps_to_its_budget(share, checked):
    _, reports = checked
    over = {}
    for case in share:
        report = reports[case.name]
        if case.clean and report.passed:
            limit = 40 * len(case.parameters) + 100
            if report.evaluations > limit:
                over[case.name] = (report.evaluations, limit)
    assert over == {}
