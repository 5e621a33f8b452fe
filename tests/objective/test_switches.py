"""Switches: tied to keywords or to places on a model, turned, and left as they were found."""

from types import SimpleNamespace

import numpy as np
import pytest

from gradhook import GradCheckCallback, Switch, Verdict, check_gradients
from gradhook.errors import OptionError
from gradhook.objective.switches import bind_switches, keywords_of


def bound(given, *functions, role="dropout", model=None, positional=1):
    return bind_switches(given, role, functions=functions, model=model, positional=positional)[0]


def with_keyword(name, value):
    namespace = {"value": value}
    exec(f"def function(parameters, {name}=value): pass", namespace)
    return namespace["function"]


@pytest.mark.parametrize(
    ("name", "value", "role", "off"),
    [
        ("keep_prob", 0.8, "dropout", (1.0,)),
        ("keep", 0.8, "dropout", (1.0,)),
        ("use_dropout", True, "dropout", (False,)),
        ("use_dropout", 1, "dropout", (False,)),
        ("dropout", True, "dropout", (False,)),
        ("dropout", 0.5, "dropout", (0.0, 1.0)),
        ("dropout", None, "dropout", (None,)),
        ("dropout_rate", 0.5, "dropout", (0.0, 1.0)),
        ("p", 0.5, "dropout", (0.0, 1.0)),
        ("rate", 0.5, "dropout", (0.0, 1.0)),
        ("ratio", 0.5, "dropout", (0.0, 1.0)),
        ("reg", 1e-3, "penalty", (0.0,)),
        ("lam", 1e-3, "penalty", (0.0,)),
        ("lambd", 1e-3, "penalty", (0.0,)),
        ("alpha", 1e-3, "penalty", (0.0,)),
        ("weight_decay_l2", 1e-3, "penalty", (0.0,)),
        ("l1", 1e-3, "penalty", (0.0,)),
        ("l2", 1e-3, "penalty", (0.0,)),
        ("my_penalty", 1e-3, "penalty", (0.0,)),
        ("strength", 1e-3, "penalty", (0.0,)),
    ],
)
def test_what_turns_a_switch_off_is_told_from_its_name_and_value(name, value, role, off):
    switch = bound(name, with_keyword(name, value), role=role)
    assert switch.off_values == off
    assert switch.turn("on") == {name: value}
    assert switch.turn("off") == {name: off[0]}


def test_a_name_that_says_nothing_needs_its_off_value():
    function = with_keyword("noise", 0.1)
    with pytest.raises(
        OptionError, match=r"cannot be told from its name: pass Switch\('noise', off="
    ):
        bound("noise", function)
    assert bound(Switch("noise", off=0.0), function).turn("off") == {"noise": 0.0}


@pytest.mark.parametrize(
    "name", ["train", "train_flg", "training", "layers.*.train", "is_training"]
)
def test_train_is_refused_with_the_reason(name):
    for make in (lambda: Switch(name, off=False), lambda: bound(name, with_keyword("x", 1))):
        with pytest.raises(OptionError, match="would turn batch normalisation to evaluation"):
            make()
    with pytest.raises(OptionError, match="refused"):
        GradCheckCallback(lambda x: (x, 1.0), 1.0, dropout=name)


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_switch_needs_a_name(name):
    with pytest.raises(OptionError, match="needs the name of a keyword argument or of a path"):
        Switch(name, off=0.0)


@pytest.mark.parametrize("given", [3, 0.5, ["p", 0.5], {"p": 0.0}])
def test_what_is_no_switch_is_refused_where_it_is_given(given):
    with pytest.raises(OptionError, match=r"dropout= takes the name of a switch or a Switch\(name"):
        check_gradients(lambda x: (x, 1.0), 1.0, dropout=given)


class TestKeywords:
    def test_on_is_the_signatures_default_unless_it_is_given(self):
        function = with_keyword("p", 0.3)
        assert bound("p", function).on == [0.3]
        assert bound(Switch("p", off=1.0, on=0.7), function).on == [0.7]

    def test_a_keyword_without_a_default_needs_its_on_value(self):
        def function(parameters, *, p):
            pass

        with pytest.raises(OptionError, match=r"no default .* pass Switch\('p', off=..., on=...\)"):
            bound("p", function)
        assert bound(Switch("p", off=0.0, on=0.5), function).turn("on") == {"p": 0.5}

    def test_only_what_every_function_takes_is_a_keyword(self):
        def loss(parameters, reg=0.1, p=0.5):
            pass

        def gradients(parameters, reg=0.1):
            pass

        def anything(parameters, **options):
            pass

        assert keywords_of([loss, gradients], positional=1) == {"reg": 0.1}
        assert keywords_of([loss, anything], positional=1) == {"reg": 0.1, "p": 0.5}
        with pytest.raises(
            OptionError, match="'p' is neither a keyword argument of every function"
        ):
            bound("p", loss, gradients)
        assert bound("p", loss, anything).on == [0.5]

    def test_an_item_of_the_batch_is_no_keyword(self):
        def function(parameters, x, reg=0.1):
            pass

        with pytest.raises(
            OptionError, match="'reg' is neither a keyword argument of every function, beside the"
        ):
            bound("reg", function, role="penalty", positional=3)

    def test_keywords_behind_a_star_stay_keywords_however_long_the_batch(self):
        def function(parameters, *batch, reg=0.1):
            pass

        assert bound("reg", function, role="penalty", positional=5).on == [0.1]

    def test_a_misspelt_name_is_told_the_nearest(self):
        with pytest.raises(OptionError) as caught:
            bound("keep_porb", with_keyword("keep_prob", 0.5))
        assert str(caught.value).endswith(
            "nor a path on the model (pass Objective(..., model=...)); keyword arguments are: "
            "keep_prob; did you mean 'keep_prob'?"
        )


class Layer:
    rate = 0.25  # of the class

    def __init__(self, ratio):
        self.dropout_ratio = ratio


class Slotted:
    __slots__ = ("free", "p")

    def __init__(self):
        self.p = 0.5


class ReadOnly:
    @property
    def p(self):
        return 0.5


def network():
    return SimpleNamespace(
        reg=0.1,
        dropout_param={"mode": "train", "p": 0.5},
        layers={"relu": SimpleNamespace(), "drop1": Layer(0.3), "drop2": Layer(0.4)},
        blocks=[Layer(0.1), [Layer(0.2)]],
        slotted=Slotted(),
        fixed=(0.5,),
        locked=ReadOnly(),
    )


class TestPaths:
    @pytest.mark.parametrize(
        ("path", "found"),
        [
            ("reg", [0.1]),
            ("dropout_param.p", [0.5]),
            ("layers.*.dropout_ratio", [0.3, 0.4]),
            ("blocks.0.dropout_ratio", [0.1]),
            ("blocks.-1.0.dropout_ratio", [0.2]),
            ("slotted.p", [0.5]),
            ("*.p", [0.5, 0.5]),
            ("layers.drop1.rate", [0.25]),
        ],
    )
    def test_a_path_leads_to_every_place_it_names(self, path, found):
        model = network()
        model.locked = None
        switch = bound(Switch(path, off=0.0), model=model)
        assert list(switch.on) == found
        assert switch.turn("off") == {}
        again = bound(Switch(path, off=0.0), model=model)
        assert list(again.on) == [0.0] * len(found)
        switch.turn(10.0)
        again = bound(Switch(path, off=0.0), model=model)
        assert list(again.on) == [10 * value for value in found]
        switch.restore()
        again = bound(Switch(path, off=0.0), model=model)
        assert list(again.on) == found

    def test_a_value_that_the_class_holds_is_left_to_the_class(self):
        model = Layer(0.5)
        switch = bound(Switch("rate", off=0.0), model=model)
        switch.turn("off")
        assert model.rate == 0.0
        switch.restore()
        assert vars(model) == {"dropout_ratio": 0.5}

    def test_a_given_on_value_is_set_at_every_place(self):
        model = network()
        switch = bound(Switch("layers.*.dropout_ratio", off=0.0, on=0.9), model=model)
        switch.turn("on")
        assert model.layers["drop1"].dropout_ratio == model.layers["drop2"].dropout_ratio == 0.9

    @pytest.mark.parametrize("path", ["nothing", "layers.*.nothing", "dropout_param.q", "fixed.7"])
    def test_a_path_that_leads_nowhere_is_refused(self, path):
        with pytest.raises(OptionError, match="nor a path on a SimpleNamespace; keyword arg"):
            bound(Switch(path, off=0.0), model=network())

    @pytest.mark.parametrize("path", ["fixed.0", "locked.p"])
    def test_a_place_that_cannot_be_written_is_refused_before_anything_is_turned(self, path):
        with pytest.raises(OptionError, match=r"cannot be turned: .* cannot be set \("):
            bound(Switch(path, off=0.0), model=network())

    def test_a_keyword_goes_before_a_path_of_the_same_name(self):
        model = network()
        assert bound("reg", with_keyword("reg", 0.7), role="penalty", model=model).on == [0.7]
        assert model.reg == 0.1


X = np.random.default_rng(0).standard_normal((30, 4))


class Dropped:
    """Linear regression with dropout on its input, whose backward pass may forget the mask."""

    def __init__(self, ratio, keeps=False, forgets=False):
        self.params = {"w": np.array([0.4, -0.3, 0.2, 0.6])}
        self.dropout = ratio
        self.reg = 0.05
        self.keeps, self.forgets = keeps, forgets
        self.random = np.random.default_rng(1)

    def loss(self, x, y):
        keep = self.dropout if self.keeps else 1 - self.dropout
        mask = (self.random.random(x.shape) < keep) / keep
        shown, w = x * mask, self.params["w"]
        error = shown @ w - y
        back = x if self.forgets else shown
        loss = 0.5 * np.mean(error**2) + 0.5 * self.reg * w @ w
        return loss, {"w": back.T @ error / len(y) + self.reg * w}


def check(model, **options):
    return check_gradients(model, batch=(X, X[:, 0]), **options)


@pytest.mark.parametrize(("keeps", "off"), [(False, 0.0), (True, 1.0)])
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_the_off_value_is_the_one_that_gives_a_finite_and_repeatable_loss(keeps, off):
    # Keeping nothing, or dropping everything, divides 0 by 0.
    model = Dropped(0.3, keeps=keeps)
    report = check(model, dropout="dropout")
    assert report.verdict is Verdict.PASS
    assert "generic point, dropout replayed" in report.settings
    assert not any("random" in note for note in report.notes)
    assert model.dropout == 0.3


def test_dropout_left_on_is_reported_as_such_with_the_switch_to_turn():
    def function(parameters, x, keep_prob=0.5):
        w = parameters["w"]
        shown = x * (np.random.random(x.shape) < keep_prob) / keep_prob
        return 0.5 * np.sum((shown @ w) ** 2), {"w": shown.T @ (shown @ w)}

    report = check_gradients(function, {"w": np.ones(4)}, batch=X)
    assert report.verdict is Verdict.PASS
    assert report.notes[0] == (
        "the loss is random (dropout on?): checked with its mask frozen; to check without, pass "
        "dropout='keep_prob'"
    )


def test_a_penalty_too_small_to_see_is_turned_up():
    def function(w, lambd=1e-9):
        return np.sum(np.sin(w)) + lambd / 2 * w @ w, np.cos(w) - lambd * w  # the wrong sign

    report = check_gradients(function, np.array([0.5, -1.0, 2.0]), penalty="lambd")
    assert report.verdict is Verdict.FAIL
    assert any("lambd x" in setting for setting in report.settings)
    assert check_gradients(function, np.array([0.5, -1.0, 2.0])).verdict is not Verdict.FAIL


def test_a_required_keyword_that_a_switch_gives_decides_the_form():
    def function(w, x, *, reg):
        return np.sum((x @ w) ** 2) + reg / 2 * w @ w, 2 * x.T @ (x @ w) + reg * w

    report = check_gradients(function, np.ones(4), batch=X, penalty=Switch("reg", off=0.0, on=0.1))
    assert report.verdict is Verdict.PASS
