"""Containers and names come back to the very objects that they held, in their order."""

import array
import collections
import types

import pytest

from gradhook.guard.objects import CLASS, CONTENTS, GLOBALS, MEMBERS, Saved, save, save_slots

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


class Slotted:
    __slots__ = ("empty", "full")


class Plain:
    shared = 1

    def method(self):
        return 1


def closure():
    variable = 1

    def inner():
        return variable

    return inner.__closure__[0]


def slotted():
    thing = Slotted()
    thing.full = ONE
    return thing


def rebind_slots(thing):
    thing.full, thing.empty = [1], 2


def rebind_class(kind):
    kind.method, kind.new = None, 2
    del kind.shared


HOME = {"__name__": "home", "a": ONE, "other": 1}


@pytest.mark.parametrize(
    ("save", "thing", "change", "look", "described"),
    [
        (
            *(save_slots, slotted(), rebind_slots),
            lambda thing: (id(thing.full), hasattr(thing, "empty")),
            "the slots of a Slotted",
        ),
        (
            *(lambda kind: Saved((kind, (), "it"), CLASS), Plain, rebind_class),
            lambda kind: {n: v for n, v in vars(kind).items() if not n.startswith("__")},
            "it",
        ),
        (
            lambda home: Saved((home, ["a", "unbound"], "it"), GLOBALS),
            HOME,
            lambda home: home.update(a=[1], unbound=2),
            lambda home: (id(home["a"]), "unbound" in home),
            "it",
        ),
        (
            lambda cell: Saved((cell, [CONTENTS], "it"), MEMBERS),
            closure(),
            lambda cell: setattr(cell, "cell_contents", 2),
            lambda cell: cell.cell_contents,
            "it",
        ),
        (
            lambda cell: Saved((cell, [CONTENTS], "it"), MEMBERS),
            types.CellType(),
            lambda cell: setattr(cell, "cell_contents", 2),
            lambda cell: cell == types.CellType(),
            "it",
        ),
    ],
    ids=["slots", "class", "globals", "cell", "empty cell"],
)
def test_names_are_bound_to_what_they_were_and_new_ones_unbound(
    save, thing, change, look, described
):
    record, before = save(thing), look(thing)
    assert not record.changed()
    change(thing)
    assert record.changed()
    record.restore()
    assert look(thing) == before
    assert not record.changed()
    assert record.describe() == described


def test_only_globals_that_were_named_are_looked_after_and_classes_without_slots_have_none():
    record = Saved((HOME, ["a"], "globals"), GLOBALS)
    HOME["other"] = 2
    assert not record.changed()
    assert record.state == {"a": ONE}
    assert save_slots(Plain()) is None
