"""Whatever happens inside a check, and whenever, everything comes back.

Faults are put in at every single evaluation of a standard check, one check for each.
"""

import signal
from unittest.mock import Mock

import numpy as np
import pytest

from gradhook import GradCheckCallback, check_gradients
from gradhook.errors import GradhookError
from gradhook.guard.guard import Guard
from tests.contracts import training

STYLES = ("functional_dict", "in_place_model", "book_network", "closure", "separate")


class Fault(Exception):
    """What the user's code raises."""


class Scene:
    """An objective with much state, and calls of it that can be made to fail."""

    def __init__(self, monkeypatch, style, feature="generator"):
        np.random.seed(3)
        self.state = training.State.of(feature)
        self.optimiser = training.Optimiser("adam")
        self.loop = training.STYLES[style](self.state, self.optimiser)
        self.batch = next(iter(training.batches(self.state, 1)))
        self.loop.step(*self.batch)
        # A mock is not put back, as any counter of the user's own would be.
        self.spy = Mock(calls=0, fail_at=0)
        for name in ("network", "backward"):
            monkeypatch.setattr(training, name, counted(getattr(training, name), self.spy))

    @property
    def calls(self):
        """How often the network was called since the last check began."""
        return self.spy.calls

    def check(self, fail_at=0, act=lambda: None, **options):
        """Make a check in which ``act`` is done at the end of one call."""
        self.spy.calls, self.spy.fail_at, self.spy.act = 0, fail_at, act
        try:
            return check_gradients(
                self.loop.objective, self.loop.parameters, batch=self.batch, **options
            )
        finally:
            self.spy.fail_at = 0

    def left(self):
        return training.left_behind(self.loop, self.state, self.optimiser, [])


def counted(function, spy):
    """The function, which does at the end of one call what the spy says."""

    def count(*arguments):
        result = function(*arguments)
        spy.calls += 1
        if spy.calls == spy.fail_at:
            spy.act()
        return result

    return count


@pytest.fixture
def scene(monkeypatch):
    return lambda style, feature="generator": Scene(monkeypatch, style, feature)


def raised(error):
    raise error


@pytest.mark.parametrize("style", STYLES)
def test_an_exception_at_any_evaluation_leaves_no_trace(scene, style):
    scene = scene(style)
    before = scene.left()
    assert scene.check(samples=None)
    assert scene.left() == before
    outcomes = []
    place = STYLES.index(style)
    # At every evaluation of one style, at every fifth of the others, and at the sanity calls.
    for k in (1, 2, 3, *range(4 + place, scene.calls + 1, 5 if place else 1)):
        fault = Fault(k)
        try:
            report = scene.check(fail_at=k, act=lambda fault=fault: raised(fault), samples=None)
        except Fault as caught:
            outcomes.append("propagates" if caught is fault else "another exception")
            notes = fault.__notes__
        else:
            # A step away from the current point the loss may end.
            outcomes.append("outside the domain")
            assert report.verdict != "FAIL"
            assert report.notes[-1] == (
                f"away from where you stand the objective raised Fault: {k}; taken for the end of "
                "its domain"
            )
        assert scene.left() == before, f"after a fault at call {k}"
    (note,) = notes
    assert note == (
        "raised by the objective inside a gradient check, at the weights given; everything "
        "the check touched has been put back"
    )
    # The sanity calls are made where the user stands, nearly all others a step away.
    assert outcomes[:3] == ["propagates"] * 3
    assert outcomes.count("outside the domain") > 10


@pytest.mark.parametrize("style", STYLES)
def test_an_exception_on_the_rows_drawn_gives_way_to_others_and_leaves_no_trace(scene, style):
    scene = scene(style)
    before = scene.left()
    assert scene.check()
    for k in range(1, 4):  # the sanity calls
        report = scene.check(fail_at=k, act=lambda k=k: raised(Fault(k)))
        assert report
        assert report.notes[-1] == (
            f"on the 7 rows drawn first the functions raise Fault ({k}): checked on others"
        )
        assert scene.left() == before


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit])
def test_what_is_no_exception_propagates_from_any_evaluation(scene, error):
    scene = scene("separate")
    before = scene.left()
    scene.check()
    for k in range(1, scene.calls + 1, 7):
        with pytest.raises(error) as caught:
            scene.check(fail_at=k, act=lambda: raised(error()))
        assert "everything the check touched has been put back" in caught.value.__notes__[0]
        assert scene.left() == before


def test_the_note_names_the_step():
    def broken(p, X):
        raise Fault

    check = GradCheckCallback(broken, {"w": np.ones(1)}, schedule=5, at_start=False, enabled=True)
    with pytest.raises(Fault) as caught:
        check.on_step_end(5, batch=np.ones(3))
    assert "inside a gradient check at step 5, at the weights given" in caught.value.__notes__[0]


@pytest.fixture
def sigint():
    """The usual handler of SIGINT, whatever pytest has set."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("style", ["in_place_model", "functional_dict"])
def test_a_real_interrupt_at_any_evaluation_leaves_no_trace_and_names_the_blocks(
    scene, sigint, style
):
    scene = scene(style)
    before = scene.left()
    scene.check()
    notes = set()
    for k in range(1, scene.calls + 1):
        with pytest.raises(KeyboardInterrupt) as caught:
            scene.check(fail_at=k, act=lambda: signal.raise_signal(signal.SIGINT))
        notes.update(caught.value.__notes__)
        assert scene.left() == before, f"after an interrupt at call {k}"
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    inside = "interrupted a gradient check, {}; everything the check touched has been put back"
    away = ("W1", "b1", "W2", "b2", "W1, b1, W2, b2")
    places = ["at the weights given", *(f"with {names} a step away" for names in away)]
    assert notes == {inside.format(place) for place in places}


def test_interrupts_during_restoration_wait_until_it_is_done(scene, sigint, monkeypatch):
    scene = scene("in_place_model", "batch_norm_in_place")
    before = scene.left()
    scene.check()
    restored = []

    def storm(restore):
        def restore_under_fire(*arguments):
            signal.raise_signal(signal.SIGINT)
            result = restore(*arguments)
            signal.raise_signal(signal.SIGINT)
            restored.append(result)
            return result

        return restore_under_fire

    monkeypatch.setattr(Guard, "restore", storm(Guard.restore))
    for k in (0, 1, 5, scene.calls):
        with pytest.raises(KeyboardInterrupt):
            scene.check(fail_at=k, act=lambda: signal.raise_signal(signal.SIGINT))
        assert scene.left() == before
    assert len(restored) == 4


@pytest.mark.parametrize(
    ("style", "feature", "value"),
    [
        ("in_place_model", "hidden_state", np.nan),
        ("functional_dict", "batch_norm_in_place", -np.inf),
    ],
)
def test_a_loss_that_is_not_finite_from_some_evaluation_on_leaves_no_trace(
    scene, monkeypatch, style, feature, value
):
    scene = scene(style, feature)
    before = scene.left()
    scene.check()
    network, calls = training.network, scene.calls

    def failing(*arguments):
        loss, gradients = network(*arguments)
        return (value if scene.spy.calls >= scene.spy.start else loss), gradients

    monkeypatch.setattr(training, "network", failing)
    for scene.spy.start in range(1, calls + 1, 11):
        assert scene.check().verdict != "FAIL"
        assert scene.left() == before


class BrokenSink:
    """Fails at closing."""

    def write(self, report):
        pass

    def close(self):
        raise OSError(5, "Input/output error")


def test_a_sink_that_fails_when_closed_does_not_keep_others_open(monkeypatch):
    scene = Scene(monkeypatch, "in_place_model")
    closed = []
    sound = BrokenSink()
    sound.close = lambda: closed.append(1)
    check = GradCheckCallback(
        scene.loop.objective, sinks=[BrokenSink(), sound], batch=scene.batch, enabled=True
    )
    check.on_train_begin()
    with pytest.warns(UserWarning, match="Input/output error"):
        check.on_train_end()
    assert closed == [1]


def test_a_fault_of_gradhooks_own_decides_nothing_and_is_told_once(monkeypatch, recwarn):
    scene = Scene(monkeypatch, "in_place_model", "batch_norm_in_place")
    before = scene.left()
    check = GradCheckCallback(scene.loop.objective, schedule=1, batch=scene.batch, enabled=True)
    check.on_train_begin()

    def broken(self):
        raise IndexError("list index out of range")

    monkeypatch.setattr(Guard, "learn_volatile", broken)
    for step in (1, 2, 3):
        report = check.on_step_end(step)
        assert report.verdict == "INCONCLUSIVE"
        assert not report.passed
        assert "gradhook itself failed: IndexError" in report.notes[0]
        assert scene.left() == before
    assert len(recwarn) == 1
    assert "gradhook itself failed" in str(recwarn[0].message)


def test_a_fault_of_gradhooks_own_away_from_the_point_is_not_taken_for_the_domains_end(monkeypatch):
    scene = Scene(monkeypatch, "in_place_model")
    before = scene.left()
    rewind, calls = Guard.rewind, []

    def broken(self):
        calls.append(1)
        if len(calls) == 20:
            raise IndexError("list index out of range")
        rewind(self)

    monkeypatch.setattr(Guard, "rewind", broken)
    with pytest.raises(GradhookError, match="gradhook itself failed: IndexError"):
        scene.check()
    assert scene.left() == before
