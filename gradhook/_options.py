"""How a check is to be made: every keyword of ``check_gradients``, refused early if it makes no sense."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, get_args

from gradhook._gradients import GradientName
from gradhook._penalty import _Penalty
from gradhook._progress import ProgressLike
from gradhook._switches import Switch
from gradhook._types import Effort, Tolerance, nearest_name
from gradhook.difference import Method
from gradhook.errors import OptionError

__all__ = ["POINTS", "Options"]

POINTS = ("generic", "current")
"""Points that ``points=`` may name, the main one first."""

SwitchLike = Switch | str | Sequence[Switch | str] | None
PenaltyLike = SwitchLike | _Penalty | Callable[..., float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The keywords of ``check_gradients``; see there.

    Raises:
        OptionError: A value that gradhook does not know, with the nearest one that it does.
    """

    samples: int | None = 7
    sample_axis: int = 0
    subset: Callable[[tuple[Any, ...], Any], tuple[Any, ...]] | None = None
    effort: Effort = "standard"
    tolerance: Tolerance = field(default_factory=Tolerance)
    dropout: SwitchLike = None
    penalty: PenaltyLike = None
    evaluation_mode: Callable[[], Any] | contextlib.AbstractContextManager[Any] | None = None
    state: Any = None
    gradient_name: GradientName | None = None
    order: Sequence[str] | None = None
    points: Sequence[str] | None = None
    fixed: Collection[str] = ()
    method: Method | None = None
    workers: Any = 1
    seed: int = 0
    progress: ProgressLike | bool | None = None

    def __post_init__(self) -> None:
        if self.samples is not None and not (_is_integer(self.samples) and self.samples >= 1):
            raise OptionError(
                f"samples must be a positive integer or None for every row, got {self.samples!r}"
            )
        if not _is_integer(self.sample_axis):
            raise OptionError(f"sample_axis must be an integer, got {self.sample_axis!r}")
        _one_of("effort", self.effort, get_args(Effort))
        if not isinstance(self.tolerance, Tolerance):
            raise OptionError(f"tolerance must be a gradhook.Tolerance, got {self.tolerance!r}")
        if self.points is not None:
            if isinstance(self.points, str) or not self.points:
                raise OptionError(
                    f"points must be a tuple such as ('generic', 'current'), got {self.points!r}"
                )
            for point in self.points:
                _one_of("points", point, POINTS)
        if isinstance(self.fixed, str):
            raise OptionError(
                f"fixed must be a tuple of block names, got the string {self.fixed!r}"
            )
        if not (_is_integer(self.seed) and self.seed >= 0):
            raise OptionError(f"seed must be a non-negative integer, got {self.seed!r}")
        if self.method is not None and not callable(self.method):
            raise OptionError(
                f"method must be one of gradhook.difference's methods, got {self.method!r}"
            )
        if self.workers != 1:
            raise OptionError(f"workers={self.workers!r} is not supported yet: leave it at 1")
        if self.subset is not None and not callable(self.subset):
            raise OptionError(
                f"subset must be a function (batch, rows) -> batch, got {self.subset!r}"
            )

    @classmethod
    def named(cls, keywords: dict[str, Any]) -> Options:
        """Build from keywords, naming the nearest known one for a misspelt name.

        Raises:
            TypeError: A keyword is not known.
        """
        known = [f.name for f in fields(cls)]
        for name in keywords:
            if name not in known:
                raise TypeError(
                    f"unknown option {name!r}{nearest_name(name, known)} Known: {', '.join(known)}"
                )
        return cls(**keywords)

    def call(self, seed: int) -> str:
        """The line of code that repeats a check made with these options, data and objective aside."""
        plain = (
            "samples",
            "sample_axis",
            "effort",
            "gradient_name",
            "order",
            "points",
            "fixed",
            "dropout",
            "method",
        )
        parts = ["objective", "parameters", "batch=batch"]
        defaults = {f.name: f.default for f in fields(self)}
        parts += [f"{n}={getattr(self, n)!r}" for n in plain if getattr(self, n) != defaults[n]]
        if self.tolerance != Tolerance():
            parts.append(f"tolerance={self.tolerance!r}")
        if self.penalty is not None:
            parts.append(
                f"penalty={self.penalty!r}" if _is_plain(self.penalty) else "penalty=penalty"
            )
        for name in ("state", "evaluation_mode", "subset"):
            if getattr(self, name) is not None:
                parts.append(f"{name}={name}")
        return f"gradhook.check_gradients({', '.join([*parts, f'seed={seed}'])})"


def _is_integer(value: object) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool)


def _is_plain(value: object) -> bool:
    return isinstance(value, (str, Switch, _Penalty))


def _one_of(what: str, value: object, known: Sequence[str]) -> None:
    if value not in known:
        raise OptionError(
            f"{what} must be one of {', '.join(map(repr, known))}, got "
            f"{value!r}{nearest_name(str(value), list(known))}"
        )
