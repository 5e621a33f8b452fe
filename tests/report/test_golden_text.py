"""The default text of typical reports, as it stands in ``golden_text.txt`` with numbers masked.

Which of the right blocks has the largest ratio, and so their order and the breaks of lines, differs
between machines; every word is compared.  ``python -m tests.report.test_golden_text`` writes
what is said now; read what has changed before you commit it.
"""

import functools
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.report.gallery import GALLERY

GOLDEN = Path(__file__).with_name("golden_text.txt")

NUMBER = re.compile(r"(?<![A-Za-z_\d.])-?\d+(\.\d+)?(e[-+]?\d+)?")
LARGEST = re.compile(r"(?<=largest ratio #) in \w+")
TITLE = "######## "

# At four blocks; a row for each further one comes on top.
LONGEST_FAILURE, LONGEST_PASS, BLOCKS = 20, 8, 4

INTERNAL = ("generic point", "current point", "setting", "refuted", " × ", "probe")


@functools.cache
def said(name):
    return GALLERY[name]()


def masked(text):
    return LARGEST.sub("", NUMBER.sub("#", text))


def stored():
    parts = GOLDEN.read_text(encoding="utf-8").split(TITLE)[1:]
    return dict(part.split("\n", 1) for part in parts)


def test_every_check_of_the_gallery_is_stored():
    assert list(stored()) == list(GALLERY)
    assert len(GALLERY) >= 12


@pytest.mark.parametrize("name", GALLERY)
def test_a_typical_report_says_what_it_said(name):
    text = masked(str(said(name)))
    assert Counter(text.split()) == Counter(stored()[name].split()), text


@pytest.mark.parametrize("name", GALLERY)
def test_a_typical_report_is_short(name):
    report = said(name)
    most = LONGEST_PASS if report.passed else LONGEST_FAILURE
    assert len(str(report).splitlines()) <= most + max(0, len(report.blocks) - BLOCKS)


@pytest.mark.parametrize("name", GALLERY)
def test_a_typical_report_has_no_internal_words(name):
    text = " ".join(str(said(name)).split())
    assert [word for word in INTERNAL if word in text] == []


@pytest.mark.parametrize("name", [name for name in GALLERY if "every element" not in name])
def test_a_typical_report_says_no_sentence_twice(name):
    lines = [line.strip() for line in str(said(name)).splitlines()]
    long = [line for line in lines if len(line) > 30]
    assert len(set(long)) == len(long)


if __name__ == "__main__":
    texts = [f"{TITLE}{name}\n{masked(str(said(name)))}\n" for name in GALLERY]
    GOLDEN.write_text("\n".join(texts), encoding="utf-8")
