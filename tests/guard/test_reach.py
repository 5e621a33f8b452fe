"""What a walk from a loss function finds, and that all of it comes back."""

import collections
import contextvars
import ctypes
import dataclasses
import enum
import functools
import io
import itertools
import logging
import multiprocessing
import pathlib
import random
import sys
import threading
import types
import unittest
import weakref

import numpy as np
import pytest

from gradhook import GradCheckCallback
from gradhook.guard.objects import SavedArray
from gradhook.guard.reach import MOST_OBJECTS, is_plain, reach

COUNTER = 0
RNG = np.random.default_rng(1)
CACHE = {"a": 1}


@dataclasses.dataclass(slots=True)
class Slotted:
    value: object
    other: object = None


class Frozen:
    __slots__ = ("__private",)

    def __init__(self):
        self.__private = [1]

    def contents(self):
        return self.__private


class Plain:
    shared, gone = [0], 1  # that instances share it is the point
    rng = np.random.default_rng(2)

    def __init__(self, **attributes):
        self.__dict__.update(attributes)

    def method(self):
        return 1

    @property
    def by_property(self):
        return RNG.random()

    @staticmethod
    def by_static_method():
        return RNG.random()

    @functools.cached_property
    def by_cached_property(self):
        return RNG.random()


def restored(roots, change, look, **options):
    """Whether what ``look`` shows is the same again after ``change`` and restoring."""
    found = reach(roots, **options)
    before = look()
    change()
    assert look() != before, "nothing was changed"
    assert any(record.changed() for record in [*found.saved, *found.watched])
    for record in found.saved:
        record.restore()
    assert not any(record.changed() for record in found.saved)
    return look() == before


def test_attributes_dictionaries_lists_sets_and_queues_come_back():
    model = Plain(
        d={"a": 1, "b": 2}, l=[1, 2], s={1, 2}, q=collections.deque([1, 2], maxlen=2), gone=3
    )

    def change():
        model.d["c"] = model.d.pop("a")
        model.l.append(3)
        model.s.symmetric_difference_update({2, 3})
        model.q.append(3)
        model.new = 1
        del model.gone

    assert restored([model], change, lambda: repr(vars(model)))


def test_a_default_dictionary_forgets_what_was_only_looked_up():
    default = collections.defaultdict(list)
    assert restored([default], lambda: default["a"], lambda: len(default))


def test_slots_come_back_private_and_unset_ones_too():
    slotted, frozen = Slotted([1]), Frozen()

    def change():
        slotted.value = None
        del slotted.other
        frozen.contents().append(2)

    def look():
        return id(slotted.value), hasattr(slotted, "other"), list(frozen.contents())

    assert restored([slotted, frozen], change, look)


def test_a_name_comes_back_to_the_very_object_and_not_to_an_equal_one():
    slotted = Slotted([1])
    assert restored([slotted], lambda: setattr(slotted, "value", [1]), lambda: id(slotted.value))


def test_variables_of_enclosing_functions_come_back():
    hidden, late = 0, []

    def loss():
        nonlocal hidden
        hidden += 1
        late.append(1)

    assert restored([loss], loss, lambda: (hidden, list(late)))


def test_a_variable_that_was_not_bound_yet_is_unbound_again():
    def loss():
        nonlocal cache
        cache = 1

    if not loss:
        cache = 0
    cell = loss.__closure__[0]
    found = reach([loss])
    loss()
    for record in found.saved:
        record.restore()
    with pytest.raises(ValueError, match="empty"):
        _ = cell.cell_contents


def test_global_variables_that_the_code_names_come_back():
    def loss():
        global COUNTER, NEW
        COUNTER += 1
        NEW = 1
        return RNG.random()

    def look():
        return COUNTER, "NEW" in globals(), RNG.bit_generator.state["state"]["state"]

    assert restored([loss], loss, look)


def test_globals_that_the_code_does_not_name_are_left_alone(monkeypatch):
    found = reach([lambda: COUNTER])
    monkeypatch.setitem(globals(), "OTHER", 1)
    assert not any(record.changed() for record in found.saved)


def test_globals_named_in_a_nested_function_count():
    def loss():
        return [RNG.random() for _ in range(2)] and (lambda: CACHE.update(b=2))()

    assert restored([loss], loss, lambda: (dict(CACHE), RNG.bit_generator.state["state"]["state"]))


SETTINGS = types.ModuleType("settings")
SETTINGS.__file__ = str(pathlib.Path(__file__).with_name("settings.py"))
SETTINGS.rng = np.random.default_rng(1)


SETTINGS.calls = 0
SETTINGS.unused = []


@pytest.mark.parametrize("how", ["global", "enclosing", "held", "imported", "imported name"])
def test_attributes_of_a_module_of_the_users_own_come_back(how, monkeypatch):
    monkeypatch.setitem(sys.modules, "settings", SETTINGS)
    enclosing, model = SETTINGS, Plain(cfg=SETTINGS)

    def by_global():
        SETTINGS.calls += 1
        return SETTINGS.rng.random()

    def by_cell():
        enclosing.calls += 1
        return enclosing.rng.random()

    def by_attribute():
        model.cfg.calls += 1
        return model.cfg.rng.random()

    def by_import():
        import settings

        settings.calls += 1
        return settings.rng.random()

    def by_name():
        from settings import rng

        return rng.random()

    ways = (by_global, by_cell, by_attribute, by_import, by_name)
    loss = ways[["global", "enclosing", "held", "imported", "imported name"].index(how)]

    def look():
        return SETTINGS.calls, SETTINGS.rng.bit_generator.state["state"]["state"]

    assert restored([loss], loss, look)
    assert not any(record.thing is SETTINGS.unused for record in reach([loss]).saved)


def test_attributes_of_functions_and_defaults_come_back():
    def loss(cache=[], *, seen={}):  # noqa: B006 - what is looked for
        loss.calls = getattr(loss, "calls", 0) + 1
        cache.append(1)
        seen[1] = 1

    loss.calls = 0
    assert restored(
        [loss],
        loss,
        lambda: (loss.calls, repr(loss.__defaults__), loss.__kwdefaults__["seen"].copy()),
    )


def test_what_a_thread_keeps_for_itself_comes_back():
    local = threading.local()
    local.calls, local.cache = 0, []

    def loss():
        local.calls += 1
        local.cache.append(1)

    assert restored([loss], loss, lambda: (local.calls, list(local.cache)))


def test_attributes_of_a_class_come_back():
    def change():
        Plain.shared.append(1)
        Plain.count, Plain.method = 1, None
        Plain.rng.random()
        del Plain.gone

    def look():
        names = {name: id(value) for name, value in vars(Plain).items() if name[:2] != "__"}
        return names, list(Plain.shared), Plain.rng.bit_generator.state["state"]["state"]

    assert restored([Plain()], change, look)


@pytest.mark.parametrize(
    "base",
    [
        threading.Thread,
        unittest.TestCase,
        multiprocessing.Process,
        logging.Handler,
        GradCheckCallback,
        np.random.RandomState,
    ],
)
def test_what_a_user_derives_from_a_librarys_class_is_the_users(base):
    class Trainer(base):
        def runTest(self):
            self.calls = getattr(self, "calls", 0) + 1

    trainer = Trainer(square, enabled=True) if base is GradCheckCallback else Trainer()
    assert restored([trainer.runTest], trainer.runTest, lambda: getattr(trainer, "calls", 0))
    assert reach([trainer]).hidden == []


def square(x):
    return x**2, 2 * x


def test_attributes_of_an_enumeration_come_back():
    class Mode(enum.Enum):
        TRAIN = 1

        def loss(self):
            self.calls = getattr(self, "calls", 0) + 1

    loss = Mode.TRAIN.loss
    assert restored([loss], loss, lambda: getattr(Mode.TRAIN, "calls", 0))


def test_objects_that_are_keys_come_back():
    layer = Plain(calls=0)
    layers = {layer: "dropout", (1, layer): "again"}
    assert restored([layers], lambda: vars(layer).update(calls=1), lambda: layer.calls)


@pytest.mark.parametrize(
    "generator", [np.random.default_rng(1), np.random.PCG64(1), np.random.SeedSequence(1)]
)
def test_children_that_a_generator_spawned_are_forgotten(generator):
    seeds = getattr(getattr(generator, "bit_generator", generator), "seed_seq", generator)
    assert restored([generator], lambda: generator.spawn(1), lambda: seeds.n_children_spawned)


def test_numbers_that_c_holds_come_back():
    class Pair(ctypes.Structure):
        _fields_ = (("a", ctypes.c_int), ("b", ctypes.c_double))

    shared, table, pair = multiprocessing.Value("i", 0), (ctypes.c_double * 3)(), Pair()

    def change():
        shared.value += 1
        table[2] = 1.0
        pair.b = 2.0

    assert restored([shared, table, pair], change, lambda: (shared.value, table[2], pair.b))
    assert reach([shared, table, pair]).hidden == []


@pytest.mark.parametrize("name", ["by_property", "by_cached_property"])
def test_what_a_property_draws_from_comes_back(name):
    def look():
        return RNG.bit_generator.state["state"]["state"]

    assert restored([Plain()], lambda: getattr(Plain(), name), look)


def test_methods_partials_and_bound_builtins_lead_to_their_objects():
    model = Plain(rng=np.random.default_rng(1))
    draw = np.random.default_rng(2).standard_normal
    bound = functools.partial(print, model, key=[1])

    def change():
        model.rng.random()
        draw()
        bound.keywords["key"].append(2)

    def look():
        return (
            model.rng.bit_generator.state["state"]["state"],
            draw.__self__.bit_generator.state["state"]["state"],
            repr(bound.keywords),
        )

    assert restored([bound, draw], change, look)


def test_a_weak_reference_leads_to_its_object():
    model = Plain(value=[1])
    reference = weakref.ref(model)
    assert restored([reference], lambda: model.value.append(2), lambda: list(model.value))


def test_arrays_come_back_inside_object_arrays_and_subclasses_too():
    class Tagged(np.ndarray):
        pass

    tagged = np.zeros(2).view(Tagged)
    inside = np.zeros(2)
    holder = np.array([inside, [1]], dtype=object)

    def change():
        tagged[0] = inside[1] = 1
        holder[1].append(2)
        tagged.note = 1

    assert restored(
        [holder, tagged],
        change,
        lambda: (tagged.tolist(), inside.tolist(), list(holder[1]), hasattr(tagged, "note")),
    )


def test_cycles_and_sharing_survive():
    shared = [1]
    model = Plain(one=shared, two=shared)
    model.self = model
    model.loop = [model.loop] if hasattr(model, "loop") else [model]
    found = reach([model])
    model.one, model.two = [1], [1]
    for record in found.saved:
        record.restore()
    assert model.one is model.two is shared


def test_read_only_arrays_are_not_saved():
    data = np.zeros(10)
    data.flags.writeable = False
    assert not any(isinstance(record, SavedArray) for record in reach([data]).saved)


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_of_a_mapped_file_the_array_is_all_there_is_to_save(tmp_path, mode):
    np.save(tmp_path / "X.npy", np.zeros(3))
    data = np.load(tmp_path / "X.npy", mmap_mode=mode)
    found = reach([(data, data[1:])])
    assert found.hidden == []
    assert any(isinstance(record, SavedArray) for record in found.saved) == (mode == "r+")


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (io.StringIO(), "StringIO"),
        (iter([1]), "list_iterator"),
        ((i for i in range(2)), "generator"),
        (itertools.count(), "count"),
        (zip([1], [2], strict=True), "zip"),
        (ctypes.py_object([]), "py_object"),
        (ctypes.pointer(ctypes.c_int(1)), "LP_c_int"),
        (memoryview(bytearray(3)), "memoryview"),
        (contextvars.ContextVar("mode"), "ContextVar"),
    ],
)
def test_what_cannot_be_saved_is_named(thing, name):
    found = reach([Plain(hidden_here=thing)])
    assert found.hidden == [f"{name} 'hidden_here'"]


def test_an_ordinary_model_hides_nothing():
    model = Plain(
        W=np.zeros(3),
        name="x",
        path=pathlib.Path("a"),
        log=logging.getLogger("x"),
        thread=threading.Thread(),
        lock=threading.Lock(),
        screen=sys.stdout,
        cached=functools.cache(len),
        kind=int,
        dtype=np.dtype(float),
        function=np.exp,
        module=sys,
        scalar=np.float32(1),
        view=types.MappingProxyType({"a": 1}),
        system=random.SystemRandom(),
    )
    assert reach([model]).hidden == []


def test_a_proxy_that_raises_is_named_and_the_walk_goes_on():
    class Proxy:
        @property
        def __class__(self):
            raise RuntimeError("not bound")

    data = np.zeros(2)
    found = reach([{"proxy": Proxy(), "data": data}])
    assert found.hidden == ["Proxy 'proxy'"]
    assert any(isinstance(record, SavedArray) for record in found.saved)


def test_a_callback_that_the_model_holds_is_not_entered():
    """Its history would be put back, and with it every report forgotten."""
    check = GradCheckCallback(square, np.ones(1), enabled=True)
    found = reach([Plain(check=check)])
    check.history.append("report")
    for record in found.saved:
        record.restore()
    assert check.history == ["report"]


def test_arrays_in_built_in_containers_are_plain_and_whatever_runs_code_is_not():
    class Own(dict):
        pass

    plain = {"w": np.ones(1), "more": [(None, 1.0, "x", np.float32(1))]}
    assert is_plain(plain)
    for other in (Own(), lambda: 1, Plain(), np.array([[]], dtype=object), np.ma.ones(2)):
        assert not is_plain([plain, {"deep": (other,)}])


def test_globals_of_installed_libraries_are_left_alone():
    from scipy.optimize import rosen

    found = reach([rosen])
    assert not any("global variables" in record.describe() for record in found.saved)


def test_arrays_beyond_the_budget_are_watched_the_largest_first():
    small, large = np.zeros(100), np.zeros(1000)
    found = reach([{"large": large, "small": small}], budget=large.nbytes)
    assert len(found.watched) == 1
    assert found.watched[0].describe().startswith("an array of shape (1000,) and dtype float64")
    small[:], large[:] = 1, 1
    for record in found.saved:
        record.restore()
    assert small.sum() == 0
    assert not any(record.changed() for record in found.saved)
    assert found.watched[0].changed()


def test_what_is_named_is_saved_whatever_its_size():
    large = np.zeros(1000)
    assert restored(
        [[large]], lambda: large.fill(1), lambda: large.sum(), named=[{"a": large}], budget=0
    )


def test_a_walk_ends_and_says_that_there_was_more(monkeypatch):
    most = 2 * sys.getrecursionlimit()
    assert most < MOST_OBJECTS
    monkeypatch.setattr("gradhook.guard.reach.MOST_OBJECTS", most)
    chain = None
    for _ in range(most + 10):
        chain = [chain]
    assert reach([chain]).cut
    assert not reach([[1.0] * (most + 10)]).cut, "numbers are not entered"


NUMBER = 1


def test_what_was_saved_is_called_what_it_is():
    bound = [1]

    class Plain:
        pass

    def loss():
        return bound, Plain(), NUMBER

    described = {record.describe() for record in reach([loss, Slotted(1)]).saved}
    assert {
        "the slots of a Slotted",
        "the variable bound of an enclosing function",
        "the class Plain",
        f"global variables of {__name__}",
    } <= described
