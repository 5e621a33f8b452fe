"""Numbers and names of blocks made to fit: what differs stays different."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gradhook.report.format import block_names, told_apart


def test_two_numbers_are_written_to_the_digits_that_show_by_how_much_they_differ():
    assert told_apart(-10.3171, -1.4739) == ("-10.3", "-1.47")
    # At three digits they would differ by a thousand times as much.
    assert told_apart(-0.2365003, -0.2364996) == ("-0.2365003", "-0.2364996")
    assert told_apart(2.0, 2.0) == ("2", "2")
    assert told_apart(1.0, float("nan")) == ("1", "nan")


@given(st.floats(1e-3, 1e3), st.floats(1e-12, 10))
def test_what_two_numbers_differ_by_can_be_read_off(value, share):
    other = value * (1 + share)
    shown = [float(each) for each in told_apart(value, other)]
    assert abs(abs(shown[1] - shown[0]) - abs(other - value)) <= 0.51 * abs(other - value)


def test_names_that_fit_or_differ_when_cut_stay_as_they_are():
    assert block_names(["W1", "b1"], 24) == {"W1": "W1", "b1": "b1"}
    alone = "a" * 40 + "/weight"
    assert block_names([alone], 24) == {alone: "a" * 12 + "…" + "aaaa/weight"}


def test_names_that_are_cut_alike_leave_out_what_they_begin_with():
    names = [f"{'a' * 40}{word}{'z' * 40}" for word in ("x", "y")]
    assert list(block_names(names, 24).values()) == [
        "…xzzzzzzzzzz…zzzzzzzzzzz",
        "…yzzzzzzzzzz…zzzzzzzzzzz",
    ]


def test_names_that_still_look_alike_are_numbered():
    names = [f"{'a' * 12}{where}{'z' * 40}" for where in ("xzzzzzzzzzzz1", "xzzzzzzzzzzz2", "y")]
    assert list(block_names(names, 24).values()) == [
        "…xzzzzzzzzzz…zzzzzzzzzzz",
        "aaaaaaaaaaa…zzzzzzzzzz#2",
        "…yzzzzzzzzzz…zzzzzzzzzzz",
    ]


PARTS = st.sampled_from(["encoder", "block", "_", "/", "0", "1", "11", "漢", "\x1b", "…", "#1"])
NAMES = st.lists(PARTS, max_size=30).map("".join) | st.text(max_size=60)


@given(st.lists(NAMES, max_size=8, unique=True), st.integers(12, 60))
@settings(max_examples=300, deadline=None)
@example(["x" * 30, "x" * 31, "x" * 5 + "…" + "x" * 6], 12)
def test_no_two_names_are_shown_alike_and_all_fit(names, room):
    shown = block_names(names, room)
    assert list(shown) == names
    assert len(set(shown.values())) == len(names)
    assert all(len(text) <= room and text.isprintable() and text for text in shown.values())
