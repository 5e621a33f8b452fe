"""One derivative of a released library, asked about along a random cotangent.

Whatever a library offers, a gradient, a Jacobian, a Hessian, an adjoint or ``f'`` of every element
of an array, is a linear map ``J(x)``.  With one random array ``c`` of the shape of the function's
value,

    loss(x) = ⟨c, f(x)⟩,        gradient(x) = J(x)ᵀ c,

and that is a loss with its gradient, which ``gradhook.check_gradients`` takes as it is.  A file
``of_<library>.py`` lists such pairs and the faults that are known; it computes nothing else.

Every FAIL is looked at once more without gradhook: ``differences`` takes central differences of
every element, extrapolated to step 0, by NumPy alone.  A FAIL that they do not confirm is a false
alarm of gradhook's.
"""

from __future__ import annotations

import fnmatch
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import gradhook

__all__ = [
    "Checked",
    "Derivative",
    "Fault",
    "Library",
    "check",
    "differences",
    "elementwise",
    "jacobian",
]


@dataclass(frozen=True, slots=True)
class Derivative:
    """A function of a library beside the derivative that the library has for it.

    Args:
        name: What is checked, in the library's words.
        function: ``function(x)``, a number or an array.
        pullback: ``pullback(x, c)``, the transposed derivative at ``x`` applied to ``c``, of the
            shape of ``x``; ``elementwise`` and ``jacobian`` make it of what libraries return.
        at: Where: an array, real or complex, or a mapping of name to real array.
        options: Keywords of ``check_gradients``.
    """

    name: str
    function: Callable[[Any], Any]
    pullback: Callable[[Any, Any], Any]
    at: Any
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """A derivative that is not the derivative of the function beside it.

    Args:
        title: One line that names the function.
        checks: Patterns of the names of the derivatives that it makes wrong.
        wrong: What the code does.
        right: The formula that is right.
        confirmed: How it was confirmed without gradhook.
        upstream: Whether the library's authors know; empty where a report was looked for in vain.
        reproduction: A program of NumPy and the library alone that prints the library's number
            and the right one.
    """

    title: str
    checks: tuple[str, ...]
    wrong: str
    right: str
    confirmed: str
    upstream: str
    reproduction: str

    def explains(self, name: str) -> bool:
        """Whether the fault makes the derivative of that name wrong."""
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.checks)


@dataclass(frozen=True, slots=True)
class Library:
    """What one file of the audit covers.

    Args:
        name: As its authors write it.
        package: As pip installs it.
        module: As Python imports it.
        conventions: What looks like a fault and is none.
        left_out: What has a derivative and was not checked, and why.
        seen: Defects met on the way that are no wrong derivatives.
    """

    name: str
    package: str
    module: str
    conventions: tuple[str, ...] = ()
    left_out: str = ""
    seen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found about one derivative.

    Args:
        name: The derivative's name.
        verdict: gradhook's verdict, or ``"ERROR"``.
        ratio: The ratio of the report.
        sentence: First line of the report, or the exception.
        evaluations: Loss evaluations made.
        seconds: Wall time.
        confirmed: For a FAIL, what exhaustive differences say: ``None`` where they cannot.
        numbers: The element that is furthest off: the library's number and the difference.
    """

    name: str
    verdict: str
    ratio: float
    sentence: str
    evaluations: int
    seconds: float
    confirmed: bool | None = None
    numbers: tuple[float, float] | None = None


def elementwise(derivative: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Return the pullback of ``f`` applied to every element: ``c * f'(x)``."""
    return lambda x, c: c * np.asarray(derivative(x))


def jacobian(derivative: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Return the pullback of a gradient, Jacobian or Hessian with the value's axes first."""
    return lambda x, c: np.tensordot(c, np.asarray(derivative(x)), np.ndim(c))


def loss_and_gradient(derivative: Derivative, seed: int = 0) -> tuple[Callable[..., Any], Any]:
    """Return ``parameters -> (loss, gradient)`` along a random cotangent, and the parameters."""
    at = derivative.at
    value = np.asarray(derivative.function(at))
    random = np.random.default_rng(seed)

    def drawn() -> Any:
        # Of random sign, and none near zero: every element of the value counts.
        return random.choice([-1.0, 1.0], value.shape) * random.uniform(0.5, 1.5, value.shape)

    c: Any = drawn() if value.ndim else 1.0
    if np.iscomplexobj(value):
        c = c + 1j * drawn()

    def real(x: Any) -> tuple[float, Any]:
        loss = float(np.vdot(c, derivative.function(x)).real)
        gradient = derivative.pullback(x, c)
        if isinstance(x, Mapping):
            return loss, gradient
        # What a pullback of a complex map leaves in the imaginary part belongs to complex x.
        return loss, np.real(np.reshape(gradient, np.shape(x)))

    def split(parameters: Any) -> tuple[float, Any]:
        x = parameters["real"] + 1j * parameters["imaginary"]
        loss = float(np.vdot(c, derivative.function(x)).real)
        gradient = np.reshape(derivative.pullback(x, c), np.shape(x))
        return loss, {"real": np.real(gradient), "imaginary": np.imag(gradient)}

    if isinstance(at, Mapping):
        return real, {name: np.asarray(value, float) for name, value in at.items()}
    if np.iscomplexobj(at):
        return split, {"real": np.real(at).copy(), "imaginary": np.imag(at).copy()}
    return real, np.array(at, float)


def check(derivative: Derivative, seed: int = 0) -> Checked:
    """Ask gradhook about a derivative, and NumPy about gradhook where it fails."""
    started = time.perf_counter()
    confirmed, numbers = None, None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            function, parameters = loss_and_gradient(derivative, seed)
            report = gradhook.check_gradients(
                function, parameters, seed=seed, progress=False, **derivative.options
            )
            verdict, ratio, count = str(report.verdict), report.ratio, report.evaluations
            sentence = str(report).splitlines()[0]
            if verdict == "FAIL":
                confirmed, numbers = _looked_at_again(function, parameters)
        except Exception as error:  # The audit goes on, and counts it.
            verdict, ratio, count = "ERROR", float("nan"), 0
            sentence = f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - started
    return Checked(derivative.name, verdict, ratio, sentence, count, seconds, confirmed, numbers)


def differences(f: Callable[[Any], float], x: Any) -> tuple[Any, Any]:
    """Return the gradient of ``f`` at ``x`` by differences of every element, and its error.

    Central differences at steps ``h, h/2, h/4, ...`` extrapolated to step 0 (Romberg); of the
    table's entries the one that differs least from its neighbours is taken, and that difference is
    the error.
    """
    gradient, error = np.empty(x.shape), np.full(x.shape, np.inf)
    for index in np.ndindex(x.shape):
        first = 0.05 * max(abs(x[index]), 0.1)
        above: list[float] = []
        for level in range(10):
            moved, slope = [x.copy(), x.copy()], 0.0
            moved[0][index] += first / 2**level
            moved[1][index] -= first / 2**level
            slope = (f(moved[0]) - f(moved[1])) / (moved[0][index] - moved[1][index])
            row = [slope]
            for order, coarser in enumerate(above, 1):
                row.append(row[-1] + (row[-1] - coarser) / (4.0**order - 1))
                doubt = max(abs(row[-1] - row[-2]), abs(row[-1] - coarser))
                if doubt < error[index]:
                    gradient[index], error[index] = row[-1], doubt
            above = row
    return gradient, error


def _looked_at_again(function: Callable[..., Any], parameters: Any) -> tuple[bool | None, Any]:
    """Hold the library's derivative against differences of every element, block by block.

    At the point given and at one beside it, since a fault may hide at either.
    """
    random = np.random.default_rng(1)
    blocks = parameters if isinstance(parameters, dict) else {"": parameters}
    seen = False
    for spread in (0.0, 0.05):
        point = {
            name: np.array(
                np.where(x == 0, 4 * spread, x) * (1 + spread * random.uniform(-1, 1, x.shape))
            )
            for name, x in blocks.items()
        }

        def at(name: str, x: Any, point: Any = point) -> Any:
            return {**point, name: x} if isinstance(parameters, dict) else x

        for name, x in point.items():
            if x.size > 400:
                continue
            found = function(at(name, x))[1]
            analytic = np.asarray(found[name] if isinstance(found, dict) else found)
            numerical, error = differences(lambda x, n=name: function(at(n, x))[0], x)
            gap = np.array(np.abs(analytic.reshape(x.shape) - numerical))
            if not np.isfinite(numerical).all():
                continue
            seen = True
            gap[np.isnan(gap)] = np.inf
            worst = np.unravel_index(np.argmax(gap), gap.shape)
            size = max(np.max(np.abs(numerical)), np.max(np.abs(analytic)))
            if gap[worst] > max(10 * error[worst], 1e-6 * size):
                return True, (
                    float(analytic.reshape(x.shape)[worst]),
                    float(numerical[worst]),
                )
    return (False if seen else None), None


def of(derivatives: Iterator[Derivative]) -> Iterator[Checked]:
    """Check one after the other."""
    yield from map(check, derivatives)
