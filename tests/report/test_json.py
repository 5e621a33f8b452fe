"""Plain JSON types and back, by the hints of a record's own fields."""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytest

from gradhook.report.json import ReportFormatError, from_plain, parse_json, to_plain


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Inner:
    size: int


@dataclass
class Record:
    number: float
    flag: bool
    how: Literal["a", "b"]
    several: tuple[Inner, ...]
    table: Mapping[str, float]
    perhaps: str | None = None
    unseen: int = field(default=0, compare=False)


RECORD = Record(math.inf, np.bool_(True), "a", (Inner(np.int64(3)),), {"x": math.nan}, None, 9)
PLAIN = {
    "number": "inf",
    "flag": True,
    "how": "a",
    "several": [{"size": 3}],
    "table": {"x": None},
    "perhaps": None,
}


def test_a_record_becomes_plain_types_and_comes_back_by_its_hints():
    assert to_plain(RECORD) == PLAIN
    back = from_plain(Record, PLAIN, "record")
    assert (back.number, back.flag, back.several, back.unseen) == (math.inf, True, (Inner(3),), 0)
    assert math.isnan(back.table["x"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"number": "nan"}, 'record.number: expected a number, null, "inf" or "-inf", got \'nan\''),
        ({"number": True}, "record.number: expected a number"),
        ({"number": 10**400}, "record.number: expected a number"),
        ({"flag": 1}, "record.flag: expected true or false, got 1"),
        ({"how": "c"}, "record.how: expected one of a, b, got 'c'"),
        ({"several": [{"size": 1}, {"size": 1.0}]}, "record.several[1].size: expected an integer"),
        ({"several": [{"size": True}]}, "record.several[0].size: expected an integer"),
        ({"several": "no"}, "record.several: expected a list, got 'no'"),
        ({"table": {1: 2.0}}, "a key of record.table: expected a string, got 1"),
        ({"perhaps": 3}, "record.perhaps: expected a string, got 3"),
        ({"unseen": 9}, "record: unknown key 'unseen'"),
        ({"flg": True}, "record: unknown key 'flg'; did you mean 'flag'?; expected only number, "),
    ],
)
def test_a_value_that_its_field_does_not_take_is_named_with_its_place(change, said):
    with pytest.raises(ReportFormatError) as caught:
        from_plain(Record, {**PLAIN, **change}, "record")
    assert str(caught.value).startswith(said)


def test_a_missing_key_and_what_is_no_json_are_refused():
    with pytest.raises(ReportFormatError, match="record: missing key 'perhaps', expected a string"):
        from_plain(Record, {k: v for k, v in PLAIN.items() if k != "perhaps"}, "record")
    for text in ("{", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 10_000):
        with pytest.raises(ReportFormatError, match="not a report in JSON"):
            parse_json(text)
    assert parse_json('{"a": [1, null]}') == {"a": [1, None]}
