"""Values as the code that makes them again, for the line that repeats a check."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from gradhook._penalty import Penalty

__all__ = ["code_of"]


def code_of(value: Any) -> str | None:
    """Return an expression that makes the value, given ``import gradhook``; ``None`` if none does.

    Numbers, strings, names and the values that gradhook exports can be written down, and lists,
    tuples and dictionaries of these; functions, generators and arrays cannot.
    """
    if isinstance(value, (list, tuple)):
        parts = [code_of(item) for item in value]
        if None in parts or type(value) not in (list, tuple):
            return None
        inside = ", ".join(map(str, parts))
        if isinstance(value, list):
            return f"[{inside}]"
        return f"({inside},)" if len(parts) == 1 else f"({inside})"
    if type(value) is dict:
        items = [(code_of(key), code_of(item)) for key, item in value.items()]
        if any(None in item for item in items):
            return None
        return f"{{{', '.join(f'{key}: {item}' for key, item in items)}}}"
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else f"float('{value}')"
    if value is None or type(value) in (bool, int, str):
        return repr(value)
    return _own(value)


def _own(value: Any) -> str | None:
    """A value of gradhook's own, by the name under which users import its class."""
    kind = type(value)
    if not (dataclasses.is_dataclass(value) and kind.__module__.startswith("gradhook.")):
        return None
    home = "gradhook.difference" if ".difference." in kind.__module__ else "gradhook"
    if isinstance(value, Penalty):
        return f"{home}.{value!r}"
    arguments = []
    for field in dataclasses.fields(value):
        held = getattr(value, field.name)
        if held != field.default:
            code = code_of(held)
            if code is None:
                return None
            arguments.append(f"{field.name}={code}")
    return f"{home}.{kind.__name__}({', '.join(arguments)})"
