"""One thing that can change, as it was: objects, saved shallowly, generators, bytes of arrays.

A ``Saved`` tells whether its thing has changed and puts it back, in the manner of its ``Kind``.  Of
a container it knows which objects are held, and in what order.  An object that is reachable twice
is saved once, so that sharing survives; what the held objects hold themselves is saved by their own
records.  Identity is compared, never equality, and the methods used are those of the built-in
classes: no code of the user's runs here.

A random stream is more than the state of its bits: ``RandomState`` keeps the second half of a pair
of normal numbers, and ``spawn`` counts children in the seed sequence, which is saved by itself.

The bytes of an array are copied and written back, or remembered by a fingerprint: Python's hash of
each chunk, which a change alters but for one chance in 2⁶⁴.  Comparing comes before writing, so
that what nobody changed costs one reading and no writing, and goes in chunks: no comparison makes a
temporary array as large as what it compares.
"""

from __future__ import annotations

import array
import collections
import contextlib
import copy
import operator
import random
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from gradhook._types import Array

COMPARED_BYTES = 1 << 19
"""Bytes compared at a time: half a megabyte, which stays in a second-level cache."""

MISSING: Any = object()
"""Stands for a key that is not there."""

GENERATORS = (
    *(np.random.Generator, np.random.BitGenerator, np.random.RandomState, random.Random),
    np.random.SeedSequence,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """How things of one kind are saved."""

    describe: Callable[[Any, Any], str]  # says what a thing is, given the state saved
    read: Callable[[Any], Any]  # returns its state, as a value of its own
    write: Callable[[Any, Any], object]  # sets a state
    same: Callable[[Any, Any], bool] = operator.eq  # whether two states are equal, to the bit
    is_generator: bool = False  # of random numbers


class Saved:
    """One thing that can change, as it was; there is one for every object in reach."""

    __slots__ = ("kind", "state", "thing")

    def __init__(self, thing: Any, kind: Kind) -> None:
        self.thing = thing
        self.kind = kind
        self.state = kind.read(thing)

    def changed(self) -> bool:
        """Whether it differs from what was saved."""
        return not self.kind.same(self.kind.read(self.thing), self.state)

    def restore(self) -> None:
        """Put it back where it differs; may be called any number of times."""
        if self.changed():
            self.kind.write(self.thing, self.state)

    def describe(self) -> str:
        """Return what it is, for an error message."""
        return self.kind.describe(self.thing, self.state)


def save(thing: Any) -> Saved | None:
    """Save a container, buffer or generator; ``None`` for anything else, as what has no state."""
    if isinstance(thing, random.SystemRandom):
        return None
    return next((Saved(thing, kind) for kinds, kind in KINDS if isinstance(thing, kinds)), None)


def global_streams() -> list[Saved]:
    """Save the process's own streams, ``numpy.random`` and ``random``."""
    return [Saved(np.random, STATES), Saved(random, PYTHONS)]


def seeds_of(thing: Any) -> Any:
    """The seed sequence whose children a generator spawns; ``None`` where it has none."""
    return getattr(_bits(thing), "seed_seq", None)


def _same_objects(now: list[Any], before: list[Any]) -> bool:
    return len(now) == len(before) and all(map(operator.is_, now, before))


def _of_dict(owner: dict[Any, Any]) -> Any:
    """Methods of the built-in class, past those that a subclass has put in their place."""
    return collections.OrderedDict if isinstance(owner, collections.OrderedDict) else dict


def _keys_and_values(owner: dict[Any, Any]) -> list[Any]:
    kind = _of_dict(owner)
    return [*kind.keys(owner), *kind.values(owner)]


def _fill_dict(owner: dict[Any, Any], state: list[Any]) -> None:
    """Bind what differs; fill anew only where keys came, went or changed places."""
    kind, keys = _of_dict(owner), state[: len(state) // 2]
    if not _same_objects(list(kind.keys(owner)), keys):
        kind.clear(owner)
    for key, value in zip(keys, state[len(keys) :], strict=True):
        if kind.get(owner, key, MISSING) is not value:
            kind.__setitem__(owner, key, value)


def _with_keys(owner: dict[Any, Any], state: list[Any]) -> str:
    keys = state[: len(state) // 2]
    shown = ", ".join(repr(key)[:20] for key in keys[:3])
    return f"a {type(owner).__name__} with {shown}{', …' if len(keys) > 3 else ''}"


def _fill(owner: Any, items: Any) -> None:
    kind = list if isinstance(owner, list) else type(owner)
    kind.__setitem__(owner, slice(None), items)


def _fill_deque(owner: Any, items: list[Any]) -> None:
    collections.deque.clear(owner)
    collections.deque.extend(owner, items)


def _fill_set(owner: set[Any], members: list[Any]) -> None:
    set.clear(owner)
    set.update(owner, members)


def _same_members(now: list[Any], before: list[Any]) -> bool:
    """Whether two sets hold the same objects; their order is a set's own business."""
    return set(map(id, now)) == set(map(id, before))


def _same_buffers(now: Any, before: Any) -> bool:
    return bytes(now) == bytes(before)


def _of_items(owner: Any, items: Any) -> str:
    return f"a {type(owner).__name__} of {len(items)} items"


def _which_generator(thing: Any, _: Any) -> str:
    if thing in (random, np.random):
        return f"{'Python' if thing is random else 'NumPy'}'s global random stream"
    return f"the random generator {type(thing).__name__}"


def _bits(thing: Any) -> Any:
    return thing.bit_generator if isinstance(thing, np.random.Generator) else thing


def _set_children(seeds: Any, children: int) -> None:
    """Set how many children a seed sequence has spawned, as nothing but unpickling can."""
    entropy, _, *rest = seeds.__reduce__()[2]
    seeds.__setstate__((entropy, children, *rest))


def _same_states(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and same_bytes(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same_states(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(_same_states, a, b))
    return bool(a == b)


def _generators(
    read: Callable[[Any], Any],
    write: Callable[[Any, Any], object],
    same: Callable[[Any, Any], bool] = _same_states,
) -> Kind:
    return Kind(_which_generator, read, write, same, is_generator=True)


# Of a RandomState, or of the module that stands for the global one.  The older form of the state
# exists for one bit generator only, and warns for others.
STATES = _generators(
    lambda thing: thing.get_state(legacy=False), lambda thing, state: thing.set_state(state)
)
# 625 plain numbers, for which equality will do.
PYTHONS = _generators(
    lambda thing: thing.getstate(), lambda thing, state: thing.setstate(state), operator.eq
)

KINDS: tuple[tuple[Any, Kind], ...] = (
    (dict, Kind(_with_keys, _keys_and_values, _fill_dict, _same_objects)),
    (list, Kind(_of_items, list, _fill, _same_objects)),
    (set, Kind(_of_items, list, _fill_set, _same_members)),
    (collections.deque, Kind(_of_items, list, _fill_deque, _same_objects)),
    ((bytearray, array.array), Kind(_of_items, copy.copy, _fill, _same_buffers)),
    (
        (np.random.Generator, np.random.BitGenerator),
        _generators(lambda rng: _bits(rng).state, lambda rng, to: setattr(_bits(rng), "state", to)),
    ),
    (np.random.RandomState, STATES),
    (random.Random, PYTHONS),
    # Whose entropy stays what it is.
    (np.random.SeedSequence, _generators(lambda seeds: seeds.n_children_spawned, _set_children)),
)
"""How each kind of container and of generator is saved."""


def save_slots(thing: Any) -> Saved | None:
    """Save the slots of an object; ``None`` if its class, written in Python, has none."""
    members = [
        member
        for kind in type(thing).__mro__
        if "__slots__" in vars(kind)
        for member in vars(kind).values()
        if isinstance(member, types.MemberDescriptorType)
    ]
    what = f"the slots of a {type(thing).__name__}"
    return Saved((thing, members, what), MEMBERS) if members else None


Binder: TypeAlias = tuple[Any, Sequence[Any], str]
"""Something that binds names, those of its names that count, and what it is."""


def _bindings(
    read: Callable[[Binder], dict[Any, Any]],
    put: Callable[[Any, Any, Any], object],
    drop: Callable[[Any, Any], object],
) -> Kind:
    """What names are bound to; ``read`` gives those bound, ``put`` binds one, ``drop`` none."""

    def write(thing: Binder, state: dict[Any, Any]) -> None:
        now = read(thing)
        for name in now.keys() - state.keys():
            drop(thing[0], name)
        for name, value in state.items():
            if now.get(name, MISSING) is not value:
                put(thing[0], name, value)

    return Kind(lambda thing, _: thing[2], read, write, _same_bindings)


def _same_bindings(now: dict[Any, Any], before: dict[Any, Any]) -> bool:
    return len(now) == len(before) and all(
        now.get(name, MISSING) is value for name, value in before.items()
    )


def _bound_members(thing: Binder) -> dict[Any, Any]:
    bound = {}
    for member in thing[1]:
        with contextlib.suppress(AttributeError, ValueError):  # bound to nothing
            bound[member] = member.__get__(thing[0])
    return bound


CONTENTS = vars(types.CellType)["cell_contents"]
"""The member that tells what a variable of an enclosing function is bound to."""

# Slots, and such variables.  Descriptors reach past a frozen dataclass's own __setattr__.
MEMBERS = _bindings(
    _bound_members,
    lambda owner, member, value: member.__set__(owner, value),
    lambda owner, member: member.__delete__(owner),
)

CLASS = _bindings(
    lambda thing: {n: v for n, v in vars(thing[0]).items() if not n.startswith("__")},
    type.__setattr__,
    type.__delattr__,
)

GLOBALS = _bindings(
    lambda thing: {name: thing[0][name] for name in thing[1] if name in thing[0]},
    dict.__setitem__,
    dict.__delitem__,
)


class SavedArray(Saved):
    """A writable array and a copy of its bytes, which are written back in place."""

    __slots__ = ()

    def __init__(self, array: Array) -> None:
        super().__init__(array, COPIED)

    def changed(self) -> bool:
        """Whether shape, dtype or bytes differ, or the array may no longer be written."""
        return not (self.thing.flags.writeable and same_bytes(self.thing, self.state))


def _write_back(array: Array, copy: Array) -> None:
    if not array.flags.writeable:
        array.flags.writeable = True
    if array.dtype != copy.dtype:
        # Set where it is, as its user has done.
        array.dtype = copy.dtype  # type: ignore[misc]  # the stubs know no setter
    if array.shape != copy.shape:
        array.resize(copy.shape, refcheck=False)
    array.view(np.ndarray)[...] = copy


COPIED = Kind(
    lambda _, copy: f"an array of shape {copy.shape} and dtype {copy.dtype}",
    # Of the same layout: sums over another order of the same numbers may round differently.
    lambda array: np.array(array, copy=True, order="K", subok=False),
    _write_back,
)


def same_bytes(first: Array, second: Array) -> bool:
    """Whether two arrays have equal shape, dtype and bytes (NaN included, 0.0 and -0.0 apart).

    Of objects the identities are compared.
    """
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    if first.dtype.hasobject:
        return all(a is b for a, b in zip(first.flat, second.flat, strict=True))
    if first.nbytes <= COMPARED_BYTES:
        return np.asarray(first).tobytes() == np.asarray(second).tobytes()
    return all(bool((a == b).all()) for a, b in _chunks(first, second))


def fingerprint(array: Array) -> tuple[object, ...]:
    """What tells an array from another of other shape, dtype or bytes."""
    return array.shape, array.dtype, *(hash(chunk.tobytes()) for (chunk,) in _chunks(array))


WATCHED = Kind(
    lambda array, _: (
        f"an array of shape {array.shape} and dtype {array.dtype} ({array.nbytes / 2**20:.0f} MiB, "
        "too large to be copied unasked: pass it as state=)"
    ),
    fingerprint,
    lambda array, mark: None,
)
"""Arrays that are not copied: a change is noticed and cannot be undone."""


def extent(array: Array) -> tuple[object, ...]:
    """What two arrays that are the same view of the same memory have in common."""
    return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype


def _chunks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Equal parts of arrays of one shape, in C order, as 64-bit words where they divide so."""
    if not arrays[0].nbytes:
        return
    plain = [array.view(np.ndarray) for array in arrays]
    for order in ("c_contiguous", "f_contiguous"):
        if all(getattr(array.flags, order) for array in plain):
            turned = [array if order[0] == "c" else array.T for array in plain]
            flat = [array.reshape(-1).view(np.uint8) for array in turned]
            for start in range(0, flat[0].size, COMPARED_BYTES):
                yield tuple(_words(array[start : start + COMPARED_BYTES]) for array in flat)
            return
    flags: Any = [["readonly", "contig"]] * len(plain)
    parts = np.nditer(
        plain,
        flags=["external_loop", "buffered"],
        op_flags=flags,
        order="C",
        buffersize=max(1, COMPARED_BYTES // plain[0].itemsize),
    )
    for part in parts:
        together = part if isinstance(part, tuple) else (part,)
        yield tuple(_words(array.view(np.uint8)) for array in together)


def _words(part: Array) -> Array:
    return part.view(np.uint64) if part.size % 8 == 0 else part
