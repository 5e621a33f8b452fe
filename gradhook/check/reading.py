"""How what was passed is read, anew at each check: the batch, the parameters, what holds them.

Reading runs code of the user's: a function or property that gives the parameters, ``subset=``, a
data set that augments as it is indexed.  What that changes is put back when the check has ended.

Where the parameters are an object that holds weights and gradients, two guarded runs find them
(``gradhook.objective.held``).
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradhook._types import Batch, kind_of
from gradhook.errors import GradhookError, ParameterTypeError
from gradhook.guard.guard import Changes, Guard
from gradhook.objective.batch import Rows, draw, upcast
from gradhook.objective.calls import Calls, positional_names, refuse_parameters
from gradhook.objective.held import Held
from gradhook.objective.holders import holds, is_numbers, is_tensor, slots
from gradhook.objective.objective import FromUpdate, Objective
from gradhook.objective.parameters import SINGLE, Tree
from gradhook.options import Options

__all__ = ["Read", "present_parameters", "read", "read_once"]


@dataclass(frozen=True, slots=True)
class Read:
    """What a check works with: the parameters as they are now, and the whole batch.

    ``runs`` counts the calls made to find the weights; ``changes`` are what reading has changed.
    """

    objective: Objective
    tree: Tree
    calls: Calls
    batch: Batch
    rows: Rows
    changes: Changes
    runs: int = 0

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
    parameters = present_parameters(objective)
    refuse_parameters(parameters)
    rows = _drawn(items, options, names, options.seed)
    objective, runs = replace(objective, parameters=parameters), 0
    if holds(parameters):
        if isinstance(objective, FromUpdate):
            raise ParameterTypeError(
                f"an update tells no weights from activations, and the parameters are "
                f"{kind_of(parameters)}: write parameters=lambda: {{'W1': net.W1, ...}}"
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


def present_parameters(objective: Objective) -> Any:
    """The parameters as they are now: what a function that stands for them returns."""
    parameters = objective.parameters
    return parameters() if _is_called(parameters) else parameters


@contextlib.contextmanager
def read_once(objective: Objective) -> Iterator[Objective]:
    """The objective with its parameters as they are now; what reading changed is put back after."""
    changes = Changes(objective.parameters)
    try:
        with changes.noted():
            present = replace(objective, parameters=present_parameters(objective))
        yield present
    finally:
        changes.restore()


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
