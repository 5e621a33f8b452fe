"""The search names what survives its refutation, each block at most once."""

import types

from gradhook.diagnosis.explain import diagnose
from gradhook.diagnosis.hypothesis import NOT_MADE, Hypothesis, Refutation, Trial, name_cause
from gradhook.diagnosis.sentences import say


def family(name, blocks, refutation, *, elimination=False):
    """A kind of hypothesis about some blocks, with what comes of its refutation."""

    class Made(Hypothesis):
        family, kind, said = "D", "disconnected", "disconnected"
        by_elimination = elimination
        support = name

        def __init__(self, blocks):
            self.blocks = tuple(blocks)

        @classmethod
        def propose(cls, mismatch, names):
            asked.append((name, list(names)))
            yield cls(blocks)

        def predict(self):
            return dict.fromkeys(self.blocks)

        def refute(self, mismatch):
            return refutation

        def sentence(self):
            return say(self.said, d=name)

    return Made


asked = []
HELD = Refutation((Trial("tried", "held"),))
BROKEN = Refutation((Trial("tried", "broke", refuted=True),))


def search(*families, left=1000):
    asked.clear()
    budget = types.SimpleNamespace(left=left)
    mismatch = types.SimpleNamespace(blocks={"W": None, "b": None}, budget=budget)
    return [name_cause(*each).evidence for each in diagnose(mismatch, keep=100, among=families)]


def test_what_survives_is_named_and_its_blocks_are_explained():
    first, second = family("first", ["W"], HELD), family("second", ["W"], HELD)
    assert search(first, second) == ["first; tried: held"]
    assert asked == [("first", ["W", "b"]), ("second", ["b"])]


def test_what_is_ruled_out_or_was_not_tried_is_not_named_and_the_next_is_asked():
    ruled_out, untried = family("ruled out", ["W"], BROKEN), family("untried", ["W"], NOT_MADE)
    assert search(ruled_out, untried, family("third", ["W"], HELD)) == ["third; tried: held"]


def test_two_faults_are_both_told():
    both = family("one", ["W"], HELD), family("two", ["b"], HELD)
    assert search(*both) == ["one; tried: held", "two; tried: held"]


def test_what_goes_by_elimination_is_not_asked_of_blocks_that_something_fitted():
    search(family("fits", ["W"], BROKEN), family("rest", ["b"], HELD, elimination=True))
    assert asked[1] == ("rest", ["b"])


def test_nothing_is_asked_that_places_need_the_budget_for():
    assert search(family("first", ["W"], HELD), left=99) == []
    assert asked == []
