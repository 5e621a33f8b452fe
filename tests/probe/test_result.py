"""What settings said, and what later ones take from it."""

from dataclasses import replace

import numpy as np
import pytest

from gradhook import Tolerance, Verdict
from gradhook.difference.base import Estimate
from gradhook.probe.result import EarlierResults, SettingResult
from gradhook.probe.setting import Setting
from gradhook.verdict.evidence import BlockEvidence, Location, Probe
from gradhook.verdict.judge import judge


def evidence_of(name, numerical, *, error=1e-9):
    probe = Probe(1.0, Estimate(numerical, error, 1e-6))
    return BlockEvidence(name, 100, 1.0, 1.0, (probe,) * 3)


@pytest.fixture
def result():
    """Three blocks: right, wrong and too coarse to tell."""
    evidence = {
        "right": evidence_of("right", 1.0),
        "wrong": evidence_of("wrong", 1.5),
        "coarse": evidence_of("coarse", 1.0, error=0.1),
    }
    judgements = {
        name: judge(each, "generic point", Tolerance(), ordinary=1.0)
        for name, each in evidence.items()
    }
    gradients = dict.fromkeys(evidence, np.ones(100))
    setting = Setting("generic point", {}, ())
    return SettingResult(setting, None, gradients, evidence, judgements)


def test_only_blocks_that_could_be_judged_are_compared(result):
    assert len(result.comparisons()) == 2
    assert set(result.judged_only().judgements) == {"right", "wrong"}


def test_a_wrong_block_shows_unless_a_point_nearby_takes_it_back(result):
    assert result.shows_wrong("wrong")
    assert not result.shows_wrong("right")
    coarse = result.judgements["coarse"]
    away = replace(result, judgements={"wrong": coarse})
    assert not replace(result, retried=(away,)).shows_wrong("wrong")


def test_what_failed_and_what_was_located_is_looked_into_once(result):
    location = Location("right", (100,), ((slice(0, 1),),))
    located = replace(result.judgements["right"], location=location)
    earlier = EarlierResults.of([result.judged_anew({"right": located})])
    assert earlier.failed == {"wrong"}
    assert earlier.known_wrong == {"wrong", "right"}


def test_the_first_setting_that_saw_a_small_mismatch_counts(result):
    small = judge(evidence_of("right", 1 + 1e-7, error=1e-10), "a", Tolerance(), ordinary=1.0)
    larger = judge(evidence_of("right", 1 + 4e-7, error=1e-10), "b", Tolerance(), ordinary=1.0)
    assert small.dense
    assert small.finding.verdict is Verdict.PASS
    first, second = (result.judged_anew({"right": j}) for j in (small, larger))
    assert EarlierResults.of([first, second]).dense == {"right": small.finding.ratio}
