"""Gradients out of the user's container, matched to the parameters by name and made our own.

Names are matched as they stand, or by the rule ``"d" + name`` (``dW1``), or by the user's own;
shapes must be equal, because broadcasting would hide a sum over the batch that is missing.

Code may fill the same buffers at every call, so what it returns is copied at once.  An array that
nobody else holds any more cannot change and is taken as it is: of a large model there is then one
set of gradients in memory and not two.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from gradhook._types import Array, Blocks, nearest_name
from gradhook.errors import GradientNameError, GradientShapeError
from gradhook.objective.parameters import SINGLE, Tree, float64_copy, is_container
from gradhook.objective.validation import is_masked

__all__ = [
    "LARGE",
    "GradientName",
    "is_large",
    "match_gradients",
    "name_gradients",
    "own_gradients",
]

LARGE = 1 << 25
"""Bytes of gradients above which only one set is held at a time: 32 MiB."""


def is_large(gradients: Blocks) -> bool:
    """Whether two sets of such gradients are too much to hold at once."""
    return sum(gradient.nbytes for gradient in gradients.values()) > LARGE


GradientName: TypeAlias = str | Mapping[str, str] | Callable[[str], str]
"""How gradients are called: a format (``"d{}"``), a mapping or a function of the block's name."""


def match_gradients(
    gradients: Any, tree: Tree, gradient_name: GradientName | None = None
) -> tuple[Blocks, str]:
    """Copy gradients out of the user's container, one float64 array per block.

    Names are matched as they stand; where the container lacks one of them but has ``"d" + name``
    for all (``dW1``), that rule is used.  Extra names are ignored.

    Args:
        gradients: What the user's code returned: one array where the parameters are one array.
        tree: The parameters.
        gradient_name: The user's own rule, or ``None``.

    Returns:
        The copies by block name, and a sentence saying which rule was used (empty for plain names).

    Raises:
        GradientNameError: A block has no gradient.
        GradientShapeError: A gradient has another shape, or is not an array of real numbers.
    """
    given, rule = name_gradients(gradients, tree, gradient_name)
    return own_gradients(given, tree), rule


def name_gradients(
    gradients: Any, tree: Tree, gradient_name: GradientName | None = None
) -> tuple[dict[str, Any], str]:
    """Find the gradient of each leaf; arguments and errors as for ``match_gradients``.

    Returns:
        What the user's code returned, by name of the leaf, and the sentence on the rule.
    """
    if tree.is_single and not isinstance(gradients, Mapping):
        return {SINGLE: gradients}, ""
    names = list(tree.leaves)
    if not is_container(gradients):
        raise GradientNameError(_without_names(names, gradients))
    given = Tree.unchecked(gradients).leaves
    called, rule = _names(names, given, gradient_name)
    return {name: given[called[name]] for name in names}, rule


def own_gradients(given: dict[str, Any], tree: Tree) -> Blocks:
    """Turn gradients by leaf into float64 arrays by block that no other code can change.

    Args:
        given: What ``name_gradients`` found; emptied on the way, so that no two sets of gradients
            need memory at once.  Arrays that nobody else holds are not copied.
        tree: The parameters.

    Raises:
        GradientShapeError: A gradient has another shape, or is not an array of real numbers.
    """
    raw = dict(given) if tree.ties else {}
    found = {}
    for name, leaf in tree.leaves.items():
        gradient, references = _taken(given, name)
        found[name] = _own(name, gradient, np.shape(leaf), alone=references == ALONE)
    for tie in tree.ties:
        found[tie.block] = tie.total(found, raw)
    return {name: found[name] for name in tree.blocks}


def _taken(given: dict[str, Any], name: str) -> tuple[Any, float]:
    """A leaf, and how many references to it the interpreter counts."""
    leaf = given.pop(name)
    # Without counts every array is taken to be held elsewhere.
    return leaf, sys.getrefcount(leaf) if hasattr(sys, "getrefcount") else 0


ALONE = _taken({"": np.empty(0)}, "")[1]
"""What is counted of an array that nobody else holds."""


def _without_names(names: list[str], gradients: Any) -> str:
    what = (
        "None"
        if gradients is None
        else "one array"
        if hasattr(gradients, "shape")
        else f"a {type(gradients).__name__}"
    )
    return (
        f"the gradients are {what}, the parameters are {', '.join(names)}: return a gradient for "
        "each under its name, or pass the parameters as one array"
    )


def _names(
    names: list[str], given: Mapping[str, Any], rule: GradientName | None
) -> tuple[dict[str, str], str]:
    """What the gradient of each block is called, and a sentence about the rule."""
    if rule is not None:
        wanted = {name: _apply(rule, name) for name in names}
        sentence = "gradients matched by the rule given as gradient_name"
    else:
        wanted = {name: name for name in names}
        sentence = ""
        if not set(names) <= set(given):
            for prefixed in ({n: _last_prefixed(n) for n in names}, {n: "d" + n for n in names}):
                if set(prefixed.values()) <= set(given):
                    wanted = prefixed
                    sentence = (
                        f'gradients matched by the rule "d" + name ({prefixed[names[0]]} for '
                        f"{names[0]})"
                    )
                    break
    missing = [name for name in names if wanted[name] not in given]
    if missing:
        hint = nearest_name(wanted[missing[0]], list(given)) or "."
        raise GradientNameError(
            f"no gradient for {', '.join(missing)}: the parameters are {', '.join(names)}; the "
            f"gradients are {', '.join(given) or 'empty'}{hint} Pass gradient_name= if they are "
            "named by another rule"
        )
    return wanted, sentence


def _apply(rule: GradientName, name: str) -> str:
    if isinstance(rule, str):
        return rule.replace("{}", name)
    if isinstance(rule, Mapping):
        return str(rule.get(name, name))
    return str(rule(name))


def _last_prefixed(name: str) -> str:
    head, slash, tail = name.rpartition("/")
    return f"{head}{slash}d{tail}"


def _own(name: str, leaf: Any, shape: tuple[int, ...], *, alone: bool) -> Array:
    try:
        array = np.asarray(leaf)
    except Exception as error:
        raise GradientShapeError(f"the gradient of {name!r} is not an array: {error}") from error
    if array.dtype.kind not in "fiu" or is_masked(leaf):
        masked = "a masked array" if is_masked(leaf) else ""
        what = masked or ("None" if leaf is None else f"of dtype {array.dtype}")
        raise GradientShapeError(
            f"the gradient of {name!r} is {what}; an array of real numbers with shape {shape} is "
            "needed"
        )
    if array.shape != shape:
        raise GradientShapeError(
            f"the gradient of {name!r} has shape {array.shape}, the parameter has {shape}; "
            "they must be equal (broadcasting would hide a missing sum over the batch)"
        )
    ready = type(leaf) is np.ndarray and leaf.dtype == np.float64 and leaf.dtype.isnative
    if alone and ready and leaf.base is None and leaf.flags.owndata and leaf.flags.carray:
        return array
    return float64_copy(array)
