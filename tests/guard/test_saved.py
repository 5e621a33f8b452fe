"""What every record of a thing that can change promises."""

import pytest

from gradhook.guard.arrays import SavedArray
from gradhook.guard.generators import global_streams
from gradhook.guard.saved import Saved


def test_a_record_must_tell_put_back_and_describe():
    class Half(Saved):
        def changed(self):
            return False

    with pytest.raises(TypeError, match=r"describe.*restore"):
        Half()


def test_unless_it_says_otherwise_it_is_small_and_no_generator():
    class Whole(Saved):
        __slots__ = ()

        def changed(self):
            return False

        def restore(self):
            pass

        def describe(self):
            return "nothing"

    assert (Whole().nbytes, Whole().is_generator) == (0, False)
    assert not hasattr(Whole(), "__dict__")  # there is one for every object in reach
    assert all(stream.is_generator for stream in global_streams())
    assert SavedArray.__mro__[1] is Saved
