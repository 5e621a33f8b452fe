"""gradhook's own faults are told from the user's exceptions and from refusals."""

import re

import pytest

from gradhook.check.faults import is_users, own_faults
from gradhook.errors import OptionError


def caught(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def users_function():
    raise KeyError("W1")


def test_a_refusal_passes_as_it_is():
    with pytest.raises(OptionError, match="samples"), own_faults():
        raise OptionError("samples must be positive")


def test_an_exception_out_of_a_library_alone_is_not_the_users():
    # re calls itself: no frame of the error below this one is the user's.
    error = caught(re.compile, "(")
    error.__traceback__ = error.__traceback__.tb_next
    assert not is_users(error)
    assert is_users(caught(users_function))
