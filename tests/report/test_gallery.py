"""The default text of typical reports is short, plain and says nothing twice."""

import pytest

from tests.report.gallery import GALLERY

# At four blocks; a row for each further one comes on top.
LONGEST_FAILURE, LONGEST_PASS, BLOCKS = 20, 8, 4

INTERNAL = ("generic point", "current point", "setting", "refuted", " × ", "probe")

VERDICTS = {
    "right": "PASS",
    "right, every element": "PASS",
    "untested biases": "UNTESTED",
    "tie": "PASS",
    "random loss": "INCONCLUSIVE",
    "coarse": "PASS",
}
"""Of the others FAIL."""


@pytest.mark.parametrize("name", GALLERY)
def test_a_typical_report_is_short_without_internal_words_and_says_no_sentence_twice(name):
    report = GALLERY[name]()
    assert str(report.verdict) == VERDICTS.get(name, "FAIL")
    lines = [line.strip() for line in str(report).splitlines()]
    most = LONGEST_PASS if report.passed else LONGEST_FAILURE
    assert len(lines) <= most + max(0, len(report.blocks) - BLOCKS)
    assert [word for word in INTERNAL if word in " ".join(lines)] == []
    if name != "right, every element":
        long = [line for line in lines if len(line) > 30]
        assert len(set(long)) == len(long)
