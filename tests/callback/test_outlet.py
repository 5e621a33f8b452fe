"""A finished report goes into the sinks, and then to whoever is to act on it."""

import pytest

from gradhook.callback.outlet import Outlet
from gradhook.errors import OptionError
from gradhook.sinks import Memory


@pytest.mark.parametrize(
    ("sinks", "message"),
    [
        (Memory(), r"sinks takes several: write sinks=\[Memory\(\.\.\.\)\]"),
        ([Memory], "the sink Memory is a class; pass an instance of it"),
        (["runs"], r"a sink needs write\(report\) and close\(\); str lacks them"),
    ],
)
def test_what_is_no_sink_is_refused_with_the_remedy(sinks, message):
    with pytest.raises(OptionError, match=message):
        Outlet(sinks, "warn")


def test_an_unknown_action_is_refused_with_the_nearest_one():
    with pytest.raises(OptionError, match=r"on_fail must be one of .*'rise'.*raise"):
        Outlet([], "rise")
