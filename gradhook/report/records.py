"""What a check found: a frozen record, and its form in plain JSON types.

Unknown numbers are ``nan``, unknown things ``None``.  Text and HTML are made from these records by
``gradhook.report.text`` and ``pages``; dictionaries and JSON by the methods here.

JSON has no NaN and no infinity, so ``nan`` becomes ``null`` and the infinities become the strings
``"inf"`` and ``"-inf"``; tuples become lists, verdicts their names.  The way back is driven by the
records' own type hints: every value must fit the hint of its field, every key must be there and no
other, and nothing is evaluated or imported.  A field that takes no part in comparisons is not
written, so that a record read back equals the one written.
"""

from __future__ import annotations

import json
import math
import reprlib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal

import numpy as np

from gradhook._types import Effort, Tolerance, Verdict
from gradhook.errors import GradhookError
from gradhook.report.blocks import BlockReport, Record, freeze
from gradhook.report.causes import Cause

__all__ = ["Report", "ReportFormatError"]

FORMAT = 1
"""Version of the dictionary form; raised when an old reader would misread the new one."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Report(Record):
    """What one check found; true when the check passed.

    Args:
        verdict: The worst block's, in the order FAIL, INCONCLUSIVE, WARN, KINK, UNTESTED, PASS.
        passed: Whether the gradient may be relied on as far as the check could see.
        ratio: The ratio over all blocks together, the largest over the settings that judged.
        ratio_error: Error estimate of ``ratio``.
        blocks: A ``BlockReport`` per block, by name, in the user's order.
        causes: Confirmed causes, most likely first; empty rather than wrong.
        boundary: Where a fault enters that no cause explains, in words; empty otherwise.
        coverage: What was not exercised, one sentence each.
        notes: What a reader must know before the verdict (a random loss, names matched by a rule),
            one sentence each.
        settings: Names of the settings measured, main one first.
        evaluations: Loss evaluations made (a call that also returns gradients counts once).
        gradient_evaluations: Calls that returned gradients.
        loss: The loss at the current point on the rows checked.
        seed: Seed of the check's own generator.
        effort: ``"quick"``, ``"standard"`` or ``"exhaustive"``.
        tolerance: The thresholds used.
        step: Training step, ``None`` outside a loop.
        rows: Rows of the batch that were checked, ``None`` where all were.
        textbook_ratio: The plain textbook ratio at ε = 1e-7 over all blocks (exhaustive effort),
            else ``nan``.
        seconds: Wall time.
        call: The line of code that repeats this check.
        batch_rows: Rows that the batch holds, ``None`` where it counts none.
        whole_batch: Whether what few rows said was held against the whole batch.

    Example:
        >>> from gradhook import Verdict
        >>> from gradhook.report import BlockReport, Report
        >>> w = BlockReport("w", (3,), "float64", Verdict.FAIL, ratio=0.5, sentence="sign is wrong")
        >>> report = Report(Verdict.FAIL, passed=False, blocks={"w": w}, ratio=0.5, evaluations=12)
        >>> bool(report), report.failing
        (False, ('w',))
        >>> report
        <Report gradcheck: FAIL, w wrong; ratio 0.5: sign is wrong>
        >>> print(report)
        gradcheck: FAIL, w wrong; ratio 0.5
        <BLANKLINE>
        w: sign is wrong
          next: compare the lines that compute this gradient with those of the loss
        <BLANKLINE>
        verdict  block  shape  ratio
        FAIL     w      (3,)   0.5
        <BLANKLINE>
        ratio = |yours - numerical| / (|yours| + |numerical|), wrong above 1e-04
        12 loss evaluations
    """

    verdict: Verdict
    passed: bool
    blocks: Mapping[str, BlockReport]
    ratio: float = math.nan
    ratio_error: float = math.nan
    causes: tuple[Cause, ...] = ()
    boundary: str = ""
    coverage: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    evaluations: int = 0
    gradient_evaluations: int = 0
    loss: float = math.nan
    seed: int = 0
    effort: Effort = "standard"
    tolerance: Tolerance = field(default_factory=Tolerance)
    step: int | None = None
    rows: tuple[int, ...] | None = None
    textbook_ratio: float = math.nan
    seconds: float = math.nan
    call: str = ""
    batch_rows: int | None = None
    whole_batch: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", types.MappingProxyType(dict(self.blocks)))
        freeze(self, "causes", "coverage", "notes", "settings")
        if self.rows is not None:
            freeze(self, "rows")

    def __bool__(self) -> bool:
        return bool(self.passed)

    def __str__(self) -> str:
        # Imported where it is used, because a run that prints nothing needs none of it.
        from gradhook.report.text import text

        return text(self)

    def details(self) -> str:
        """Return all there is to tell: what each setting found, and what would refute a cause."""
        from gradhook.report.text import details

        return details(self)

    def __repr__(self) -> str:
        from gradhook.report.text import summary

        return f"<Report {summary(self)}>"

    def _repr_html_(self) -> str:
        from gradhook.report.pages import html

        return html(self)

    @property
    def failing(self) -> tuple[str, ...]:
        """Names of the blocks whose verdict is FAIL, in the user's order."""
        return tuple(name for name, block in self.blocks.items() if block.verdict is Verdict.FAIL)

    def reproduce(self) -> str:
        """Return the line of code that repeats this check."""
        return self.call

    def to_dict(self) -> dict[str, Any]:
        """Return the report in plain JSON types.

        ``nan`` becomes ``None``, an infinity ``"inf"`` or ``"-inf"``, a verdict its name;
        ``"format"`` is the version of this form.  ``relative_errors`` of the blocks are left out.
        """
        return {"format": FORMAT, **to_plain(self)}

    def to_json(self, indent: int | None = None) -> str:
        """Return ``to_dict()`` as strict JSON, in one line or indented by ``indent`` spaces."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Report:
        """Rebuild a report from ``to_dict``; nothing in ``record`` is evaluated.

        Raises:
            ReportFormatError: ``record`` is not what ``to_dict`` of this format writes; the message
                names the key and what was expected there.

        Example:
            >>> from gradhook import Verdict
            >>> report = Report(Verdict.UNTESTED, passed=False, blocks={})
            >>> Report.from_dict(report.to_dict()) == report
            True
        """
        version = record.get("format") if isinstance(record, Mapping) else None
        if version != FORMAT:
            raise ReportFormatError(
                f"report.format: expected {FORMAT}, got {reprlib.repr(version)}"
            )
        rest = {key: value for key, value in record.items() if key != "format"}
        report: Report = from_plain(cls, rest, "report")
        return report

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Rebuild a report from ``to_json``.

        Raises:
            ReportFormatError: ``text`` is not JSON, or not a report.
        """
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ReportFormatError(f"not a report in JSON: {error}") from error
        return cls.from_dict(record)


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
