"""The default text of typical reports, as it stands in ``golden_text.txt`` with numbers masked.

Which of the right blocks has the largest ratio, and so their order and the breaks of lines, differs
between machines; every word is compared.  ``python -m tests.report.test_golden_text`` writes
what is said now; read what has changed before you commit it.
"""

import functools
import html
import re
from collections import Counter
from pathlib import Path

import pytest

from gradhook import CAUSE_KINDS
from gradhook.report.causes import REMEDIES
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


@pytest.mark.parametrize("name", GALLERY)
def test_text_html_and_details_say_the_same_next_step(name):
    report = said(name)
    steps = re.findall(r"^  next: (.*(?:\n    .*)*)", str(report), re.MULTILINE)
    assert len(steps) == (report.verdict == "FAIL")
    for step in (" ".join(each.split()) for each in steps):
        assert f"<li>next: {html.escape(step)}</li>" in report._repr_html_()
        assert f"next: {step}" in " ".join(report.details().split())


def test_every_kind_of_cause_has_a_remedy_that_is_short_and_no_sentence_of_its_own():
    assert tuple(REMEDIES) == CAUSE_KINDS
    for remedy in REMEDIES.values():
        assert 20 < len(remedy) < 125
        assert remedy[0].islower()
        assert not remedy.endswith(".")


if __name__ == "__main__":
    texts = [f"{TITLE}{name}\n{masked(str(said(name)))}\n" for name in GALLERY]
    GOLDEN.write_text("\n".join(texts), encoding="utf-8")
