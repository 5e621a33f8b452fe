from hypothesis import given
from hypothesis import strategies as st

from gradhook.sinks.metrics import LONGEST_TAG, block_tags
from gradhook.sinks.tensorboard.event_file import CHARTS, Summary
from tests.sinks.event_files import Layout, tensor_util

# Short names from few characters clash often; the others bring what no tag should hold.
NAMES = st.one_of(
    st.text("ratio_ \n", max_size=8), st.text(), st.text("ab\ud800", min_size=90, max_size=120)
)


def test_a_block_called_ratio_gives_way_to_one_called_ratio_underscore_in_either_order():
    expected = {"ratio": "ratio__", "ratio_": "ratio_"}
    assert block_tags(["ratio", "ratio_"]) == expected
    assert block_tags(["ratio_", "ratio"]) == expected
    assert block_tags(["0 wrong blocks"]) == {"0 wrong blocks": "0 wrong blocks_"}


@given(st.lists(NAMES, unique=True))
def test_no_two_blocks_share_a_tag_and_every_tag_can_be_written_and_seen(names):
    tags = block_tags(names)
    assert list(tags) == names
    assert len(set(tags.values())) == len(names)
    for tag in tags.values():
        assert tag
        assert tag != "ratio"
        assert tag.isprintable()
        assert tag.encode()
        # Underscores are added one by one, at most one for each name that is in the way.
        assert len(tag) <= LONGEST_TAG + len(names)


def headings(tags, wrong):
    """Title, whether it is closed, and charts, of each heading."""
    summary = Summary()
    summary.custom_charts({tag: tag in wrong for tag in tags})
    (value,) = summary._summary.value
    layout = Layout.FromString(tensor_util.make_ndarray(value.tensor).item())
    return [(c.title, c.closed, [chart.title for chart in c.chart]) for c in layout.category]


def test_a_few_blocks_share_one_open_heading():
    tags = [f"W{i}" for i in range(12)]
    assert headings(tags, wrong=()) == [(CHARTS, False, ["all blocks", *tags])]


def test_blocks_that_were_wrong_come_first_in_their_order():
    ((_, _, charts),) = headings(["W1", "b1", "W2", "b2"], wrong={"b2", "b1"})
    assert charts == ["all blocks", "b1", "b2", "W1", "W2"]


def test_of_many_blocks_the_wrong_ones_stand_on_top_of_a_closed_heading_with_all():
    tags = [f"layer{i}/{name}" for i in range(10) for name in ("W", "b", "gamma")]
    first, every = headings(tags, wrong={"layer7/W"})
    assert first == (CHARTS, False, ["all blocks", "layer7/W"])
    assert every == ("every block", True, tags)
