"""What one object leads to, and what is left out of the walk."""

import collections
import contextvars
import enum
import functools
import io
import logging
import pathlib
import threading
import types
import weakref

import numpy as np
import pytest

from gradhook.guard import reach as module
from gradhook.guard.reach import hides_state, is_library, is_machinery, neighbours

RNG = np.random.default_rng(0)
UNUSED = np.random.default_rng(1)


class Plain:
    shared = [0]  # noqa: RUF012  (that instances share it is the point)
    number = 1

    def __init__(self):
        self.own = [1]

    def method(self):
        return RNG.random()


class Slotted:
    __slots__ = ("slot",)


THING, SLOTTED = Plain(), Slotted()
SLOTTED.slot = INNER = [2]
PARTIAL = functools.partial(max, INNER)


def outer():
    free = INNER

    def inner(default=THING, *, keyword=SLOTTED):
        return free, RNG

    return inner


FUNCTION = outer()
(FREE,) = FUNCTION.__closure__


class Batches:
    def __init__(self):
        self.position = 0

    def __next__(self):
        return 1


@pytest.mark.parametrize(
    ("thing", "found"),
    [
        ({"a": INNER, 3: THING, "n": 1}, [(INNER, "a"), (THING, "label")]),
        ([INNER, 1, "text"], [(INNER, "label")]),
        (collections.deque([THING]), [(THING, "label")]),
        (np.array([INNER, None], dtype=object), [(INNER, "label"), (None, "label")]),
        (np.zeros(3), []),
        (RNG, []),
        (PARTIAL, [(max, "label"), (PARTIAL.args, "label")]),
        (weakref.ref(THING), [(THING, "label")]),
        (THING, [(vars(THING), "label"), (Plain, "label")]),
        (SLOTTED, [(INNER, "slot"), (Slotted, "label")]),
        (THING.method, [(Plain.method, "label"), (THING, "label")]),
        (types.MappingProxyType({"a": INNER}), [(INNER, "label")]),
        (property(Plain.method), [(Plain.method, "label")]),
        (Plain, [(Plain.shared, "shared"), (Plain.method, "method")]),
        (Plain.method, [(RNG, "RNG")]),
        (FUNCTION, [(FREE, "free"), (THING, "inner"), (SLOTTED, "keyword"), (RNG, "RNG")]),
        (types.CellType(), []),
        (types.CellType(INNER), [(INNER, "label")]),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_an_object_leads_to_what_it_holds_or_names(thing, found):
    edges = [(id(value), name) for value, name in neighbours(thing, "label", {})]
    assert {(id(value), name) for value, name in found} <= set(edges)
    assert id(UNUSED) not in dict(edges)
    if not found:
        assert edges == []


def test_the_names_that_functions_use_are_kept_by_their_module():
    homes = {}
    list(neighbours(Plain.method, "", homes))
    (home,) = homes.values()
    assert home.variables is globals()
    assert "RNG" in home.names
    assert "UNUSED" not in home.names


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize(
    ("thing", "out"),
    [
        *((logging.getLogger("x"), True), (threading.Thread, True), (Colour.RED, True)),
        *((pathlib.Path(), True), (np.float64(1), True), (np.linalg.LinAlgError, True)),
        *((module.Home({}), True), (THING, False), (Plain, False), ({}, False), (RNG, False)),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_machinery_and_libraries_are_left_out(thing, out):
    assert is_machinery(thing) is out


@pytest.mark.parametrize(
    ("thing", "hidden"),
    [
        *((io.StringIO(), True), (iter([1]), True), ((i for i in ()), True)),
        *((contextvars.ContextVar("v"), True), (threading.Lock(), True)),
        *((THING, False), ((1,), False), (Batches(), False)),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_what_has_a_state_that_cannot_be_read_is_told(thing, hidden):
    assert hides_state(thing) is hidden


def test_installed_libraries_are_told_from_the_users_files():
    assert is_library(np.__file__)
    assert is_library(logging.__file__)
    assert not is_library(__file__)
