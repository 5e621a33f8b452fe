"""On one row of a dense layer the gradient of a weight is an outer product."""

import numpy as np

from gradhook.diagnosis.hypotheses.row_sums import output_factor

RNG = np.random.default_rng(0)
x, d = RNG.normal(size=5), RNG.normal(size=3)


def test_the_factor_of_the_outputs_is_found_in_either_layout():
    for gradient in (np.outer(x, d), np.outer(d, x)):
        found = output_factor(gradient, 3)
        np.testing.assert_allclose(np.abs(found), np.abs(d) / np.linalg.norm(d), rtol=1e-12)


def test_what_is_no_outer_product_has_no_factors():
    assert output_factor(RNG.normal(size=(5, 3)), 3) is None
    assert output_factor(np.zeros((5, 3)), 3) is None
    assert output_factor(np.outer(x, d), 4) is None
    assert output_factor(np.outer(x, [1.0]), 1) is None
    assert output_factor(RNG.normal(size=(2, 3, 4)), 4) is None
