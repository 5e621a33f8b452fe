"""Records as plain JSON types, and back.

JSON has no NaN and no infinity, so ``nan`` (unknown) becomes ``null`` and the infinities become
the strings ``"inf"`` and ``"-inf"``; tuples become lists, verdicts their names.  The way back is
driven by the records' own type hints: every value must fit the hint of its field, every key must be
there and no other, and nothing is evaluated or imported.  A field that takes no part in comparisons
is not written, so that a record read back equals the one written.
"""

from __future__ import annotations

import math
import reprlib
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal

import numpy as np

from gradhook._types import Verdict
from gradhook.errors import GradhookError

__all__ = ["ReportFormatError", "from_plain", "to_plain"]

_INFINITE = ("inf", "-inf")


class ReportFormatError(GradhookError, ValueError):
    """A dictionary or JSON text is not a report of a format that this version reads.

    Example:
        >>> from gradhook.report import Report, ReportFormatError
        >>> try:
        ...     Report.from_dict({"format": 99})
        ... except ReportFormatError as error:
        ...     print(error)
        report.format: expected 1, got 99
    """


def to_plain(value: Any) -> Any:
    """Return a record, or a value of one of its fields, as plain JSON types."""
    if is_dataclass(value):
        kept = (field.name for field in fields(value) if field.compare)
        return {name: to_plain(getattr(value, name)) for name in kept}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, str):
        return str(value)  # A verdict's name.
    plain = value.item() if isinstance(value, np.generic) else value
    if plain is None or isinstance(plain, int):
        return plain
    number = float(plain)
    if math.isfinite(number):
        return number
    return None if math.isnan(number) else str(number)


def from_plain(hint: Any, value: object, where: str) -> Any:
    """Rebuild what ``to_plain`` made of a value of this type hint.

    Raises:
        ReportFormatError: It is not that; the message names the place and what was expected there.
    """
    origin, choices = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return None if value is None else from_plain(choices[0], value, where)
    if is_dataclass(hint) and isinstance(value, Mapping):
        return _read_record(hint, value, where)
    if origin is tuple and isinstance(value, (list, tuple)):
        return tuple(from_plain(choices[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is Mapping and isinstance(value, Mapping):
        return {
            from_plain(choices[0], key, f"a key of {where}"): from_plain(
                choices[1], item, f"{where}[{reprlib.repr(key)}]"
            )
            for key, item in value.items()
        }
    if hint is float and (value is None or value in _INFINITE or type(value) in (int, float)):
        return math.nan if value is None else float(typing.cast(float, value))
    if hint is Verdict and value in [*Verdict.__members__]:
        return Verdict[value]
    if type(value) is hint or (origin is Literal and value in choices):
        return value
    expected = choices if origin is Literal else hint.__name__
    raise ReportFormatError(f"{where}: expected {expected}, got {reprlib.repr(value)}")


def _read_record(cls: Any, value: Mapping[Any, Any], where: str) -> Any:
    hints = typing.get_type_hints(cls)
    names = [field.name for field in fields(cls) if field.compare]
    for what, keys in (("unknown", value.keys() - {*names}), ("missing", {*names} - value.keys())):
        if keys:
            raise ReportFormatError(f"{where}: {what} key {reprlib.repr(min(keys, key=str))}")
    members = {name: from_plain(hints[name], value[name], f"{where}.{name}") for name in names}
    try:
        return cls(**members)
    except ValueError as error:  # A record refuses what its type hints cannot say.
        raise ReportFormatError(f"{where}: {error}") from error
