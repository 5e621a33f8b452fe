"""Random directions: isotropic, of unlike magnitudes, reproducible."""

import numpy as np

from gradhook.evaluation.directions import Part, random_direction, seeded


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


def test_a_part_that_rises_weights_its_slices_by_their_positions():
    v = random_direction(24, 3)
    box = (slice(1, 3), slice(0, 4))
    plain, rising = Part(v, (4, 6), box).values(), Part(v, (4, 6), box, rising=0).values()
    np.testing.assert_allclose(rising, plain * [[0.25], [0.75]])
    rising = Part(v, (4, 6), box, rising=1).values()
    np.testing.assert_allclose(rising, plain * [0.125, 0.375, 0.625, 0.875])
