"""Random directions of unlike magnitudes.

A direction is one random byte per element: the top bit is the sign, the other seven pick a
magnitude between 0.5 and 1.427, normalised so that the mean square is 1.  Then ``E ⟨v, r⟩² =
‖r‖²``, no element is scaled away, and equal and opposite residuals do not cancel.  With plain signs
(Rademacher directions, as in simultaneous perturbation: J. C. Spall, IEEE Trans. Automatic Control
37 (1992) 332-341) an exchanged pair of entries goes unseen half of the time.  The bytes of a long
block are laid out from a pool (``gradhook._draws``), which keeps all of this.

Where a one-sided method keeps to one side of the edge of a domain, every element must move to the
same side, so the magnitudes stand without their signs.  The price: residuals of opposite signs
cancel but for the spread of the magnitudes.
"""

from __future__ import annotations

import numpy as np

from gradhook._directions import Spread
from gradhook._draws import Stream
from gradhook._types import Array

__all__ = ["ONE_SIDED", "TABLE", "seeded", "spread"]


def _table() -> Array:
    # Magnitudes from 1/2 to b with (b**3 - 1/8) / (3 * (b - 1/2)) = 1, the mean square of a uniform
    # spread.
    magnitudes = np.linspace(0.5, (-0.5 + np.sqrt(11.25)) / 2, 128)
    magnitudes /= np.sqrt(np.mean(magnitudes**2))
    return np.concatenate([magnitudes, -magnitudes])


TABLE: Array = _table()
"""What each byte stands for; shape (256,), mean 0, mean square 1."""
TABLE.flags.writeable = False

ONE_SIDED: Array = np.abs(TABLE)
"""The same without signs; mean square 1."""
ONE_SIDED.flags.writeable = False


def seeded(seed: int, *labels: int) -> int:
    """A seed that depends on all labels: every block and purpose has a stream of its own."""
    return int(np.random.SeedSequence([seed, *labels]).generate_state(1, np.uint64)[0])


def spread(size: int, seed: int, *, one_sided: bool = False) -> Spread:
    """A random direction over a block of ``size`` elements, made wherever it is read.

    Args:
        size: Number of elements.
        seed: Seed of the bytes.
        one_sided: Whether no element of the direction may be negative.
    """
    return Spread(Stream(seed, size), ONE_SIDED if one_sided else TABLE)
