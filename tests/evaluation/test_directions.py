"""Random directions: isotropic, of unlike magnitudes, reproducible."""

import numpy as np

from gradhook.evaluation.directions import random_direction, seeded


def test_the_mean_square_slope_estimates_the_squared_norm():
    rng = np.random.default_rng(0)
    residual = rng.standard_normal(50)
    slopes = [random_direction(50, seed).dot(residual) for seed in range(4000)]
    # The relative spread of a mean of 4000 squares of normal values is sqrt(2 / 4000).
    assert abs(np.mean(np.square(slopes)) / (residual @ residual) - 1) < 4 * np.sqrt(2 / 4000)


def test_an_exchanged_pair_does_not_cancel():
    residual = np.zeros(10)
    residual[2], residual[7] = 1.0, -1.0
    slopes = np.abs([random_direction(10, seed).dot(residual) for seed in range(2000)])
    # Equal bytes (1 in 256 per sign) cancel; plain signs would cancel in half of the cases.
    assert np.mean(slopes < 1e-6) < 0.01


def test_a_seed_gives_the_same_direction_again_and_labels_give_others():
    assert np.array_equal(
        random_direction(9, seeded(1, 2)).codes, random_direction(9, seeded(1, 2)).codes
    )
    assert not np.array_equal(
        random_direction(9, seeded(1, 2)).codes, random_direction(9, seeded(1, 3)).codes
    )


def test_a_one_sided_direction_is_the_other_without_signs():
    either, one_sided = random_direction(50, 3), random_direction(50, 3, one_sided=True)
    assert np.array_equal(one_sided.table[one_sided.codes], np.abs(either.table[either.codes]))
    assert one_sided.table.min() > 0
