"""What was not put to the test cannot be named."""

import pytest

from gradhook import CAUSE_KINDS
from gradhook.diagnosis.hypotheses import HYPOTHESES
from gradhook.diagnosis.hypothesis import NOT_MADE, Hypothesis, Refutation, Trial, name_cause
from gradhook.diagnosis.sentences import REFUTED_BY, SENTENCES, say


class Lost(Hypothesis):
    """A block that is never written."""

    family, kind, said = "D", "disconnected", "disconnected"
    blocks, support = ("W",), "zero to the bit"

    @classmethod
    def propose(cls, mismatch, names):
        yield cls()

    def refute(self, mismatch):
        return NOT_MADE

    def sentence(self):
        return say(self.said, d="dW")


HELD = Trial("another point", "zero there too")
BROKEN = Trial("another point", "not zero", refuted=True)


def test_a_refutation_that_was_not_made_does_not_survive():
    assert not NOT_MADE.made
    assert not NOT_MADE.survived


def test_one_trial_that_rules_it_out_is_enough():
    assert Refutation((HELD,)).survived
    assert not Refutation((HELD, BROKEN)).survived
    assert not Refutation((HELD,)).then(Refutation((BROKEN,))).survived


@pytest.mark.parametrize(
    ("refutation", "why"),
    [(NOT_MADE, "it was not put to the tes"), (Refutation((HELD, BROKEN)), "it was ruled out")],
)
def test_what_was_not_put_to_the_test_or_was_ruled_out_cannot_be_named(refutation, why):
    with pytest.raises(ValueError, match=f"disconnected cannot be named: {why}"):
        name_cause(Lost(), refutation)


def test_the_evidence_says_what_was_tried_and_what_came_out():
    cause = name_cause(Lost(), Refutation((HELD,)))
    assert cause.evidence == "zero to the bit; another point: zero there too"
    assert cause.refuted_by == REFUTED_BY["disconnected"]
    assert cause.sentence.startswith("dW is zero, and the loss depends on the block")


def test_what_the_trials_taught_is_what_is_named():
    class Sharper(Lost):
        blocks = ("W", "V")

    cause = name_cause(Lost(), Refutation((HELD,), Sharper()))
    assert cause.blocks == ("W", "V")


@pytest.mark.parametrize("family", HYPOTHESES, ids=lambda each: each.__name__)
def test_every_kind_of_hypothesis_has_its_own_refutation_and_a_sentence_in_the_list(family):
    assert family.refute is not Hypothesis.refute
    assert getattr(family, "kind", "scale") in CAUSE_KINDS
    if "said" in vars(family):
        assert family.said in SENTENCES
