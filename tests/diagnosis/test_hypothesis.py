"""What was not put to the test cannot be named."""

import pytest

from gradhook import CAUSE_KINDS
from gradhook.diagnosis.hypotheses import HYPOTHESES
from gradhook.diagnosis.hypothesis import Hypothesis, Trial, in_turn, name_cause, survives
from gradhook.diagnosis.sentences import REFUTED_BY, SENTENCES


class Lost(Hypothesis):
    """A block that is never written."""

    family, kind, said = "D", "disconnected", "disconnected"
    support = "zero to the bit"

    @classmethod
    def propose(cls, mismatch, names):
        yield cls(names)

    def refute(self, mismatch):
        return ()


HELD = Trial("another point", "zero there too")
BROKEN = Trial("another point", "not zero", refuted=True)


def test_a_refutation_that_was_not_made_does_not_survive():
    assert not survives(())
    assert not survives((HELD, None))


def test_one_trial_that_rules_it_out_is_enough():
    assert survives((HELD,))
    assert not survives((HELD, BROKEN))


@pytest.mark.parametrize("ends", [BROKEN, None])
def test_of_trials_in_turn_none_is_made_after_one_that_rules_out_or_cannot_be_made(ends):
    assert in_turn(lambda: HELD, lambda: ends, lambda: pytest.fail("too many")) == (HELD, ends)
    assert survives(in_turn(lambda: HELD, lambda: HELD))


@pytest.mark.parametrize(
    ("trials", "why"),
    [
        ((), "it was not put to the test"),
        ((HELD, None), "it was not put to the test"),
        ((HELD, BROKEN), "it was ruled out"),
    ],
)
def test_what_was_not_put_to_the_test_or_was_ruled_out_cannot_be_named(trials, why):
    with pytest.raises(ValueError, match=f"disconnected cannot be named: {why}"):
        name_cause(Lost(["W"]), trials)


def test_the_evidence_says_what_was_tried_and_what_came_out():
    cause = name_cause(Lost(["W"]), (HELD,))
    assert cause.evidence == "zero to the bit; another point: zero there too"
    assert cause.refuted_by == REFUTED_BY["disconnected"]
    assert cause.sentence.startswith("dW is zero, and the loss depends on the block")


@pytest.mark.parametrize("family", HYPOTHESES, ids=lambda each: each.__name__)
def test_every_kind_of_hypothesis_has_its_own_refutation_and_a_sentence_in_the_list(family):
    assert family.refute is not Hypothesis.refute
    assert getattr(family, "kind", "scale") in CAUSE_KINDS
    if "said" in vars(family):
        assert family.said in SENTENCES
