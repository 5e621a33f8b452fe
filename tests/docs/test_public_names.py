"""Whatever a user may name is documented, with an example that runs as a doctest."""

import importlib
import inspect

import pytest

MODULES = (
    "gradhook",
    "gradhook.difference",
    "gradhook.report",
    "gradhook.schedules",
    "gradhook.sinks",
    "gradhook.testing",
)


def public():
    """Return every public function and class of the package by the name that a user writes."""
    for name in MODULES:
        module = importlib.import_module(name)
        for member in module.__all__:
            thing = getattr(module, member)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                yield pytest.param(thing, id=f"{name}.{member}")


@pytest.mark.parametrize("thing", list(public()))
def test_a_public_name_is_documented_with_an_example(thing):
    documented = inspect.getdoc(thing) or ""
    assert len(documented) > 30
    if not issubclass(thing if inspect.isclass(thing) else object, (Exception, Warning)):
        assert ">>> " in documented


@pytest.mark.parametrize("thing", [case for case in public() if inspect.isclass(case.values[0])])
def test_every_public_method_is_documented(thing):
    for name, member in vars(thing).items():
        if not name.startswith("_") and (callable(member) or isinstance(member, property)):
            assert inspect.getdoc(member), f"{thing.__name__}.{name}"


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_it_is_for_and_what_is_public(name):
    module = importlib.import_module(name)
    assert module.__doc__
    assert set(module.__all__) <= set(dir(module))
