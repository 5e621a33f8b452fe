"""How a check is to be made: every keyword of ``check_gradients``.

A value that makes no sense is refused here, when a check or a callback is built, and not at the
step at which it would first be used.
"""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Protocol, TypedDict, TypeVar, get_args, runtime_checkable

from gradhook._types import Effort, Tolerance, as_integer, kind_of, nearest_name
from gradhook.difference import ComplexStep, Method
from gradhook.errors import OptionError
from gradhook.objective.calls import takes
from gradhook.objective.gradients import GradientName
from gradhook.objective.parameters import Parts
from gradhook.objective.switches import Penalty, Switch, as_switches, split_penalty

POINTS = ("generic", "current")
"""Points that ``points=`` may name, the main one first."""

ELSEWHERE = {
    ("epsilon", "eps", "h", "delta", "step", "step_size"): (
        "the step is chosen for you, block by block, so leave it out; for one of your own pass "
        "method=gradhook.difference.Central(step=1e-5)"
    ),
    ("tol", "atol", "rtol", "threshold"): "write tolerance=gradhook.Tolerance(fail=1e-4)",
    ("verbose",): "print(report), or report.details(), shows what was found",
    ("args", "data", "inputs", "X", "x"): (
        "write batch=(X, y), what the function takes besides the parameters"
    ),
    ("params", "theta", "weights"): "write parameters=, or pass them after the function",
    ("grad", "jac", "gradients", "grad_fn"): (
        "write gradient=, the function that computes the gradient"
    ),
}
"""What other gradient checkers call things, and what to write here."""

OPTION_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "tolerance": (
        lambda given: isinstance(given, Tolerance),
        "a gradhook.Tolerance, such as Tolerance(fail=1e-3)",
    ),
    "subset": (
        lambda given: callable(given) and takes(given, 2),
        "a function (batch, rows) -> batch",
    ),
    "method": (
        lambda given: callable(given) and not inspect.isclass(given),
        "one of gradhook.difference's methods, such as difference.Ridders()",
    ),
    "evaluation_mode": (
        lambda given: callable(given) or isinstance(given, contextlib.AbstractContextManager),
        "a context manager or a function that returns one",
    ),
    "gradient_name": (
        lambda given: callable(given) or isinstance(given, (str, Mapping)),
        "a format, a mapping or a function",
    ),
    "progress": (
        lambda given: isinstance(given, (bool, ProgressLike)),
        "True, False, None or an object with start, advance and close",
    ),
}
"""What options hold that are of one kind, if it is not ``None``."""

SwitchLike = Switch | str | Sequence[Switch | str] | None
PenaltyLike = SwitchLike | Penalty | Callable[..., Any] | Sequence[Any]


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
    tolerance: Tolerance = Tolerance()
    dropout: SwitchLike = None
    penalty: PenaltyLike = None
    evaluation_mode: Callable[[], Any] | contextlib.AbstractContextManager[Any] | None = None
    state: Any = None
    gradient: Callable[..., Any] | None = None
    gradient_name: GradientName | None = None
    parts: Parts | None = None
    layers: Sequence[str] | None = None
    points: Sequence[str] | None = None
    fixed: Collection[str] = ()
    method: Method | None = None
    workers: Any = 1
    seed: int = 0
    progress: ProgressLike | bool | None = None

    def __post_init__(self) -> None:
        if self.samples is not None:
            self._set_integer("samples", "a positive integer or None for every row", least=1)
        self._set_integer("sample_axis", "an integer")
        self._set_integer("seed", "a non-negative integer", least=0)
        workers = self.workers
        spread = callable(workers) or callable(getattr(workers, "map", None))
        if not (spread or as_integer(workers) == -1):
            self._set_integer(
                "workers",
                "a number of processes, -1 for one on each core, a function like map, or an object "
                "that has one",
                least=1,
            )
        _one_of("effort", self.effort, get_args(Effort))
        for point in _names("points", self.points, "('generic', 'current')"):
            _one_of("points", point, POINTS)
        _names("fixed", self.fixed, "('log_sigma',)")
        _names("layers", self.layers, "('W1', 'b1', 'W2', 'b2')")
        if self.points is not None and not self.points:
            raise OptionError("points is empty: name 'generic', 'current' or both")
        as_switches(self.dropout, "dropout")
        switches, added = split_penalty(self.penalty)
        as_switches(switches, "penalty")
        for penalty in added:
            if inspect.isclass(penalty):
                raise OptionError(
                    f"penalty={penalty.__name__} is a class; pass one with its coefficient, such "
                    f"as {penalty.__name__}(1e-3)"
                )
        if isinstance(self.gradient_name, str) and "{}" not in self.gradient_name:
            raise OptionError(
                f"gradient_name={self.gradient_name!r} would call every gradient the same: write "
                "{} where the block's name belongs, such as 'grad_{}'"
            )
        if self.gradient is not None and not callable(self.gradient):
            raise OptionError(
                "gradient= takes the function that computes the gradient of a loss that is passed "
                f"first, got {kind_of(self.gradient)}"
            )
        for name, (is_one, must) in OPTION_KINDS.items():
            given = getattr(self, name)
            if not (is_one(given) or (given is None and name != "tolerance")):
                raise OptionError(f"{name} must be {must}, got {given!r}")
        if self.parts is not None:
            self._refuse_parts(self.parts)

    def _refuse_parts(self, parts: Any) -> None:
        must = "parts must name the slices of one vector with their shapes, such as "
        example = "{'W1': (25, 64), 'b1': 25}"
        if not (isinstance(parts, Mapping) and parts):
            raise OptionError(f"{must}{example}, got {parts!r}")
        for name, part in parts.items():
            shape = [as_integer(n) for n in (part if isinstance(part, (tuple, list)) else (part,))]
            if not isinstance(name, str) or any(n is None or n < 1 for n in shape):
                raise OptionError(f"{must}{example}; the shape of {name!r} is {part!r}")

    def _set_integer(self, name: str, must: str, least: int | None = None) -> None:
        """Hold an integer as ``int``, for a report says it and JSON knows no other."""
        given = getattr(self, name)
        value = as_integer(given)
        if value is None or (least is not None and value < least):
            raise OptionError(f"{name} must be {must}, got {given!r}")
        object.__setattr__(self, name, value)

    @property
    def is_complex(self) -> bool:
        """Whether slopes are taken at complex parameters."""
        return isinstance(self.method, ComplexStep)

    @property
    def switch_names(self) -> list[str]:
        """Names of every switch, whatever it turns."""
        switches = [
            *as_switches(self.dropout, "dropout"),
            *as_switches(split_penalty(self.penalty)[0], "penalty"),
        ]
        return [switch.name if isinstance(switch, Switch) else switch for switch in switches]

    @classmethod
    def named(cls, keywords: Mapping[str, Any], *, beside: Sequence[str] = ()) -> Options:
        """Build from the user's keywords; the caller takes others ``beside`` them.

        Raises:
            TypeError: A keyword is not known; the message names the nearest one.
        """
        __tracebackhide__ = True
        known = [*beside, *(f.name for f in fields(cls))]
        for name in keywords:
            if name not in known:
                hint = nearest_name(name, known) or "."
                for words, answer in ELSEWHERE.items():
                    if name in words:
                        raise TypeError(f"{name}= is no option here: {answer}")
                raise TypeError(f"unknown option {name!r}{hint} Known: {', '.join(known)}")
        return cls(**keywords)


def _names(what: str, given: Any, example: str) -> Collection[str]:
    """What an option that takes several names holds; empty for ``None``."""
    if given is None:
        return ()
    if isinstance(given, str) or not isinstance(given, Collection):
        raise OptionError(f"{what} must be a tuple of names such as {example}, got {given!r}")
    return given


def _one_of(what: str, value: object, known: Sequence[str]) -> None:
    if value not in known:
        raise OptionError(
            f"{what} must be one of {', '.join(map(repr, known))}, got "
            f"{value!r}{nearest_name(str(value), list(known))}"
        )


F = TypeVar("F", bound=Callable[..., Any])


class Keywords(TypedDict, total=False):
    """The options that have nothing to do with batches, for whoever checks types."""

    effort: Effort
    tolerance: Tolerance
    dropout: SwitchLike
    penalty: PenaltyLike
    evaluation_mode: Callable[[], Any] | contextlib.AbstractContextManager[Any] | None
    state: Any
    gradient_name: GradientName | None
    layers: Sequence[str] | None
    points: Sequence[str] | None
    fixed: Collection[str]
    method: Method | None
    workers: Any
    seed: int
    progress: ProgressLike | bool | None


class BatchKeywords(Keywords, total=False):
    """Every option."""

    gradient: Callable[..., Any] | None
    parts: Parts | None

    samples: int | None
    sample_axis: int
    subset: Callable[[tuple[Any, ...], Any], tuple[Any, ...]] | None


def shows_options(*, but: Collection[str] = ()) -> Callable[[F], F]:
    """Let ``help`` and completion see the options of a function that takes all ``but`` some."""
    # As objects, because the module of the function does not know the names.
    options = inspect.signature(Options, eval_str=True).parameters
    shown = [option for name, option in options.items() if name not in but]

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        own = [p for p in signature.parameters.values() if p.kind not in variable]
        seen = signature.replace(parameters=[*own, *shown])
        vars(function)["__signature__"] = seen
        return function

    return decorate


def code_of(value: Any) -> str | None:
    """Return an expression that makes the value, given ``import gradhook``; ``None`` if none does.

    Numbers, strings, names and the values that gradhook exports can be written down, and lists,
    tuples and dictionaries of these; functions, generators and arrays cannot.
    """
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else f"float('{value}')"
    if value is None or type(value) in (bool, int, str):
        return repr(value)
    return code_of_items(value, code_of) or _own(value)


def code_of_items(value: Any, code: Callable[[Any], str | None]) -> str | None:
    """A list, tuple or dictionary with its items as ``code`` writes them; ``None`` if it cannot."""
    if type(value) is dict:
        items = [(code_of(key), code(item)) for key, item in value.items()]
        if any(None in item for item in items):
            return None
        return f"{{{', '.join(f'{key}: {item}' for key, item in items)}}}"
    if type(value) not in (list, tuple):
        return None
    parts = [code(item) for item in value]
    if None in parts:
        return None
    inside = ", ".join(map(str, parts))
    if type(value) is list:
        return f"[{inside}]"
    return f"({inside},)" if len(parts) == 1 else f"({inside})"


def _own(value: Any) -> str | None:
    """A value of gradhook's own, by the name under which users import its class."""
    kind = type(value)
    if not (is_dataclass(value) and kind.__module__.startswith("gradhook.")):
        return None
    home = "gradhook.difference" if ".difference." in kind.__module__ else "gradhook"
    if isinstance(value, Penalty):
        return f"{home}.{value!r}"
    changed = [each.name for each in fields(value) if getattr(value, each.name) != each.default]
    codes = {name: code_of(getattr(value, name)) for name in changed}
    if None in codes.values():
        return None
    return f"{home}.{kind.__name__}({', '.join(f'{name}={code}' for name, code in codes.items())})"


@runtime_checkable
class ProgressLike(Protocol):
    """Anything with ``start``, ``advance`` and ``close``.

    Example:
        >>> class Count:
        ...     def start(self, total: int | None, description: str) -> None:
        ...         self.done = 0
        ...
        ...     def advance(self, n: int = 1) -> None:
        ...         self.done += n
        ...
        ...     def close(self) -> None: ...
        >>> isinstance(Count(), ProgressLike)
        True
    """

    def start(self, total: int | None, description: str) -> None:
        """Begin work of ``total`` steps, ``None`` where their number is not known beforehand."""

    def advance(self, n: int = 1) -> None:
        """Say that ``n`` more steps are done; their sum may differ from ``total``."""

    def close(self) -> None:
        """End the work, finished or not; may be called more than once, and without ``start``."""
