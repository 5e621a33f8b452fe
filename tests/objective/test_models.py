"""What of a model is called, and where its parameters are."""

import functools

import pytest

from gradhook.objective.objective import live_parameters, methods_of, owner_of


class Model:
    """Methods as given, and parameters."""

    def __init__(self, *methods, **attributes):
        vars(self).update(attributes)
        for name in methods:
            setattr(self, name, lambda *_: None)


@pytest.mark.parametrize(
    ("methods", "keywords"),
    [
        (("loss",), {"loss_and_gradients", "form"}),
        (("loss", "gradient"), {"loss", "gradients", "form"}),
        (("loss", "gradients"), {"loss", "gradients", "form"}),
        (("loss", "loss_and_gradients"), {"loss_and_gradients"}),
        (("gradient",), set()),
        ((), set()),
    ],
)
def test_methods_are_chosen_by_name(methods, keywords):
    assert set(methods_of(Model(*methods))) == keywords


def test_parameters_are_read_anew_from_where_they_are():
    model = Model(params={"w": 1.0})
    live = live_parameters(model)
    model.params = {"w": 2.0}
    assert live() is model.params
    assert live_parameters(Model(parameters=lambda: [3.0]))() == [3.0]
    plain = Model()
    assert live_parameters(plain) is plain


def test_the_owner_of_a_method_is_its_object_and_of_a_function_nobody():
    model = Model()
    bound = type(model).__init__.__get__(model)
    assert owner_of(functools.partial(bound, 1)) is model
    assert owner_of(len) is None
    assert owner_of(lambda: None) is None
    assert owner_of(model) is model
