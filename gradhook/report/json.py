"""Records as plain JSON types, and back.

JSON has no NaN and no infinity, so ``nan`` (unknown) becomes ``null`` and the infinities become
the strings ``"inf"`` and ``"-inf"``; tuples become lists, verdicts their names.  The way back is
driven by the records' own type hints: every value is checked against the hint of its field, every
key must be there, no other may be, and nothing is evaluated or imported.  A field that takes no
part in comparisons is not written, so that a record read back equals the one written.
"""

from __future__ import annotations

import json
import math
import reprlib
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, NoReturn

import numpy as np

from gradhook._types import Verdict, nearest_name
from gradhook.errors import GradhookError

__all__ = ["ReportFormatError", "from_plain", "parse_json", "refuse", "to_plain"]

_INFINITE = ("inf", "-inf")


class ReportFormatError(GradhookError, ValueError):
    """A dictionary or JSON text is not a report of a format that this version reads.

    Example:
        >>> from gradhook.report import Report, ReportFormatError
        >>> try:
        ...     Report.from_dict({"format": 99})
        ... except ReportFormatError as error:
        ...     print(error)
        report.format: expected 1, the format that this version reads, got 99
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
    """Rebuild a record, or a value of one of its fields, from what ``to_plain`` made of it.

    Args:
        hint: The record's class, or the type hint of the field.
        value: The plain dictionary, or what stands in it.
        where: What to call it in messages, such as ``"report"``.

    Raises:
        ReportFormatError: A key is missing or unknown, or a value is not what its field takes; the
            message names the key and what was expected there.
    """
    origin, choices = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return None if value is None else from_plain(choices[0], value, where)
    if is_dataclass(hint):
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
    if hint is float and value is None:
        return math.nan
    if hint is float and (_is_number(value) or (isinstance(value, str) and value in _INFINITE)):
        return float(typing.cast(float, value))
    if hint is bool and isinstance(value, bool):
        return value
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if hint is str and isinstance(value, str):
        return str(value)
    if origin is Literal and isinstance(value, str) and value in choices:
        return str(value)
    if hint is Verdict and isinstance(value, str) and value in Verdict.__members__:
        return Verdict[value]
    return refuse(where, _expected(hint), value)


def parse_json(text: str) -> object:
    """Parse strict JSON: no ``NaN``, no ``Infinity``, no key twice.

    Raises:
        ReportFormatError: ``text`` is not that.
    """
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ReportFormatError(f"not a report in JSON: {error}") from error


def refuse(where: str, expected: str, value: object) -> NoReturn:
    """Raise the error of a value that is not what was expected in its place."""
    raise ReportFormatError(f"{where}: expected {expected}, got {reprlib.repr(value)}")


def _read_record(cls: Any, value: object, where: str) -> Any:
    if not isinstance(value, Mapping):
        refuse(where, _expected(cls), value)
    hints = typing.get_type_hints(cls)
    names = [field.name for field in fields(cls) if field.compare]
    for key in value:
        if key not in names:
            hint = nearest_name(key, names) if isinstance(key, str) else ""
            known = ", ".join(names)
            raise ReportFormatError(
                f"{where}: unknown key {reprlib.repr(key)}{hint}; expected only {known}"
            )
    for name in names:
        if name not in value:
            expected = _expected(hints[name])
            raise ReportFormatError(f"{where}: missing key {name!r}, expected {expected}")
    members = {name: from_plain(hints[name], value[name], f"{where}.{name}") for name in names}
    try:
        return cls(**members)
    except ValueError as error:  # A record refuses what its type hints cannot say.
        raise ReportFormatError(f"{where}: {error}") from error


def _expected(hint: Any) -> str:
    """What a field takes, in words."""
    origin, choices = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return f"{_expected(choices[0])} or null"
    if origin is tuple:
        return "a list"
    if origin is Literal:
        return f"one of {', '.join(choices)}"
    if hint is Verdict:
        return f"one of {', '.join(Verdict)}"
    words = {float: 'a number, null, "inf" or "-inf"', bool: "true or false", int: "an integer"}
    return words.get(hint, "a string" if hint is str else "an object")


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # An integer beyond the largest float.
        return False


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON; unknown numbers are null, infinite ones strings")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} stands twice in one object")
    return record
