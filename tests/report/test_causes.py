"""A cause is of a known family and kind, or is none."""

import pytest

from gradhook.report.causes import CAUSE_FAMILIES, CAUSE_KINDS, Cause


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("Z", "scale"), "unknown cause family 'Z'; known: S, R, B"),
        (("S", "reg_mising"), "unknown cause kind 'reg_mising'; did you mean 'reg_missing'?; see"),
        (("S", "scale", "sure"), "unknown confidence 'sure'; known: exact, family"),
    ],
)
def test_what_is_not_in_the_vocabulary_is_refused_with_what_is(given, said):
    family, kind, *rest = given
    with pytest.raises(ValueError, match="unknown") as caught:
        Cause(family, kind, ("W",), "a sentence", confidence=(rest or ["exact"])[0])
    assert said in str(caught.value)


def test_every_kind_makes_a_cause_and_causes_of_the_same_words_are_equal():
    causes = [Cause("S", kind, ["W"], "a sentence") for kind in CAUSE_KINDS]
    assert len(set(causes)) == len(CAUSE_KINDS)
    assert causes[0] == Cause("S", CAUSE_KINDS[0], ("W",), "a sentence")
    assert all(letter.isupper() and len(letter) == 1 for letter in CAUSE_FAMILIES)
