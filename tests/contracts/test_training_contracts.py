"""Training is the same to the bit with the check on and off.

Every style with every sixth feature and with all of them together, with the optimisers in turn; all
900 combinations over 200 steps are run by ``tests/benchmarks/contracts.py``.
"""

import pytest

from tests.contracts import training
from tests.contracts.training import FEATURES, OPTIMISERS

DOORS = ("attributes", "lists", "tape", "flat_tuple", "theta", "updates")
STYLES = tuple(style for style in training.STYLES if style not in DOORS)


@pytest.mark.parametrize(
    ("style", "feature"),
    [
        *(
            (style, feature)
            for row, style in enumerate(STYLES)
            for column, feature in enumerate(FEATURES)
            if (row + column) % 6 == 0 or feature == "together"
        ),
        # The others are run by the benchmark.
        *((door, feature) for door in DOORS for feature in ("global_numpy", "together")),
    ],
)
def test_training_leaves_the_same_bytes_with_the_check_on_and_off(style, feature):
    place = (*STYLES, *DOORS).index(style) + FEATURES.index(feature)
    rule = OPTIMISERS[place % len(OPTIMISERS)]
    off, no_reports = training.train(style, rule, feature, steps=30, enabled=False)
    on, reports = training.train(style, rule, feature, steps=30, enabled=True)
    assert off.keys() == on.keys()
    assert [name for name in off if off[name] != on[name]] == []
    assert not no_reports
    assert len(reports) == 4
    assert {str(report.verdict) for report in reports} <= {"PASS", "UNTESTED"}


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_is_really_exercised(feature):
    """Without it, training ends elsewhere: else the contract would hold for nothing."""
    plain, _ = training.train("in_place_model", "sgd", "none", steps=10, enabled=False)
    with_it, _ = training.train("in_place_model", "sgd", feature, steps=10, enabled=False)
    assert plain != with_it
