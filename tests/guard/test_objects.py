"""Containers come back to the very objects that they held, in their order."""

import array
import collections

import pytest

from gradhook.guard.objects import Saved, save

ONE, TWO, THREE = [1], [2], [3]


class Loud(dict):
    def __setitem__(self, key, value):
        raise AssertionError("the methods of the user's class are not called")


@pytest.mark.parametrize(
    ("made", "change", "described"),
    [
        (lambda: {"a": ONE, "b": TWO}, lambda d: d.update(a=[1]), "a dict with 'a', 'b'"),
        (lambda: Loud(a=ONE), lambda d: dict.pop(d, "a"), "a Loud with 'a'"),
        (
            lambda: collections.OrderedDict(a=ONE, b=TWO, c=1, d=2),
            lambda d: d.move_to_end("a"),
            "a OrderedDict with 'a', 'b', 'c', …",
        ),
        (lambda: [ONE, TWO], lambda items: items.reverse(), "a list of 2 items"),
        (
            lambda: collections.deque([ONE, TWO], maxlen=2),
            lambda items: items.append(THREE),
            "a deque of 2 items",
        ),
        (lambda: {1, 2, 3}, lambda s: s.symmetric_difference_update({3, 4}), "a set of 3 items"),
        (lambda: bytearray(b"abc"), lambda b: b.extend(b"d"), "a bytearray of 3 items"),
        (lambda: array.array("d", [1, 2]), lambda a: a.pop(), "a array of 2 items"),
    ],
)
def test_a_container_comes_back_to_the_same_objects_in_the_same_order(made, change, described):
    thing = made()
    before = list(thing.items() if isinstance(thing, dict) else thing)
    record = save(thing)
    assert not record.changed()
    change(thing)
    assert record.changed()
    for _ in range(2):  # may be put back any number of times
        record.restore()
        after = list(thing.items() if isinstance(thing, dict) else thing)
        assert after == before
        assert [id(x) for x in after if isinstance(x, list)] == [
            id(x) for x in before if isinstance(x, list)
        ]
        assert not record.changed()
    assert record.describe() == described
    assert isinstance(record, Saved)
    assert not record.kind.is_generator
    assert not hasattr(record, "__dict__")  # there is one for every object in reach
