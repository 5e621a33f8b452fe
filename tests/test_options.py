"""Options: refused when given, with the nearest one known, and written down to repeat a check."""

import contextlib
import dataclasses
import inspect
import typing
import warnings

import numpy as np
import pytest

import gradhook
from gradhook import L2, GradCheckCallback, Switch, Tolerance, check_gradients, difference
from gradhook._types import as_integer
from gradhook.errors import OptionError
from gradhook.options import BatchKeywords, Keywords, Options, code_of
from gradhook.testing import assert_gradients


def cube(x):
    return np.sum(x**3), 3 * x**2


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"samples": 0}, "samples must be a positive integer or None for every row, got 0"),
        ({"samples": 7.0}, "samples must be a positive integer or None for every row, got 7.0"),
        ({"samples": True}, "got True"),
        ({"samples": np.ones(2, int)}, "samples must be a positive integer"),
        ({"sample_axis": 0.5}, "sample_axis must be an integer, got 0.5"),
        ({"seed": -1}, "seed must be a non-negative integer, got -1"),
        ({"seed": np.random.default_rng(0)}, "seed must be a non-negative integer, got Generator"),
        (
            {"effort": "exhaustiv"},
            (
                "effort must be one of 'quick', 'standard', 'exhaustive', got 'exhaustiv'; did you "
                "mean 'exhaustive'?"
            ),
        ),
        ({"effort": "Quick"}, "did you mean 'quick'?"),
        (
            {"points": "generic"},
            "points must be a tuple of names such as ('generic', 'current'), got",
        ),
        ({"points": ()}, "points is empty: name 'generic', 'current' or both"),
        ({"points": ("curent",)}, "got 'curent'; did you mean 'current'?"),
        ({"fixed": "log_sigma"}, "fixed must be a tuple of names such as ('log_sigma',)"),
        ({"layers": 3}, "layers must be a tuple of names such as ('W1', 'b1', 'W2', 'b2'), got 3"),
        (
            {"tolerance": 1e-3},
            "tolerance must be a gradhook.Tolerance, such as Tolerance(fail=1e-3)",
        ),
        ({"method": difference.Central}, "such as difference.Ridders(), got"),
        ({"method": "central"}, "method must be one of gradhook.difference's methods"),
        ({"subset": 3}, "subset must be a function (batch, rows) -> batch, got 3"),
        ({"subset": len}, "subset must be a function (batch, rows) -> batch, got <built-in"),
        ({"evaluation_mode": True}, "evaluation_mode must be a context manager or a function that"),
        (
            {"gradient_name": "grad"},
            "gradient_name='grad' would call every gradient the same: write {}",
        ),
        ({"gradient_name": 3}, "gradient_name must be a format, a mapping or a function, got 3"),
        ({"progress": 1.0}, "progress must be True, False, None or an object with start, advance"),
        ({"dropout": 0.5}, "dropout= takes the name of a switch"),
        ({"penalty": 0.5}, "penalty= takes the name of a switch"),
        ({"penalty": "train"}, "the switch 'train' is refused"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_when_it_is_given(keywords, said):
    builds = (
        lambda: check_gradients(cube, np.ones(2), **keywords),
        lambda: GradCheckCallback(cube, np.ones(2), enabled=True, **keywords),
        lambda: GradCheckCallback(cube, np.ones(2), enabled=False, **keywords),
    )
    for build in builds:
        with pytest.raises(OptionError) as caught:
            build()
        assert said in str(caught.value)


def test_an_unknown_option_is_told_the_nearest_and_all():
    with pytest.raises(TypeError) as caught:
        check_gradients(cube, np.ones(2), sampels=7)
    assert str(caught.value).startswith(
        "unknown option 'sampels'; did you mean 'samples'? Known: batch, samples, sample_axis,"
    )
    with pytest.raises(TypeError, match=r"unknown option 'verbosity'\. Known: batch, samples"):
        check_gradients(cube, np.ones(2), verbosity=3)
    with pytest.raises(TypeError, match=r"unknown option 'bach'; did you mean 'batch'\?"):
        check_gradients(cube, np.ones(2), bach=())
    with pytest.raises(TypeError, match=r"has no option 'gradient': .* gradients= says where"):
        gradhook.layer_check(abs, abs, np.ones(2), gradient={})
    with pytest.raises(TypeError, match=r"unknown option 'shedule'; did you mean 'schedule'\?"):
        GradCheckCallback(cube, np.ones(2), shedule=3)
    for build in (check_gradients, GradCheckCallback):
        with pytest.raises(TypeError, match="params= is no option here: write parameters=, or"):
            build(cube, params=np.ones(2))


@pytest.mark.parametrize("what", ["fixed", "layers"])
def test_names_of_no_block_are_refused_with_the_nearest(what):
    blocks = {"log_sigma": np.ones(2), "mean": np.ones(2)}
    with pytest.raises(OptionError) as caught:
        check_gradients(lambda p: (0.0, p), blocks, **{what: ("log_sgima",)})
    assert str(caught.value) == (
        f"{what} names 'log_sgima', which is no block; did you mean 'log_sigma'? Blocks: "
        "log_sigma, mean"
    )
    with pytest.raises(OptionError, match=r"'\?', which is no block\. Blocks: log_sigma, mean"):
        check_gradients(lambda p: (0.0, p), blocks, **{what: ("?",)})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3),
        (np.int64(-3), -3),
        (np.array(3), 3),
        *[(x, None) for x in (True, np.True_, 3.0, np.float64(3), "3", None)],
        *[(np.array(x), None) for x in ([3], 3.0)],
    ],
)
def test_an_integer_is_one_whole_number_and_no_truth_value(value, expected):
    assert as_integer(value) == expected


@contextlib.contextmanager
def mode(log):
    log.append("in")
    yield
    log.append("out")


def test_a_class_of_context_managers_is_a_function_that_returns_one():
    assert check_gradients(cube, np.ones(2), evaluation_mode=warnings.catch_warnings).passed
    with pytest.raises(OptionError, match="evaluation_mode= must be a context manager or return"):
        check_gradients(cube, np.ones(2), evaluation_mode=dict)


def test_a_mode_that_can_be_entered_once_is_refused_by_what_checks_more_than_once():
    with pytest.raises(OptionError, match="pass the function that makes it, without calling it"):
        GradCheckCallback(cube, np.ones(2), evaluation_mode=mode([]), enabled=True)
    log = []
    x = np.ones(2)
    check = GradCheckCallback(
        cube, x, evaluation_mode=lambda: mode(log), batch=(), schedule=1, enabled=True
    )
    for _ in range(2):
        check()
        x -= 0.1
    assert log == ["in", "out"] * 2


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        -0.5,
        np.float64(0.25),
        float("inf"),
        "W1",
        (),
        ("a",),
        ["a", 1],
        {"a": (1, [2])},
        Switch("p", off=1.0, on=(0.5,)),
        L2(0.1, "W*"),
        Tolerance(fail=0.5),
        difference.Central(step=1e-3),
    ],
)
def test_the_code_of_a_value_makes_it_again(value):
    made = eval(code_of(value), {"gradhook": gradhook})
    assert made == value
    assert type(made) is type(value) or isinstance(value, np.floating)


@pytest.mark.parametrize("value", [len, [len], {"a": len}, Switch("p", off=len), {1, 2}, 1j])
def test_what_no_code_makes_has_none(value):
    assert code_of(value) is None


ABOUT_BATCHES = ("samples", "sample_axis", "subset", "gradient", "parts")


def test_type_checkers_are_told_the_options_that_there_are_and_their_types():
    types = typing.get_type_hints(Options)
    assert typing.get_type_hints(BatchKeywords) == types
    alone = {name: type_ for name, type_ in types.items() if name not in ABOUT_BATCHES}
    assert typing.get_type_hints(Keywords) == alone


TAKES_OPTIONS = (
    (check_gradients, BatchKeywords, ()),
    (GradCheckCallback.__init__, BatchKeywords, ()),
    (assert_gradients, BatchKeywords, ()),
    (gradhook.layer_check, Keywords, ABOUT_BATCHES),
)


@pytest.mark.parametrize(("function", "keywords", "without"), TAKES_OPTIONS)
def test_a_misspelt_keyword_is_an_error_to_type_checkers(function, keywords, without):
    assert typing.get_type_hints(function)["options"] == typing.Unpack[keywords]


@pytest.mark.parametrize(("function", "keywords", "without"), TAKES_OPTIONS)
def test_signatures_name_every_option_with_its_default(function, keywords, without):
    shown = inspect.signature(function).parameters
    defaults = {f.name: getattr(Options(), f.name) for f in dataclasses.fields(Options)}
    for name in without:
        assert name not in shown
        del defaults[name]
    assert list(shown)[-len(defaults) :] == list(defaults)
    assert {name: shown[name].default for name in defaults} == defaults
    assert all(shown[name].kind is inspect.Parameter.KEYWORD_ONLY for name in defaults)
    assert not any(p.kind is p.VAR_KEYWORD for p in shown.values())


def test_the_signature_of_the_callback_is_what_it_takes_and_of_an_instance_what_a_step_takes():
    shown = list(inspect.signature(GradCheckCallback).parameters)
    own = [*("schedule", "at_start", "batch", "on_fail", "logdir", "sinks", "enabled")]
    options = [f.name for f in dataclasses.fields(Options)]
    assert shown == ["objective", "parameters", *own, *options]
    for enabled in (False, True):
        step = inspect.signature(GradCheckCallback(cube, np.ones(1), enabled=enabled))
        assert list(step.parameters) == ["step", "misplaced", "batch", "parameters"]


def test_a_subclass_of_the_callback_has_the_signature_of_its_own_init():
    class Mine(GradCheckCallback):
        def __init__(self, network, *, every=10):
            super().__init__(cube, network, schedule=every)

    assert str(inspect.signature(Mine)) == "(network, *, every=10)"


def test_a_tolerance_names_what_differs_from_the_default():
    assert repr(Tolerance()) == "Tolerance()"
    assert repr(Tolerance(warn=1e-8, fail=1e-3)) == "Tolerance(warn=1e-08, fail=0.001)"
