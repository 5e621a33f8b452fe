"""One layer alone: is its backward pass the transpose of its forward pass's derivative?

A layer has no loss of its own.  With a random *cotangent* ``c`` of the output's shape, ``⟨c,
forward(x)⟩`` is one, and ``backward(c)`` must be its gradient: with respect to the input, and to
the parameters.

One cotangent is enough for a backward pass that is linear in it.  One that clips what comes from
above, or looks at its sign, is not; so a second one, with every sign the other way round and a
thousand times as large, is tried along one direction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Unpack

import numpy as np

from gradhook._types import Verdict
from gradhook.check.call_line import Scope
from gradhook.check.check import check
from gradhook.objective.layer import Layer
from gradhook.options import Keywords, Options, shows_options
from gradhook.report import Cause, Report

__all__ = ["layer_check"]

WHOLE = "the whole input is checked"
OTHERS = {
    "samples": WHOLE,
    "sample_axis": WHOLE,
    "subset": WHOLE,
    "gradient": "backward computes it; gradients= says where the layer keeps its parameters'",
    "parts": "the parameters of a layer are arrays by name",
}
"""Options of which a layer knows nothing, and why."""

NONLINEAR = (
    "backward is not linear in dy: it is right for one gradient from above and wrong for another, "
    "of the opposite sign and a thousand times as large"
)


@shows_options(but=OTHERS)
def layer_check(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    x: Any,
    parameters: Mapping[str, Any] | None = None,
    *,
    gradients: Any = None,
    **options: Unpack[Keywords],
) -> Report:
    """Check the backward pass of one layer with random cotangents.

    Args:
        forward: Takes the input, and returns the output ``y``, ``(y, cache)`` or, where there are
            several, ``(y1, y2, cache)``.  After the input it takes the parameters: as one mapping,
            ``forward(x, parameters)``; each of them, ``forward(x, W, b)``; or none, if the layer
            holds them itself, and then the arrays given are moved in place and put back.
        backward: ``backward(dy, cache)``, or ``backward(dy)`` where there is no cache; ``dy`` has
            shape and precision of ``y``.  Returns ``(dx, dW, db)`` in the order of ``parameters``,
            ``(dx, {"W": dW, "b": db})``, or ``dx`` alone if there are no parameters or the layer
            keeps their gradients as ``dW`` and ``db``.
        x: The input, an array of any shape; several inputs as a mapping of name to array, or as a
            tuple, whose blocks are called ``x1``, ``x2``, ….  An input of integers has no gradient,
            and what is returned for it is not looked at.
        parameters: Arrays by name.  Their gradients go by the same names, or ``"d" + name``.
        gradients: Where the layer keeps the parameters' gradients: a mapping of the arrays that
            ``backward`` fills, or a function that returns them after it, by name or in order.  They
            are zero before each backward pass, so it may add to them.
        **options: The keywords of ``check_gradients`` but those about batches.

    Returns:
        A report in which each input is a block, called ``x`` if it is the only one, and so is each
        parameter.  Gradients that do not depend on ``dy`` are named as such.

    Raises:
        ObjectiveError: Forward, backward, input and parameters do not fit together; the message
            says how.
        GradientNameError: A parameter has no gradient.
        GradientShapeError: A gradient has another shape than its block.
        TypeError: An option is not known.

    Example:
        >>> import numpy as np
        >>> from gradhook import layer_check
        >>> def affine_forward(x, W, b):
        ...     return x @ W + b, (x, W)
        >>> def affine_backward(dy, cache):
        ...     x, W = cache
        ...     return dy @ W.T, x.T @ dy, dy[0]  # db takes the first row alone
        >>> x, W, b = np.arange(6.0).reshape(3, 2), np.array([[1.0, -2.0], [0.5, 3.0]]), np.zeros(2)
        >>> report = layer_check(affine_forward, affine_backward, x, {"W": W, "b": b})
        >>> {name: str(block.verdict) for name, block in report.blocks.items()}
        {'x': 'PASS', 'W': 'PASS', 'b': 'FAIL'}
    """
    for name, why in OTHERS.items():
        if name in options:
            raise TypeError(f"layer_check has no option {name!r}: {why}")
    chosen, scope = Options.named(options, beside=("gradients",)), Scope.of_caller()
    layer = Layer(forward, backward, x, parameters, gradients, chosen.gradient_name, chosen.seed)
    # The layer's own functions are out of the snapshot's reach unless they are named.
    reached = (forward, backward, gradients, chosen.state)
    used = replace(chosen, gradient_name=None, state=reached)
    report = check(layer.objective, used, ())
    layer.cotangent = 1
    other = check(layer.objective, replace(used, effort="quick"), ())
    spent = [report, other]
    if report.verdict is Verdict.FAIL:
        report = _with_cause(report, layer)
    elif other.verdict is Verdict.FAIL:
        report = check(layer.objective, used, ())
        spent.append(report)
        report = replace(report, notes=(NONLINEAR, *report.notes))
    given = {"forward": forward, "backward": backward, "x": x}
    given |= {"parameters": parameters or None, "gradients": gradients}
    arguments = {name: scope.name_of(thing) for name, thing in given.items() if thing is not None}
    return replace(
        report,
        boundary="",  # of one layer there is none to tell
        evaluations=sum(each.evaluations for each in spent),
        gradient_evaluations=sum(each.gradient_evaluations for each in spent),
        seconds=sum(each.seconds for each in spent),
        call=scope.call("layer_check", arguments, chosen),
    )


def _with_cause(report: Report, layer: Layer) -> Report:
    """The report with what fails and does not depend on the cotangent."""
    first, other = layer.seen[0], layer.seen[1]
    both = [point for point in first if point in other]

    def is_deaf(name: str) -> bool:
        """Whether two gradients are the same at every point, and somewhere not zero."""
        pairs = [(np.asarray(first[at].get(name)), other[at].get(name)) for at in both]
        return all(np.array_equal(a, np.asarray(b)) for a, b in pairs) and any(
            np.any(a) for a, _ in pairs
        )

    deaf = list(filter(is_deaf, report.failing))
    if not deaf:
        return report
    cause = Cause(
        "U",
        "upstream_ignored",
        tuple(deaf),
        f"the gradient of {', '.join(deaf)} is the same whatever comes from above: it ignores dy",
        evidence=f"two cotangents give equal gradients at {len(both)} point(s)",
        refuted_by="gradients that change with the cotangent",
    )
    return replace(report, causes=(cause, *report.causes))
