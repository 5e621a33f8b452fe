"""What gradhook is known to say of one seed of the catalogue and more, each check made once.

Of every eighth pair of a bug and its twin; ``golden.py compare``, which ``.ci/run`` runs, asks all.
"""

import pytest

from gradhook.probe.prober import SHORT_SEARCH
from gradhook.probe.small_mismatch import SHARED_BLOCKS
from tests.golden import golden

MADE = ("generated/", "network/")

# In float32 long probes come on top, at most two a block of 60 each.  The gradient of log(p + eps)
# is off by 1e-6 on purpose, and where that sits is searched in two blocks, each for 60 at most; how
# many it takes differs from processor to processor, as roundings do.
MOST = {
    "float32-inside/clean-reg_missing/special/0": 8 * (40 + 2 * 60) + 100,
    "log-epsilon/clean-bias_mean/special/0": 8 * 40 + 100 + SHARED_BLOCKS * SHORT_SEARCH,
}


@pytest.fixture(scope="module")
def answers():
    return {answer["name"]: answer for answer in golden.answers(every=8)}


@pytest.fixture(scope="module")
def catalogued(answers):
    """Answers on the catalogue, right code and wrong."""
    own = [a for name, a in answers.items() if not name.startswith(MADE)]
    operators = {a["name"].split("/")[1] for a in own if "/special/" not in a["name"]}
    assert len(operators) == 40
    right = [a for a in own if a["name"].split("/")[1].startswith("clean")]
    assert len(right) == len(own) / 2 == 25
    return right, [a for a in own if a not in right]


def test_verdicts_blocks_causes_and_places_are_as_stored(answers):
    lines = {name: golden.line(answer) for name, answer in answers.items()}
    changed = golden.changes(golden.stored(lines), lines)
    assert not changed, "\n".join(changed)


def test_no_right_code_fails_or_gets_a_cause_and_no_bug_passes(catalogued):
    right, wrong = catalogued
    assert [a["name"] for a in right if a["verdict"] == "FAIL" or a["causes"] or a["places"]] == []
    assert [a["name"] for a in wrong if a["verdict"] == "PASS"] == []
    unsure = [a["name"] for a in right if a["verdict"] not in ("PASS", "KINK", "UNTESTED")]
    unsure += [a["name"] for a in wrong if a["verdict"] != "FAIL"]
    assert len(unsure) <= 0.02 * len(right + wrong), unsure


def test_a_passing_check_of_right_code_keeps_to_its_budget(catalogued):
    blocks = {a["name"]: len(golden.VERDICT.findall(a["blocks"])) for a in catalogued[0]}
    most = {name: 40 * count + 100 for name, count in blocks.items()} | MOST
    over = {
        a["name"]: a["evaluations"]
        for a in catalogued[0]
        if a["verdict"] == "PASS" and a["evaluations"] > most[a["name"]]
    }
    assert over == {}


def test_a_changed_verdict_is_found_and_a_case_without_a_line_was_one_that_passed():
    lines = {"case": "case\tFAIL\tW = v:FAIL b:PASS\t\t"}
    assert golden.changes(golden.stored(lines), lines) == [
        "case: verdict: PASS -> FAIL",
        "case: blocks: W = v:PASS b:PASS -> W = v:FAIL b:PASS",
    ]
