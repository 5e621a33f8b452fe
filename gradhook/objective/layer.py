"""A layer and a cotangent, as an objective: the shapes in which people write layers.

``forward`` takes its parameters by name, in order, as one mapping, or holds them itself;
``backward`` returns gradients by name or in order, or leaves them in the layer.  Which of these it
is is told from signatures and from what is returned.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np

from gradhook._types import Array, kind_of
from gradhook.errors import ObjectiveError
from gradhook.objective.calls import positional_names, signature_of, takes
from gradhook.objective.gradients import GradientName, name_gradients
from gradhook.objective.objective import Objective
from gradhook.objective.parameters import Tree

Style: TypeAlias = Literal["held", "mapping", "names", "order"]
"""How ``forward`` comes by its parameters."""


class Layer:
    """A layer of the user's, evaluated with a random cotangent.

    Arguments are those of ``layer_check``, and the seed of the cotangents.  ``objective`` is the
    layer as an objective.  Cotangent 1 has other magnitudes than 0, a thousand times as large, and
    every sign the other way round.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        x: Any,
        parameters: Mapping[str, Any] | None,
        gradients: Any,
        gradient_name: GradientName | None,
        seed: int,
    ) -> None:
        for what, function in (("forward", forward), ("backward", backward)):
            if not callable(function):
                raise ObjectiveError(f"{what} must be a function, got {type(function).__name__}")
        if not (parameters is None or isinstance(parameters, Mapping)):
            raise ObjectiveError(
                "parameters must be arrays by name, such as {'W': W}, or the layer that holds them "
                f"beside their gradients, got {kind_of(parameters)}"
            )
        self._forward, self._backward, self._gradients = forward, backward, gradients
        self._parameters = dict(parameters or {})
        self._inputs = inputs_of(x)
        self._moving = {n: a for n, a in self._inputs.items() if is_real(a)}
        both = next((name for name in self._inputs if name in self._parameters), None)
        if both:
            raise ObjectiveError(f"a parameter is called {both!r}, which is the input's name here")
        names = None if parameters is None else list(parameters)
        self._style = style_of(forward, len(self._inputs), names)
        in_place = self._style == "held" and bool(self._parameters)
        if in_place:
            # The input is moved too, so it is a copy of ours; finer than the parameters it
            # would be refused by layers that allow no mixture.
            fine = all(np.asarray(a).dtype == np.float64 for a in self._parameters.values())
            self._moving = {
                n: a.astype(np.float64 if fine else a.dtype) for n, a in self._moving.items()
            }
            self._inputs |= self._moving
        blocks = {**self._moving, **self._parameters}
        self._tree, self._own = Tree.of(blocks), Tree.unchecked(self._parameters)
        self._rule, self._seed = gradient_name, seed
        self._cotangents: dict[Any, Array] = {}
        self.cotangent = 0  # number of the one in use
        # For each cotangent used, the gradients returned, by fingerprint of the point.
        self.seen: dict[int, dict[Any, dict[str, Array]]] = {0: {}, 1: {}}
        functions: dict[str, Any] = {"loss": self._loss, "loss_and_gradients": self._both}
        if in_place:
            functions = {n: functools.partial(f, blocks) for n, f in functions.items()}
        self.objective = Objective(
            parameters=blocks,
            **functions,
            form="in_place" if in_place else "functional",
            model=getattr(forward, "__self__", None),
        )

    def _loss(self, values: Mapping[str, Any]) -> Any:
        return self._contracted(self._run(values)[0])

    def _both(self, values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        point = tuple(hash(np.asarray(a).tobytes()) for a in Tree.unchecked(values).leaves.values())
        self._clear()
        outputs, cache = self._run(values)
        dy = [self._upstream(i, np.asarray(y)) for i, y in enumerate(outputs)]
        found = self._named(self._backward(*dy, *cache))
        # Before the caller sees them, because they may be buffers.
        copies = {n: g.copy() for n, g in found.items() if isinstance(g, np.ndarray)}
        self.seen[self.cotangent].setdefault(point, copies)
        return self._contracted(outputs), found

    def _run(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The outputs, and what ``backward`` takes besides their gradients."""
        inputs = [values.get(name, given) for name, given in self._inputs.items()]
        given = {name: values[name] for name in self._parameters}
        after = {"order": tuple(given.values()), "mapping": (given,)}.get(self._style, ())
        named = given if self._style == "names" else {}
        returned = self._forward(*inputs, *after, **named)
        several = returned if isinstance(returned, tuple) else (returned,)
        if not takes(self._backward, len(several)):
            raise ObjectiveError(
                f"forward returned {len(several)} value(s), and backward does not take as many: "
                "let forward return (y, cache) and backward take (dy, cache), or y and dy alone; "
                "several outputs are (y1, y2, cache) and (dy1, dy2, cache)"
            )
        return (several, ()) if len(several) == 1 else (several[:-1], several[-1:])

    def _contracted(self, outputs: tuple[Any, ...]) -> Any:
        """``⟨c, y⟩``; complex if ``y`` is, which is for others to judge."""
        return sum(np.vdot(self._upstream(i, np.asarray(y)), y) for i, y in enumerate(outputs))

    def _upstream(self, index: int, y: Array) -> Array:
        """The cotangent of an output, an array of its own that may be written to."""
        key = (self.cotangent, index, y.shape)
        if key not in self._cotangents:
            random = np.random.default_rng([self._seed, 5, index])
            signs = random.choice([-1.0, 1.0], y.shape)
            sizes = random.uniform(0.5, 1.5, (2, *y.shape))[self.cotangent]
            # Numbers of float32, so that layers of either precision see the same.
            values = signs * sizes * (1, -1000)[self.cotangent]
            self._cotangents[key] = values.astype(np.float32).astype(np.float64)
        return self._cotangents[key].astype(y.dtype if y.dtype.kind == "f" else np.float64)

    def _clear(self) -> None:
        """Set to zero what gradients are added to, so that what was there before is not counted."""
        with contextlib.suppress(Exception):  # before the first pass there may be nothing to read
            held = self._held()
            shapes = {np.shape(value) for value in self._parameters.values()}
            for buffer in held.values() if isinstance(held, Mapping) else held:
                if is_real(buffer) and buffer.shape in shapes and buffer.flags.writeable:
                    buffer[...] = 0

    def _held(self) -> Any:
        """The gradients that the layer keeps, by name or in order."""
        if self._gradients is not None:
            return self._gradients() if callable(self._gradients) else self._gradients
        owner, names = getattr(self._backward, "__self__", None), list(self._parameters)
        held = {name: getattr(owner, f"d{name}", None) for name in names}
        if missing := [name for name, value in held.items() if value is None]:
            raise ObjectiveError(
                f"backward returned no gradients of the parameters {', '.join(missing)}: return "
                f"(dx, {', '.join(f'd{n}' for n in names)}) or (dx, {{{names[0]!r}: …}}), pass "
                "gradients=, a function that reads them after backward, or leave parameters out"
            )
        return held

    def _named(self, returned: Any) -> dict[str, Any]:
        """What ``backward`` returned or left behind, by name of the block."""
        items, kept = flattened(returned)
        if self._gradients is not None:
            held = self._held()
            kept = {**held, **kept} if isinstance(held, Mapping) else held
        if isinstance(returned, Mapping):
            return name_gradients(kept, self._tree, self._rule)[0]
        names, sizes = list(self._parameters), (len(self._inputs), len(self._moving))
        for count in sizes:
            whole = len(items) == count + len(names)
            # A lone None behind that of the input is no gradient: the layer keeps its own.
            if names and not kept and whole and any(g is not None for g in items[count:]):
                kept, items = dict(zip(names, items[count:], strict=True)), items[:count]
        if names:
            kept, _ = name_gradients(kept or self._held(), self._own, self._rule)
        if not self._moving and len(items) == 1 and items[0] is None:
            items = []
        if len(items) in sizes:
            inputs = self._inputs if len(items) == sizes[0] else self._moving
            found = dict(zip(inputs, items, strict=True))
            return {**{n: found[n] for n in self._moving}, **kept}
        raise ObjectiveError(
            f"backward returned {len(items)} gradient(s) of the input(s), and there are "
            f"{len(self._inputs)}: return them in the order of {', '.join(self._inputs)}, then "
            f"those of the parameters"
        )


def flattened(returned: Any) -> tuple[list[Any], Any]:
    """What ``backward`` returned in order, however nested in tuples, and what by name."""
    if isinstance(returned, Mapping):
        return [], returned
    if not isinstance(returned, tuple):
        return [returned], {}
    items: list[Any] = []
    named: dict[str, Any] = {}
    for item in returned:
        inside, by_name = flattened(item)
        items += inside
        named |= by_name
    return items, named


def inputs_of(x: Any) -> dict[str, Any]:
    """Return the inputs by name, floats as arrays: ``x`` alone, a mapping, or a tuple."""
    if isinstance(x, Mapping):
        given = {str(name): value for name, value in x.items()}
    elif isinstance(x, tuple):
        given = {f"x{i}": value for i, value in enumerate(x, start=1)}
    else:
        given = {"x": x}
    return {n: np.asarray(v) if is_real(v) else v for n, v in given.items()}


def is_real(value: Any) -> bool:
    """Whether a value holds floats, with respect to which there is a derivative."""
    try:
        return np.asarray(value).dtype.kind == "f"
    except Exception:  # nothing that NumPy can read
        return False


def style_of(forward: Callable[..., Any], inputs: int, parameters: list[str] | None) -> Style:
    """Decide how ``forward`` is handed its parameters, after so many inputs."""
    signature, names = signature_of(forward), parameters or []
    arguments = {} if signature is None else signature.parameters
    if names and arguments.keys() >= set(names) and takes(forward, inputs, names):
        return "names"
    if signature is None or any(a.kind is a.VAR_POSITIONAL for a in arguments.values()):
        return "mapping" if names else "held"
    if takes(forward, inputs):
        return "held"
    beyond = positional_names(forward)[inputs:]
    same = [name.lower() for name in beyond] == [name.lower() for name in names]
    if names and len(beyond) == len(names) and (same or len(beyond) > 1):
        return "order"
    if parameters is not None and len(beyond) == 1:
        return "mapping"
    raise ObjectiveError(
        f"forward{signature} does not fit {inputs} input(s) and the parameters "
        f"{', '.join(names) or '(none)'}: it must take the inputs, then nothing more, "
        "one mapping, or every parameter"
    )
