"""Which branch each element takes, and where operands tie; against sets written out by hand."""

import numpy as np
import pytest

from gradhook.diagnosis.branches.winners import chooses, pattern, tied

ROW = np.array([3.0, 1.0, 3.0, 2.0])
TABLE = np.array([[1.0, 2.0, 2.0], [4.0, 3.0, 0.0]])


@pytest.mark.parametrize(
    ("operation", "arguments", "keywords", "where"),
    [
        ("minimum", (ROW, 3.0), {}, [1, 0, 1, 0]),
        ("greater", (ROW, 2.0), {}, [0, 0, 0, 1]),
        ("sign", (ROW - 1,), {}, [0, 1, 0, 0]),
        ("clip", (ROW, 1.0, 2.0), {}, [0, 1, 0, 1]),
        ("argmax", (ROW,), {}, [1]),
        ("min", (ROW,), {}, [0]),
        ("maximum.reduce", (TABLE[:, 1:],), {}, [0, 0]),
        ("max", (TABLE,), {"axis": 1}, [1, 0]),
        ("median", (TABLE,), {"axis": 1}, [1, 0]),
        ("sort", (TABLE,), {}, [[0, 1], [0, 0]]),
        ("argsort", (TABLE,), {"axis": None}, [0, 0, 1, 0, 0]),
    ],
)
def test_where_operands_tie(operation, arguments, keywords, where):
    assert tied(operation, *arguments, **keywords).astype(int).tolist() == where


def test_what_chooses_nothing_has_no_pattern():
    assert not chooses("exp")
    with pytest.raises(KeyError):
        pattern("exp", ROW)
