"""Names of blocks made to fit: what differs stays different."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gradhook.report.format import block_names
from tests.report.made import breadth


def test_names_that_fit_or_differ_when_cut_stay_as_they_are():
    assert block_names(["W1", "b1"], 24) == {"W1": "W1", "b1": "b1"}
    alone = "a" * 40 + "/weight"
    assert block_names([alone], 24) == {alone: "a" * 12 + "…" + "aaaa/weight"}


def test_names_of_which_nothing_can_be_left_out_are_numbered():
    names = [f"{'a' * 40}{word}{'z' * 40}" for word in ("x", "y")]
    assert list(block_names(names, 24).values()) == [
        "aaaaaaaaaaa…zzzzzzzzzz#1",
        "aaaaaaaaaaa…zzzzzzzzzz#2",
    ]


def test_names_that_look_alike_once_escaped_are_numbered():
    assert list(block_names(["a\n", "a\\n"], 24).values()) == ["a\\n#1", "a\\n#2"]


PARTS = st.sampled_from(["encoder", "block", "_", "/", "0", "1", "11", "漢", "\x1b", "…", "#1"])
NAMES = st.lists(PARTS, max_size=30).map("".join) | st.text(max_size=60)


@given(st.lists(NAMES, max_size=8, unique=True), st.integers(12, 60))
@settings(max_examples=300, deadline=None)
@example(["x" * 30, "x" * 31, "x" * 5 + "…" + "x" * 6], 12)
def test_no_two_names_are_shown_alike_and_all_fit(names, room):
    shown = block_names(names, room)
    assert list(shown) == names
    assert len(set(shown.values())) == len(names)
    assert all(breadth(text) <= room and text.isprintable() and text for text in shown.values())
