"""Loss and gradients out of what the user's code returns, matched to the parameters.

Beside ``(loss, gradients)`` three forms are read, each by what was returned and the parameters'
shapes alone: ``(gradients, loss)``, where the first item is no number and the second is one;
``(loss, g1, ..., gn, anything else)``, where n arrays fit the n parameters in their order;
``(loss, gradients, anything else)``, where the second item is a container.

Names are matched as they stand, by one of the rules in ``RULES`` (``dW1`` for ``W1``), or by the
user's own; gradients without names count in the order of the parameters, and are never permuted to
fit.  Shapes must be equal, because broadcasting would hide a sum over the batch that is missing;
axes of length one make no difference where an update could not broadcast to more than the
parameter.

Code may fill the same buffers at every call, so gradients are copied at once.  An array that
nobody else holds any more cannot change and is taken as it is: of a large model there is then one
set of gradients in memory and not two.
"""

from __future__ import annotations

import contextlib
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from gradhook._types import Array, Blocks, kind_of, nearest_name
from gradhook.errors import GradientNameError, GradientShapeError, LossTypeError, ObjectiveError
from gradhook.objective.leaves import is_masked
from gradhook.objective.parameters import Tree, float64_copy, is_container

LARGE_GRADIENTS = 1 << 25
"""Bytes of gradients above which only one set is held at a time: 32 MiB."""


def is_large(gradients: Blocks) -> bool:
    """Whether two sets of such gradients are too much to hold at once."""
    return sum(gradient.nbytes for gradient in gradients.values()) > LARGE_GRADIENTS


RULES = ("d{}", "grad_{}", "{}_grad", "g{}")
"""What the gradient of a block may be called, ``{}`` being the block's name."""

GradientName: TypeAlias = str | Mapping[str, str] | Callable[[str], str]
"""How gradients are called: a format (``"d{}"``), a mapping or a function of the block's name."""


Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Returned:
    """A loss and its gradients, as the function gave them, and a sentence on how they were read."""

    loss: Any
    gradients: Any
    sentence: str = ""


def read_returned(name: str, returned: Any, shapes: Sequence[Shape]) -> Returned:
    """Read what the function ``name`` returned, given the shapes of the parameters in order."""
    items = returned if isinstance(returned, (tuple, list)) else ()
    if len(items) == 2:
        first, second = items
        if not _is_number(first) and _is_number(second):
            return Returned(second, first, f"{name} returns (gradients, loss)")
        return Returned(first, second)
    if len(items) > 2 and _is_number(items[0]):
        together = is_container(items[1])
        count = 1 if together else len(shapes)
        taken, more = items[1 : count + 1], len(items) - count - 1
        if together or (more >= 0 and all(map(fits, map(shape_of, taken), shapes))):
            how = "(loss, gradients)" if together else "the loss, then the gradients"
            rest = f", and {more} more, not read" if more else ""
            gradients = tuple(taken) if count > 1 else taken[0]
            return Returned(items[0], gradients, f"{name} returns {how}{rest}")
    many = f" of {len(returned)}" if isinstance(returned, (tuple, list)) else ""
    said = f"{name} must return (loss, gradients); it returned {kind_of(returned)}{many}"
    if returned is None:
        said += ": has it a return statement?"
    elif not items and _is_number(returned):
        said += (
            ": return the gradients too, pass the function that computes them as gradient=, "
            "or as parameters the object that holds weights and gradients"
        )
    elif len(items) > len(shapes):
        found = ", ".join(str(shape_of(item)) for item in items[1 : len(shapes) + 1])
        said += (
            "; after the loss the gradients should come, in the order of the parameters: "
            f"their shapes are {found}, those of the parameters {', '.join(map(str, shapes))}"
        )
    raise ObjectiveError(said)


def as_loss(value: Any, what: str = "loss") -> float:
    """Read a loss: a real number or any array of size one; anything else is refused."""
    return float(value if isinstance(value, float) else _number(value, what, "fiu"))


def as_complex(value: Any) -> complex:
    """Read a loss that may be complex, as the complex step gives it."""
    return complex(_number(value, "loss", "fiuc"))


def _number(value: Any, what: str, kinds: str) -> Any:
    must = f"the {what} must be one real number; the function returned"
    if value is None:
        raise LossTypeError(f"{must} None: has it a return statement?")
    if isinstance(value, tuple):
        raise LossTypeError(
            f"{must} a tuple of {len(value)}: a function that returns (loss, gradients) is passed "
            "as loss_and_gradients=, or alone, without gradient="
        )
    kind, array = kind_of(value), None
    with contextlib.suppress(Exception):
        array = np.asarray(value)
    if array is None or is_masked(value) or array.dtype.kind not in kinds:
        of = "" if array is None or isinstance(value, np.generic) else f" of dtype {array.dtype}"
        raise LossTypeError(f"{must} {kind}{of}")
    if array.size != 1:
        raise LossTypeError(
            f"{must} {kind} of shape {array.shape}: sum or average over the samples before "
            "returning it"
        )
    return array.reshape(()).item()


def _is_number(value: Any) -> bool:
    return not is_container(value) and shape_of(value) in ((), (1,), (1, 1))


def name_gradients(
    gradients: Any, tree: Tree, gradient_name: GradientName | None = None
) -> tuple[dict[str, Any], str]:
    """The gradient of each leaf in what the user's code returned, and a sentence on the matching.

    Where a name is missing and one of ``RULES`` names all, that rule is used.
    """
    if tree.is_single and not isinstance(gradients, Mapping):
        given = {tree.single: gradients}
        if tree.parts is not None:
            vector = _own("the vector", gradients, np.shape(tree.root), alone=False)
            given = tree.like(vector)
        return given, _on_shapes(given, tree)
    names = list(tree.leaves)
    if not is_container(gradients):
        what = "one array" if hasattr(gradients, "shape") else kind_of(gradients)
        raise GradientNameError(
            f"the gradients are {what}, the parameters are {', '.join(names)}: return a gradient "
            "for each under its name, or pass the parameters as one array"
        )
    if isinstance(gradients, (list, tuple)) and _has_names(tree.root) and not _has_names(gradients):
        items, kind = list(Tree.unchecked(gradients).leaves.values()), kind_of(gradients)
        if len(items) != len(names):
            raise GradientNameError(
                f"the gradients are {kind} of {len(gradients)}, the parameters are "
                f"{', '.join(names)}: return a dictionary with the gradient of each under its "
                "name, or all of them in this order"
            )
        given = dict(zip(names, items, strict=True))
        rule = f"the gradients are {kind}, read in the order of the parameters"
    else:
        leaves = Tree.unchecked(gradients, tree.single).leaves
        called, rule = _names(names, leaves, gradient_name)
        given = {name: leaves[called[name]] for name in names}
    return given, "; ".join(filter(None, (rule, _on_shapes(given, tree))))


def _has_names(container: Any) -> bool:
    return isinstance(container, Mapping) or hasattr(container, "_fields")


def fits(shape: Shape | None, wanted: Shape) -> bool:
    """Whether a shape is the parameter's, but for axes of length one that broadcast to no more."""
    return shape == wanted or (
        shape is not None
        and _long_axes(shape) == _long_axes(wanted)
        and math.prod(np.broadcast_shapes(shape, wanted)) == math.prod(wanted)
    )


def shape_of(gradient: Any) -> Shape | None:
    """The shape of whatever can be read as an array; ``None`` of what cannot."""
    try:
        return tuple(np.shape(gradient))
    except Exception:  # ragged, or no array at all: refused when it is copied
        return None


def own_gradients(given: dict[str, Any], tree: Tree) -> Blocks:
    """Turn gradients by leaf into float64 arrays by block that no other code can change.

    ``given`` is emptied on the way, so that no two sets of gradients need memory at once.
    """
    raw = dict(given) if tree.ties else {}
    found = {}
    for name, leaf in tree.leaves.items():
        gradient, references = _taken(given, name)
        found[name] = _own(name, gradient, np.shape(leaf), alone=references == OWN_REFERENCES)
    for tie in tree.ties:
        found[tie.block] = tie.total(found, raw)
    return {name: found[name] for name in tree.blocks}


def _taken(given: dict[str, Any], name: str) -> tuple[Any, float]:
    """A leaf, and how many references to it the interpreter counts."""
    leaf = given.pop(name)
    # Without counts every array is taken to be held elsewhere.
    return leaf, sys.getrefcount(leaf) if hasattr(sys, "getrefcount") else 0


OWN_REFERENCES = _taken({"": np.empty(0)}, "")[1]
"""What is counted of an array that nobody else holds."""


def _long_axes(shape: Shape) -> list[int]:
    return [length for length in shape if length != 1]


def _on_shapes(given: Mapping[str, Any], tree: Tree) -> str:
    """Which gradients have axes of length one that their parameters have not, or lack some."""
    pairs = {n: (shape_of(gradient), np.shape(tree.leaves[n])) for n, gradient in given.items()}
    other = [n for n, (shape, wanted) in pairs.items() if shape not in (None, wanted)]
    if not other:
        return ""
    shape, wanted = pairs[other[0]]
    return (
        f"the gradient of {', '.join(other)} was read without regard to axes of length one "
        f"({shape} for {wanted})"
    )


def _names(
    names: list[str], given: Mapping[str, Any], rule: GradientName | None
) -> tuple[dict[str, str], str]:
    """What the gradient of each block is called, and a sentence about the rule."""
    wanted, sentence = {name: name for name in names}, ""
    if rule is not None:
        wanted = {name: _apply(rule, name) for name in names}
        sentence = "gradients matched by the rule given as gradient_name"
    elif not set(names) <= set(given):
        for form in RULES:
            called = {name: _last(form, name) for name in names}
            if set(called.values()) <= set(given):
                wanted, parts = called, filter(None, re.split(r"({})", form))
                spelt = " + ".join("name" if part == "{}" else f'"{part}"' for part in parts)
                sentence = (
                    f"gradients matched by the rule {spelt} ({called[names[0]]} for {names[0]})"
                )
                break
    missing = [name for name in names if wanted[name] not in given]
    if missing:
        first = wanted[missing[0]]
        hint = nearest_name(first, list(given)) or "."
        other = next((name for name in given if name not in wanted.values()), "...")
        raise GradientNameError(
            f"no gradient for {', '.join(missing)}: the parameters are {', '.join(names)}; the "
            f"gradients are {', '.join(given) or 'empty'}{hint} If they are named by another rule, "
            f"pass it, for example gradient_name={{{missing[0]!r}: {other!r}}}; what is frozen is "
            "left out of the parameters"
        )
    return wanted, sentence


def _apply(rule: GradientName, name: str) -> str:
    if isinstance(rule, str):
        return rule.replace("{}", name)
    if isinstance(rule, Mapping):
        return str(rule.get(name, name))
    return str(rule(name))


def _last(form: str, name: str) -> str:
    """The name of a gradient in nested mappings, where the last word changes."""
    head, slash, tail = name.rpartition("/")
    word, bracket, index = tail.partition("[")  # an item of a list: dW[0] for W[0]
    return f"{head}{slash}{_apply(form, word)}{bracket}{index}"


def _own(name: str, leaf: Any, shape: Shape, *, alone: bool) -> Array:
    try:
        array = np.asarray(leaf)
    except Exception as error:
        raise GradientShapeError(f"the gradient of {name!r} is not an array: {error}") from error
    if array.dtype.kind not in "fiu" or is_masked(leaf):
        kind = "a masked array" if is_masked(leaf) else f"of dtype {array.dtype}"
        raise GradientShapeError(
            f"the gradient of {name!r} is {'None' if leaf is None else kind}; an array of real "
            f"numbers with shape {shape} is needed"
        )
    if not fits(array.shape, shape):
        why = "they must be equal (broadcasting would hide a missing sum over the batch)"
        if _long_axes(array.shape) == _long_axes(shape):
            wide = np.broadcast_shapes(array.shape, shape)
            why = f"the update would broadcast to {wide}; keepdims=True?"
        raise GradientShapeError(
            f"the gradient of {name!r} has shape {array.shape}, the parameter has {shape}: {why}"
        )
    ready = type(leaf) is np.ndarray and leaf.dtype == np.float64 and leaf.shape == shape
    if alone and ready and leaf.base is None and leaf.flags.owndata and leaf.flags.carray:
        return array
    return float64_copy(array).reshape(shape)
