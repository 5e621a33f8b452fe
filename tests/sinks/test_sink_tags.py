from hypothesis import given
from hypothesis import strategies as st

from gradhook.sinks.tensorboard.tags import (
    EMPTY,
    LONGEST_TAG,
    TITLE,
    BlockTags,
    headings,
    printable,
    shorten,
)

# Short names from few characters clash often; the others bring what no tag should hold.
NAMES = st.one_of(
    st.text("ratio_ \n", max_size=8), st.text(), st.text("ab\ud800", min_size=90, max_size=120)
)


def test_a_block_called_ratio_gives_way_to_one_called_ratio_underscore_in_either_order():
    expected = {"ratio": "ratio__", "ratio_": "ratio_"}
    assert BlockTags().of(["ratio", "ratio_"]) == expected
    assert BlockTags().of(["ratio_", "ratio"]) == expected


def test_a_tag_stays_with_its_block_when_others_come_and_go():
    tags = BlockTags()
    assert tags.of(["ratio"])["ratio"] == "ratio_"
    assert tags.of(["ratio_"])["ratio_"] == "ratio__"
    assert tags.of(["ratio_", "ratio"]) == {"ratio_": "ratio__", "ratio": "ratio_"}
    assert tags.all == ["ratio_", "ratio__"]


def test_an_empty_name_has_a_tag_that_can_be_seen():
    assert shorten("") == shorten(" \n") == EMPTY


def test_what_cannot_be_seen_is_replaced():
    assert printable(" a\t\nb\x00\u202ec\ud800 ") == "a b\ufffd\ufffdc\ufffd"


@given(st.lists(st.lists(NAMES, unique=True), max_size=3))
def test_no_two_blocks_share_a_tag_and_every_tag_can_be_written_and_seen(reports):
    tags, by_name = BlockTags(), {}
    for names in reports:
        given_tags = tags.of(names)
        assert list(given_tags) == names
        assert by_name | given_tags == given_tags | by_name, "a tag changed during the run"
        by_name |= given_tags
    assert len(set(by_name.values())) == len(by_name)
    for tag in by_name.values():
        assert tag
        assert tag != "ratio"
        assert tag.isprintable()
        assert tag.encode()
        # Underscores are added one by one, at most one for each name that is in the way.
        assert len(tag) <= LONGEST_TAG + len(by_name)


def test_a_few_blocks_share_one_open_heading():
    (heading,) = headings([f"W{i}" for i in range(12)], wrong=())
    assert heading.title == TITLE
    assert heading.tags == ("ratio", *(f"W{i}" for i in range(12)))
    assert not heading.closed


def test_blocks_that_were_wrong_come_first_in_their_order():
    (heading,) = headings(["W1", "b1", "W2", "b2"], wrong={"b2", "b1"})
    assert heading.tags == ("ratio", "b1", "b2", "W1", "W2")


def test_many_blocks_stand_a_dozen_to_a_heading_with_the_wrong_ones_on_top():
    tags = [f"layer{i}/{name}" for i in range(10) for name in ("W", "b", "gamma")]
    first, *runs = headings(tags, wrong={"layer7/W"})
    assert first.tags == ("ratio", "layer7/W")
    assert not first.closed
    assert [run.tags for run in runs] == [tuple(tags[:12]), tuple(tags[12:24]), tuple(tags[24:])]
    assert runs[0].title == "layer0/W to layer3/gamma"
    assert all(run.closed for run in runs)


def test_the_first_heading_stays_readable_when_everything_is_wrong():
    tags = [f"layer{i}/W{j}" for i in range(20) for j in range(3)]
    first, *layers = headings(tags, wrong=set(tags))
    assert first.tags == ("ratio", *tags[:12])
    assert [tag for heading in layers for tag in heading.tags] == tags
