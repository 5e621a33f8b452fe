"""Which blocks are wrong and why, on a share of the catalogue; the whole of it is a benchmark.

Every third network of seed 0 with a bug, in order of class, operator and start, and every sixth
without.
"""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest

EVERY, EVERY_TWIN = 3, 6


def load(path):
    """Load a module of the tests, which are no package."""
    spec = importlib.util.spec_from_file_location(f"catalogue_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


explained = load(Path(__file__).with_name("explained.py"))


def networks(cases, *, wrong):
    chosen = (case for case in cases if case.kind == "network" and case.wrong is wrong)
    return sorted(chosen, key=lambda case: (case.family or "", case.operator or "", case.name))


@pytest.fixture(scope="module")
def wrong(seed_zero):
    """Answers on networks with a bug; both starts of an operator are neighbours."""
    return [explained.ask(replace(case)) for case in networks(seed_zero, wrong=True)[::EVERY]]


@pytest.fixture(scope="module")
def right(seed_zero):
    return [explained.ask(replace(case)) for case in networks(seed_zero, wrong=False)[::EVERY_TWIN]]


def test_the_share_holds_most_classes_and_both_starts(wrong, right):
    assert len(wrong) > 50
    assert len(right) > 25
    assert {answer.family for answer in wrong} >= set("SRBDGWALJC")
    assert {answer.name.split("/")[2] for answer in wrong} == {"notebook", "generic"}
    assert sum(map(explained.is_decidable, wrong)) > 20


def test_no_check_and_no_explanation_breaks_off(wrong, right):
    assert {answer.name: answer.broken for answer in (*wrong, *right) if answer.broken} == {}


def test_right_code_has_neither_cause_nor_boundary(right):
    assert {answer.name: answer.sentences for answer in right if answer.sentences} == {}
    assert {answer.name: answer.boundary for answer in right if answer.boundary} == {}


def test_the_wrong_blocks_are_exactly_right(wrong):
    assert sum(answer.compared for answer in wrong) > 45
    assert {answer.name: answer.misjudged for answer in wrong if answer.misjudged} == {}


def test_no_bug_is_taken_for_one_of_another_class(wrong):
    assert {answer.name: answer.sentences for answer in wrong if answer.wrong_family} == {}


def test_the_class_is_named_where_its_signature_decides_it(wrong):
    decidable = [answer for answer in wrong if explained.is_decidable(answer)]
    silent = {answer.name: answer.boundary for answer in decidable if not answer.right_family}
    assert len(silent) <= 0.05 * len(decidable), silent


def test_the_kind_is_exact_where_its_signature_decides_it(wrong):
    named = [a for a in wrong if a.causes and explained.needs_exact_kind(a)]
    assert {a.name: a.causes for a in named if not a.exact_kind} == {}


def test_a_bug_without_a_cause_is_placed_between_blocks_or_inside_one(wrong):
    # A second call that differs names the blocks by itself.
    silent = [answer for answer in wrong if not answer.causes]
    assert silent
    assert [answer.name for answer in silent if not answer.boundary] == []


def test_the_truth_depends_on_the_point_and_a_block_judged_wrongly_is_found(seed_zero):
    case = next(c for c in seed_zero if c.operator == "bias_mean")
    with explained.recorded() as points:
        report = explained.gradhook.check_gradients(
            case.objective, case.parameters, batch=case.batch, **case.check_options
        )
    assert len(points) >= 2
    assert explained.misjudged(case, report, points) == {}
    # The same report about the right code: what it calls wrong is not.
    twin = replace(case, operator=None)
    found = explained.misjudged(twin, report, points)
    assert set(found) == set(report.failing)
    assert all(ratio == 0 for ratio, _ in found.values())
