"""Random directions: isotropic, of unlike magnitudes, reproducible."""

import numpy as np

from gradhook.evaluation.directions import random_direction, seeded


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
