"""On one row of a dense layer the gradient of a weight is an outer product."""

import numpy as np

from gradhook.diagnosis.acts_as_bias import outer_factors

RNG = np.random.default_rng(0)
x, d = RNG.normal(size=5), RNG.normal(size=3)


def test_both_factors_are_found_in_either_layout():
    for gradient, turned in ((np.outer(x, d), False), (np.outer(d, x), True)):
        found = outer_factors(gradient, 3)
        assert found is not None
        assert found[2] is turned
        np.testing.assert_allclose(np.outer(found[0], found[1]), np.outer(x, d), rtol=1e-12)


def test_what_is_no_outer_product_has_no_factors():
    assert outer_factors(RNG.normal(size=(5, 3)), 3) is None
    assert outer_factors(np.zeros((5, 3)), 3) is None
    assert outer_factors(np.outer(x, d), 4) is None
    assert outer_factors(RNG.normal(size=(2, 3, 4)), 4) is None
