"""Wrong parts of a block in words, and whether they are a part at all."""

import pytest

from gradhook.verdict.evidence import BlockEvidence, Location, Norms, describe, is_apart

EVIDENCE = BlockEvidence("W", size=1000, analytic_norm=1.0, scale=1.0)


def element(i):
    return (slice(i, i + 1), slice(7, 8))


def column(*, numerical_norm):
    box = (slice(0, 100), slice(7, 8))
    return Location("W", (100, 10), (box,), Norms(numerical=numerical_norm))


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ([(slice(0, 100), slice(7, 8))], "W[:, 7]"),
        ([(slice(3, 5), slice(0, 10))], "W[3:5, :]"),
        ([element(i) for i in range(5)], "W[0, 7], W[1, 7], W[2, 7] and 2 more"),
    ],
)
def test_parts_are_named_as_they_would_be_indexed(boxes, words):
    assert describe(Location("W", (100, 10), tuple(boxes))) == words


def test_one_part_is_apart_unless_it_holds_most_of_the_gradient():
    assert is_apart(column(numerical_norm=0.1), EVIDENCE, few=0.1)
    assert not is_apart(column(numerical_norm=0.9), EVIDENCE, few=0.1)


def test_many_parts_are_apart_while_they_are_few_elements():
    def found(count):
        boxes = tuple(element(i) for i in range(count))
        return Location("W", (100, 10), boxes, Norms(numerical=0.0))

    assert is_apart(found(100), EVIDENCE, few=0.1)
    assert not is_apart(found(101), EVIDENCE, few=0.1)
