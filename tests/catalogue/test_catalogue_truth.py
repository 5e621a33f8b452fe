"""The right code is right and the mutants are wrong, by an oracle that shares nothing with them."""

import numpy as np
import pytest

from tests import catalogue
from tests.catalogue.alarms import ALARMS
from tests.catalogue.alarms.precision import cast_inside, rescaled_loss
from tests.catalogue.networks.architectures import ARCHITECTURES
from tests.catalogue.networks.planting import network_problem
from tests.catalogue.networks.starts import generic

# Central differences at the best of eight steps leave some eps**(2/3) = 4e-11 of the loss, and a
# block's gradient times its scale is 1e-4 of the loss or more: 1e-6.
RIGHT = 1e-6

# Options that change what is computed; the others only say what is there.
TAGS = {
    "affine",
    "deep",
    "dense",
    "stacked",
    "square",
    "activation",
    "pieces",
    "pool",
    "convolution",
}
OPTIONS = [
    (architecture, option)
    for architecture, each in ARCHITECTURES.items()
    for option in sorted(each.offers - TAGS)
]

# What float64 differences cannot resolve is compared with the same code in full digits instead.
COARSE = ("float32", "float16", "constant")
IN_FULL = [name for name, alarm in ALARMS.items() if alarm.kind not in COARSE]


@pytest.mark.parametrize(("architecture", "option"), OPTIONS)
def test_right_code_has_the_gradient_of_its_loss(architecture, option, worst_error):
    rng = np.random.default_rng([7, *map(ord, architecture + option)])
    network, batch = ARCHITECTURES[architecture].build(rng, {option})
    problem = network_problem(network, batch, generic(network.blocks(), rng), seed=3)
    errors = worst_error(problem, problem.parameters, problem.telling)
    assert max(errors.values()) < RIGHT, errors


@pytest.mark.parametrize("name", IN_FULL)
def test_right_code_of_a_false_alarm_has_the_gradient_of_its_loss(name, worst_error):
    problem = ALARMS[name].draw(np.random.default_rng(4), None)
    elsewhere = problem.displaced(np.random.default_rng(5))
    errors = worst_error(problem, elsewhere, problem.telling)
    # log(p + 1e-7) differs from log(p) by 1e-7 / p, and p is never below 1e-2.
    assert max(errors.values()) < (1e-5 if name == "log-epsilon" else RIGHT), errors


@pytest.mark.parametrize(("scale", "constant"), [(1.0, 1e6), (1.0, 1e9), (1e-12, 0.0), (1e9, 0.0)])
def test_a_rescaled_loss_is_the_plain_one_rescaled(scale, constant):
    results = []
    for draw in (rescaled_loss(1.0, 0.0), rescaled_loss(scale, constant)):
        problem = draw(np.random.default_rng(6), None)
        results.append(problem.build("")(problem.parameters, *problem.batch))
    (loss, gradients), (rescaled, its_gradients) = results
    assert rescaled == scale * loss + constant
    for name, gradient in gradients.items():
        np.testing.assert_array_equal(its_gradients[name], scale * gradient)


@pytest.mark.parametrize("name", ["float32-mlp", "float32-rnn", "float32-cnn"])
def test_a_float32_network_is_the_float64_one_in_fewer_digits(name):
    problem = ALARMS[name].draw(np.random.default_rng(8), None)
    low = problem.build("")(problem.parameters, *problem.batch)
    exactly = {key: value.astype(np.float64) for key, value in problem.parameters.items()}
    assert_close(low, problem.build("")(exactly, *problem.batch), np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_function_that_casts_is_the_float64_one_in_fewer_digits(dtype):
    results = []
    for each in (dtype, np.float64):
        problem = cast_inside(each)(np.random.default_rng(8), None)
        results.append(problem.build("")(problem.parameters, *problem.batch))
    assert_close(*results, dtype)


def assert_close(low, full, dtype):
    # Sums of some tens of numbers of order one, in a few layers: some tens of roundings.
    tolerance = 50 * float(np.finfo(dtype).eps)
    assert low[0] == pytest.approx(full[0], rel=tolerance)
    for key, gradient in full[1].items():
        assert low[1][key].dtype == dtype
        size = float(np.abs(gradient).max())
        np.testing.assert_allclose(low[1][key], gradient, atol=tolerance * size, rtol=0)


@pytest.mark.parametrize(
    ("architecture", "operator"),
    [
        (architecture, each.name)
        for each in catalogue.operators()
        for architecture in catalogue.architectures_for(each.name)
    ],
)
def test_a_mutant_differs_from_the_right_code_and_its_loss_does_not(architecture, operator):
    case = catalogue.case(f"{architecture}/{operator}/generic/1")
    assert largest_ratio(case, np.random.default_rng(9)) > 1e-3
    right = case.problem.build("")
    arguments = (case.parameters, *case.batch)
    assert case.loss_and_gradients(*arguments)[0] == right(*arguments)[0]


def test_every_wrong_case_is_wrong_by_a_thousandth_where_bugs_show(drawn):
    wrong = [case for case in drawn if case.wrong]
    hidden = [c.name for c in wrong if largest_ratio(c, np.random.default_rng(10)) <= 1e-3]
    assert hidden == []


def largest_ratio(case, rng, *, points=3, enough=1e-3):
    """Return how wrong a case's gradients are, at the first of some random points that shows it."""
    largest = 0.0
    for _ in range(points):
        ratios = case.wrong_blocks(case.problem.displaced(rng), **case.problem.telling)
        largest = max(largest, *ratios.values())
        if largest > enough:
            break
    return largest
