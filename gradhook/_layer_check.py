"""One layer alone: is its backward pass the transpose of its forward pass's derivative?

A layer has no loss of its own.  With a random *cotangent* ``c`` of the output's shape, ``⟨c,
forward(x)⟩`` is one, and ``backward(c)`` must be its gradient: with respect to the input, and to
the parameters.  This is how a failing network is taken apart, layer by layer.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gradhook._check import check
from gradhook._objective import Objective
from gradhook._options import Options
from gradhook._types import Array, Verdict
from gradhook.errors import ObjectiveError
from gradhook.report import Cause, Report

__all__ = ["layer_check"]

INPUT = "x"
"""Name of the block that is the layer's input."""


def layer_check(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    x: Any,
    parameters: Mapping[str, Any] | None = None,
    **options: Any,
) -> Report:
    """Check the backward pass of one layer with a random cotangent.

    Args:
        forward: ``forward(x, parameters) -> y`` or ``(y, cache)``; ``forward(x)`` if there are no
            parameters, or if the layer holds them itself, and then the arrays given are moved in
            place.
        backward: ``backward(dy, cache) -> dx`` or ``(dx, gradients)``, with what ``forward``
            returned as second value; ``backward(dy)`` where it returned none.  ``dy`` has the shape
            of ``y``.
        x: The input; any shape.  An integer input has no gradient, and ``dx`` is not looked at.
        parameters: Arrays by name; ``gradients`` has the same names, or ``"d" + name``.
        **options: The keywords of ``check_gradients`` but those about batches.

    Returns:
        A report in which the input is the block ``x`` and every parameter a block of its own.  A
        backward pass that ignores ``dy`` is named as such.

    Raises:
        ObjectiveError: ``backward`` returns no gradients although there are parameters, or one of
            these is called ``x``.
        TypeError: An option is not known.

    Example:
        >>> import numpy as np
        >>> from gradhook import layer_check
        >>> W = np.array([[1.0, -2.0], [0.5, 3.0]])
        >>> report = layer_check(
        ...     lambda x, p: (x @ p["W"], (x, p["W"])),
        ...     lambda dy, cache: (dy @ cache[1].T, {"W": cache[0].T @ dy}),
        ...     np.arange(6.0).reshape(3, 2),
        ...     {"W": W},
        ... )
        >>> {name: str(block.verdict) for name, block in report.blocks.items()}
        {'x': 'PASS', 'W': 'PASS'}
    """
    chosen = Options.named(options)
    layer = _Layer(forward, backward, np.asarray(x), parameters, chosen.seed)
    report = check(layer.objective(), chosen, ())
    if report.verdict is Verdict.FAIL and layer.ignores_upstream():
        wrong = tuple(name for name, block in report.blocks.items() if block.verdict == "FAIL")
        cause = Cause(
            "U",
            "upstream_ignored",
            wrong,
            "backward returns the same whatever gradient comes from above: it ignores dy",
            evidence="two cotangents give equal gradients at one point",
            refuted_by="gradients that change with the cotangent",
        )
        report = replace(report, causes=(cause, *report.causes))
    return report


class _Layer:
    """A layer with a cotangent, as an objective."""

    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        x: Array,
        parameters: Mapping[str, Any] | None,
        seed: int,
    ) -> None:
        self._forward = forward
        self._backward = backward
        self._parameters = dict(parameters or {})
        if INPUT in self._parameters:
            raise ObjectiveError(f"a parameter is called {INPUT!r}, which is the input's name here")
        self._holds = bool(self._parameters) and not _takes(forward, 2)
        self._takes_both = bool(self._parameters) and not self._holds
        self._x = x
        self._moves = x.dtype.kind == "f"
        # In place the input is moved too, so it is a copy of ours.
        self._input = x.astype(np.float64) if self._moves else x
        shape = np.shape(self._output(self._input, self._parameters)[0])
        random = np.random.default_rng([seed, 5])
        self._cotangent = random.uniform(0.5, 1.5, shape) * random.choice([-1.0, 1.0], shape)

    def objective(self) -> Objective:
        blocks = {INPUT: self._input} if self._moves else {}
        blocks |= self._parameters
        if self._holds:
            return Objective(
                parameters=blocks,
                loss=lambda: self._loss(self._input, self._parameters),
                loss_and_gradients=lambda: self._both(
                    self._input, self._parameters, self._cotangent
                ),
                form="in_place",
                model=getattr(self._forward, "__self__", None),
            )
        return Objective(
            parameters=blocks,
            loss=lambda values: self._loss(values.get(INPUT, self._x), values),
            loss_and_gradients=lambda values: self._both(
                values.get(INPUT, self._x), values, self._cotangent
            ),
            form="functional",
        )

    def ignores_upstream(self) -> bool:
        """Whether another cotangent gives the very same gradients."""
        values = {INPUT: self._input, **self._parameters}
        try:
            first = self._both(self._input, values, self._cotangent)[1]
            other = self._both(self._input, values, 3 * self._cotangent[::-1])[1]
        except Exception:  # nothing is claimed of code that raises
            return False
        names = [n for n in first if np.size(first[n]) and np.any(first[n])]
        return bool(names) and all(np.array_equal(first[n], other[n]) for n in names)

    def _output(self, x: Array, values: Mapping[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        given = {name: values[name] for name in self._parameters}
        returned = self._forward(x, given) if self._takes_both else self._forward(x)
        if isinstance(returned, tuple) and len(returned) == 2:
            return returned[0], (returned[1],)
        return returned, ()

    def _loss(self, x: Array, values: Mapping[str, Any]) -> float:
        return float(np.vdot(self._cotangent, self._output(x, values)[0]))

    def _both(
        self, x: Array, values: Mapping[str, Any], cotangent: Array
    ) -> tuple[float, dict[str, Any]]:
        y, cache = self._output(x, values)
        returned = self._backward(cotangent.copy(), *cache)
        pair = isinstance(returned, tuple) and len(returned) == 2
        dx, gradients = returned if pair else (returned, {})
        if self._parameters and not isinstance(gradients, Mapping):
            raise ObjectiveError("backward must return (dx, gradients) with gradients by name")
        if self._parameters and not gradients:
            raise ObjectiveError(
                "backward returned no gradients of the parameters: return (dx, gradients), or "
                "leave parameters out"
            )
        found = {name: gradients.get(name, gradients.get(f"d{name}")) for name in self._parameters}
        if self._moves:
            found[INPUT] = dx
        return float(np.vdot(cotangent, y)), found


def _takes(function: Callable[..., Any], count: int) -> bool:
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # written in C
        return True
    return True
