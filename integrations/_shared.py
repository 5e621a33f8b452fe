"""What several adapters use: hooks around methods, scikit-learn's protocol, losses to check.

A random cotangent makes a number of a vector so that its Jacobian can be checked.  With ``u``
constant, the gradient of ``⟨u, y(x)⟩`` is ``Jᵀu``: right for almost every ``u`` only if the whole
Jacobian is right.

The cross-entropy of the from-scratch books adds 1e-7 to the probabilities.  Their gradient is that
of ``-log(y)``, and right code is off by 1e-7 / y, which is much for a digit that is mistaken.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradhook import GradCheckCallback
from gradhook.errors import OptionError

__all__ = ["NOTE", "FitHooks", "cotangent", "hook_methods", "left_out", "surround"]

NOTE = "cross-entropy checked as -log(y): the book's adds 1e-7 to y, and its gradient does not"


def cotangent(shape: int | tuple[int, ...]) -> Any:
    """Entries of either sign between 0.5 and 1.5, so that no output is scaled away.

    Equal shapes give equal cotangents, because a check compares losses.
    """
    random = np.random.default_rng(0)
    return random.choice([-1.0, 1.0], shape) * random.uniform(0.5, 1.5, shape)


def left_out(layer: Any, loss: Any) -> float:
    """``-log(y)`` less the book's cross-entropy, where a layer has computed just that, else 0.

    The layer is the last one, with probabilities ``y`` and labels ``t``; it returned the loss.
    """
    y: Any = getattr(layer, "y", None)
    t: Any = getattr(layer, "t", None)
    if t is None or np.ndim(y) != 2 or not isinstance(loss, float) or not np.all(np.isfinite(y)):
        return 0.0
    chosen = y[np.arange(len(y)), np.argmax(t, axis=1) if np.size(t) == np.size(y) else t]
    books = -np.log(chosen + 1e-7).sum() / len(y)
    if not np.isclose(loss, books, rtol=1e-12, atol=0) or not np.all(chosen > 0):
        return 0.0
    return float(-np.log(chosen).sum() / len(y) - books)


def hook_methods(
    trainer: Any,
    check: GradCheckCallback,
    *,
    step: str | None = None,
    train: str | None = None,
    steps_made: Callable[[], int | None] = lambda: None,
    batch: Callable[..., Any] = lambda *_, **__: None,
) -> GradCheckCallback:
    """Let a trainer's own methods call a callback's hooks; a disabled callback is not hooked.

    ``step`` names the method of that one object that makes an update, ``train`` the one that makes
    them all.  ``steps_made`` counts finished updates, and ``batch`` makes the batch of the
    arguments of ``step``; where they return ``None`` the callback counts, and takes what it has.
    """

    def checked_step(make_step: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        found = batch(*args, **keywords)
        check.on_train_begin(batch=found)  # does nothing once the check at the start is made
        returned = make_step(*args, **keywords)
        check.on_step_end(steps_made(), batch=found)
        return returned

    def checked_train(make_all: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        with check:
            return make_all(*args, **keywords)

    for name, around in ((step, checked_step), (train, checked_train)):
        if name is not None and check.enabled:
            surround(trainer, name, around)
    return check


def surround(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Let ``owner.name(...)`` call ``around(method, ...)`` for that one object.

    The object becomes one of a class of its own, derived from its class and called the same, whose
    method looks whom it is called on.  So a copy, or what comes back from a pickle, is an ordinary
    object of the old class.  What the object holds as an attribute is replaced there.

    Raises:
        OptionError: The object is of a class written in C, or of one that cannot be derived from.
    """
    kind, plain = type(owner), owner.__class__
    if name in getattr(owner, "__dict__", ()) or not hasattr(kind, name):
        setattr(owner, name, _Surrounded(getattr(owner, name), around))
        return
    # Past what the class makes of attributes that are set: frozen data classes, and our property.
    set_class = vars(object)["__class__"].__set__

    def reduced(self: Any, protocol: Any) -> Any:
        own = type(self)
        set_class(self, plain)
        try:
            return self.__reduce_ex__(protocol)
        finally:
            set_class(self, own)

    namespace = {
        "__slots__": (),
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        "__class__": property(lambda _: plain),
        "__reduce_ex__": reduced,
        name: _Override(owner, around),
    }
    try:
        set_class(
            owner, types.new_class(kind.__name__, (kind,), None, lambda n: n.update(namespace))
        )
    except TypeError as error:
        raise OptionError(
            f"{name} of a {kind.__name__} cannot be surrounded ({error}): call "
            "check.on_step_end(batch=...) in your loop, after it"
        ) from error


class _Surrounded:
    """A method that is called through ``around``; a copy, or a pickle, is the method itself."""

    def __init__(self, method: Callable[..., Any], around: Callable[..., Any]) -> None:
        functools.update_wrapper(self, method)
        self._method, self._around = method, around

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self._around(self._method, *args, **keywords)

    def __get__(self, instance: Any, kind: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __reduce__(self) -> tuple[Any, ...]:
        return _itself, (self._method,)


class _Override:
    """What stands for a method in the class of one object."""

    def __init__(self, owner: Any, around: Callable[..., Any]) -> None:
        self._owner, self._around = owner, around

    def __set_name__(self, kind: type, name: str) -> None:
        self._kind, self._name = kind, name

    def __get__(self, instance: Any, kind: Any = None) -> Any:
        if instance is None:
            return getattr(self._kind.__base__, self._name)
        method = getattr(super(self._kind, instance), self._name)
        return _Surrounded(method, self._around) if instance is self._owner else method


def _itself(thing: Any) -> Any:
    return thing


class FitHooks:
    """What ``estimator.set_callbacks`` takes: scikit-learn's ``FitCallback`` protocol.

    Copies of an estimator carry its callbacks along: a clone shares them, a pickle takes them to
    another process.  Only the estimator attached to is checked, so for a clone these hooks do
    nothing, and what is left of them in a pickle knows no estimator at all.  ``parameters`` are
    names of the attributes that must be there before a check can be made.
    """

    def __init__(
        self, check: Any = None, estimator: Any = None, parameters: Sequence[str] = ()
    ) -> None:
        self._check, self._estimator, self._parameters = check, estimator, parameters

    def __reduce__(self) -> tuple[Any, ...]:
        return FitHooks, ()

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing; the protocol calls it before ``fit``."""

    def on_fit_task_begin(
        self, estimator: Any, context: Any, *, X: Any = None, y: Any = None
    ) -> None:
        """Make the check at the start, as soon as there are parameters."""
        if estimator is not self._estimator or X is None:
            return
        if all(hasattr(estimator, name) for name in self._parameters):
            self._check.on_train_begin(batch=_batch(X, y))

    def on_fit_task_end(
        self, estimator: Any, context: Any, *, X: Any = None, y: Any = None
    ) -> None:
        """Count a task without subtasks as a step, and make a check if one is due."""
        if estimator is self._estimator and context.max_subtasks == 0:
            self._check.on_step_end(batch=_batch(X, y))

    def teardown(self, estimator: Any, context: Any) -> None:
        """Close the sinks; the protocol calls it after ``fit``, however it ends."""
        if estimator is self._estimator:
            self._check.on_train_end()


def _batch(X: Any, y: Any) -> tuple[Any, ...] | None:
    return None if X is None else (X,) if y is None else (X, y)
