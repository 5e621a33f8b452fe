"""What was passed: how it is read, anew at each check, and how the line that repeats it names it.

Reading runs code of the user's: a function or property that gives the parameters, ``subset=``, a
data set that augments as it is indexed.  What that changes is put back when the check has ended.
Where the parameters are an object that holds weights and gradients, two guarded runs find them
(``gradhook.objective.held``).

A name is read where the check was called: a variable there that *is* what was passed, an entry or
an attribute of one (``data["X"]``, ``self.net``), or a method of one (``net.loss``).  What has no
such name (a slice, a lambda) is left to be filled in: ``batch=<batch>``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import re
import sys
import traceback
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradhook._types import Batch, kind_of
from gradhook.errors import PACKAGE, GradhookError, ParameterTypeError
from gradhook.guard.guard import Changes, Guard
from gradhook.guard.reach import is_library
from gradhook.objective.batch import Rows, draw, upcast
from gradhook.objective.calls import Calls, positional_names, refuse_parameters
from gradhook.objective.held import Held
from gradhook.objective.holders import holds, is_numbers, is_tensor, slots
from gradhook.objective.objective import FromUpdate, Objective
from gradhook.objective.parameters import SINGLE, Tree
from gradhook.options import Options, code_of, code_of_items

KEYWORD_ONLY = ("batch", "gradients")
"""Arguments of gradhook's functions, beside the options, that are passed by name."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a check works with: the parameters as they are now, and the whole batch."""

    objective: Objective
    tree: Tree
    calls: Calls
    batch: Batch
    rows: Rows
    changes: Changes  # what reading has changed
    runs: int = 0  # calls made to find the weights

    def drawn(self, options: Options, seed: Any) -> Rows:
        """Rows drawn from the batch; all of them for ``None``."""
        with self.changes.noted():
            return _drawn(self.batch, options, self.calls.names, seed)


@contextlib.contextmanager
def read(objective: Objective, options: Options, batch: Any) -> Iterator[Read]:
    """What was passed, read; what reading changed is put back after.

    Runs that are to find the weights may raise.
    """
    changes = Changes(objective.parameters, (options.subset, batch))
    try:
        with changes.noted():
            given = _read(objective, options, batch, changes)
        yield given
    finally:
        changes.restore()


def _read(objective: Objective, options: Options, batch: Any, changes: Changes) -> Read:
    __tracebackhide__ = True
    items, names = objective.arguments(batch)
    objective, runs = _present(objective), 0
    refuse_parameters(objective.parameters)
    rows = _drawn(items, options, names, options.seed)
    if holds(objective.parameters):
        if isinstance(objective, FromUpdate):
            raise ParameterTypeError(
                f"an update tells no weights from activations, and the parameters are "
                f"{kind_of(objective.parameters)}: write parameters=lambda: {{'W1': net.W1, ...}}"
            )
        objective, runs = _held(objective, options, items, names, rows)
    calls = objective.calls(items, options.switch_names, names=names)
    # What the functions call the parameters, where a signature tells.
    named = [name for f in objective.functions for name in positional_names(f)[:1]]
    single = next(iter(named), SINGLE) if calls.takes_parameters else SINGLE
    tree = Tree.of(objective.parameters, single=single, parts=options.parts)
    return Read(objective, tree, replace(calls, shapes=tree.shapes), items, rows, changes, runs)


def _drawn(batch: Batch, options: Options, names: tuple[str, ...], seed: Any) -> Rows:
    return draw(
        batch,
        samples=None if seed is None else options.samples,
        axis=options.sample_axis,
        subset=_subset(options.subset, names),
        random=np.random.default_rng(seed),
    )


@contextlib.contextmanager
def read_once(objective: Objective) -> Iterator[Objective]:
    """The objective with its parameters as they are now; what reading changed is put back after."""
    changes = Changes(objective.parameters)
    try:
        with changes.noted():
            present = _present(objective)
        yield present
    finally:
        changes.restore()


def _present(objective: Objective) -> Objective:
    """The objective with what a function that stands for its parameters returns now."""
    given = objective.parameters
    return replace(objective, parameters=given()) if _is_called(given) else objective


def _is_called(parameters: Any) -> bool:
    """Whether the parameters are a function that returns them, and no object that holds them."""
    if not callable(parameters) or inspect.isclass(parameters):
        return False
    if inspect.isroutine(parameters) or isinstance(parameters, functools.partial):
        return True
    kept = (slot.get() for slot in slots(parameters)) if holds(parameters) else ()
    return not any(is_numbers(value) or is_tensor(value) for value in kept)


def _subset(given: Any, names: tuple[str, ...]) -> Callable[..., Any] | None:
    """The user's ``subset``, which gets a mapping where the batch is one."""
    if given is None or not names:
        return given  # type: ignore[no-any-return]  # the user's own function

    def cut(batch: Batch, rows: Any) -> Batch:
        found = given(dict(zip(names, batch, strict=True)), rows)
        return tuple(found[name] for name in names) if isinstance(found, Mapping) else found

    return cut


def _held(
    objective: Objective, options: Options, batch: Batch, names: tuple[str, ...], rows: Rows
) -> tuple[Objective, int]:
    """The objective of a function that fills gradients, and how often it was run."""
    __tracebackhide__ = True
    root = objective.parameters
    held = Held(_run_of(objective), root)
    roots = (*objective.functions, objective.model, root, *objective.roots)
    guard = Guard([*roots, batch, rows.batch], named=[options.state])
    runs = 2
    try:
        try:
            held.discover(upcast(rows.batch), names, batch, guard.restore)
        except GradhookError:
            raise
        except Exception:
            if rows.rows is None:
                raise
            guard.restore()
            runs += 2
            held.discover(batch, names, batch, guard.restore)  # the rows may be the reason
    finally:
        guard.restore()
    model = objective.model if type(objective) is Objective and objective.model else root
    return Objective(
        parameters=held.weights,
        loss_and_gradients=held.function,
        form="in_place",
        model=model,
        notes=(*objective.notes, held.note),
        roots=roots,
    ), runs


def _run_of(objective: Objective) -> Callable[..., Any]:
    """The function that makes both passes."""
    if objective.loss_and_gradients is not None:
        return objective.loss_and_gradients
    loss, gradients = objective.loss, objective.gradients
    assert loss is not None
    assert gradients is not None

    @functools.wraps(loss)
    def run(*batch: Any, **keywords: Any) -> Any:
        __tracebackhide__ = True
        value = loss(*batch, **keywords)
        found = gradients(*batch, **keywords)
        return (value, found) if isinstance(found, Mapping) else value

    return run


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that are visible where a check was called, and what each stands for."""

    names: Mapping[str, Any]

    @classmethod
    def of_caller(cls) -> Scope:
        """The innermost frame outside the package, its integrations and installed libraries."""
        frames = [frame for frame, _ in traceback.walk_stack(sys._getframe(1))]
        foreign = [frame for frame in frames if not _is_own(frame)]
        users = (frame for frame in foreign if not is_library(frame.f_code.co_filename))
        frame = next(users, None) or next(iter(foreign), frames[-1])
        local = frame.f_locals
        names = {**frame.f_globals, **local}
        if frame.f_code.co_flags & inspect.CO_OPTIMIZED and type(local) is dict:
            # A function's frame keeps this copy of its variables, and would keep alive what they
            # were long after the function has let go of it.
            local.clear()
        return cls(names)

    def name_of(self, thing: Any) -> str | None:
        """An expression that gives a thing, ``None`` if none was found."""
        if thing is None or type(thing) in (bool, int, float, str):
            return code_of(thing)
        return self._variable(thing) or self._made_of_named(thing)

    def call(self, function: str, arguments: Mapping[str, str | None], options: Options) -> str:
        """A call of one of gradhook's functions, as it is imported there.

        What has no expression is left to be filled in; options as by default are left out.
        """
        own = getattr(self.names.get(function), "__module__", "") or ""
        package = "" if own.startswith("gradhook.") else "gradhook."
        given = [
            f"{name}=" * (name in KEYWORD_ONLY) + (code or f"<{name}>")
            for name, code in arguments.items()
        ]
        for option in dataclasses.fields(options):
            name, value, default = option.name, getattr(options, option.name), option.default
            usual = value is default or (type(value) is type(default) and value == default)
            if not usual and name not in ("seed", "workers", "progress"):
                given.append(f"{name}={code_of(value) or self.name_of(value) or f'<{name}>'}")
        return f"{package}{function}({', '.join([*given, f'seed={options.seed}'])})"

    def _variable(self, thing: Any) -> str | None:
        found = (n for n, value in self.names.items() if value is thing and n.isidentifier())
        # A name for the use of others goes before one that is not.
        named = min(found, key=lambda name: name.startswith("_"), default=None)
        return named or next((path for path, item in self._entries() if item is thing), None)

    def _made_of_named(self, thing: Any) -> str | None:
        if isinstance(thing, types.MethodType):
            owner, name = self._variable(thing.__self__), thing.__name__
            return f"{owner}.{name}" if owner and hasattr(thing.__self__, name) else None
        if isinstance(thing, types.FunctionType) and "<" not in thing.__qualname__:
            return None if thing.__qualname__ in self.names else thing.__qualname__
        return code_of_items(thing, self.name_of)

    def _entries(self) -> Iterator[tuple[str, Any]]:
        """Attributes and entries of what has a name."""
        for name, value in self.names.items():
            if not name.isidentifier() or name.startswith("__") or inspect.ismodule(value):
                continue
            if type(value) is dict:
                yield from ((f"{name}[{k!r}]", v) for k, v in value.items() if type(k) is str)
            elif not (isinstance(value, type) or inspect.isroutine(value)):
                with contextlib.suppress(Exception):  # not every object lets itself be looked into
                    held = vars(value).items()
                    yield from ((f"{name}.{k}", v) for k, v in held if not k.startswith("_"))


@dataclass(frozen=True, slots=True)
class CallLine:
    """What a check was asked for, and where."""

    objective: Any
    parameters: Any
    batch: Any
    scope: Scope
    # Names that were found before, by argument, for what is visible no more.
    known: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> dict[str, str]:
        """What could be named, by argument."""
        given = {"objective": self.objective, "parameters": self.parameters, "batch": self.batch}
        found = {n: self.scope.name_of(thing) for n, thing in given.items() if thing is not None}
        # A name that is visible here, and gives another thing, stands for what was checked no more.
        first = {name: re.split(r"\W", code, maxsplit=1)[0] for name, code in self.known.items()}
        known = {n: code for n, code in self.known.items() if first[n] not in self.scope.names}
        return {**known, **{name: code for name, code in found.items() if code is not None}}

    @property
    def redefined(self) -> str:
        """The name of the function that is checked, where another has taken its place."""
        then, kind = self.objective, types.FunctionType
        now = self.scope.names.get(then.__name__) if isinstance(then, kind) else None
        if now is then or not isinstance(now, kind):
            return ""
        same = (now.__module__, now.__qualname__) == (then.__module__, then.__qualname__)
        return now.__name__ if same else ""

    def __call__(self, options: Options) -> str:
        """The line for a check with these options."""
        names = self.names()
        given = {"objective": True, "parameters": self.parameters is not None}
        given["batch"] = type(self.batch) is not tuple or len(self.batch) > 0
        arguments = {name: names.get(name) for name, there in given.items() if there}
        return self.scope.call("check_gradients", arguments, options)


def _is_own(frame: types.FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return frame.f_code.co_filename.startswith(PACKAGE) or module.startswith("gradhook.")
