"""What is checked: a loss, its gradients, and where the parameters live.

Two forms exist.  A *functional* objective takes the parameters as its first argument, so a check
hands it copies of its own and never writes to the user's arrays.  An *in-place* objective takes
only the batch and reads arrays that a model holds, so a check writes to those arrays and puts them
back.  ``Objective.of`` recognises the usual shapes: a function, a CS231n model, a network of the
from-scratch books, a loss and a gradient.  A function of the batch alone, beside an object that
holds weights and gradients, is told from what was passed as parameters, at each check.
"""

from __future__ import annotations

import functools
import inspect
import math
import numbers
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gradhook._types import Batch, kind_of
from gradhook.errors import ObjectiveError, OptionError
from gradhook.objective.calls import (
    Calls,
    Form,
    form_of,
    is_function,
    name_of,
    no_objective,
    plain_function,
    signature_of,
    takes,
)
from gradhook.objective.functions import Updater, join
from gradhook.objective.holders import PARAMETERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A loss and its analytic gradients.

    Args:
        parameters: Arrays by name, one array, a list or tuple of arrays, nested mappings, or a
            function without arguments that returns any of these.  Read anew at every check.
        loss: ``loss(parameters, *batch)`` or ``loss(*batch)``, a real number with every penalty
            that the gradients include.
        gradients: ``gradients(parameters, *batch)`` or ``gradients(*batch)``, of the parameters'
            structure.  Always called right after ``loss`` at the same point, so that it may read
            what the loss cached.
        loss_and_gradients: One function returning both, instead of (or, where it is cheaper for a
            loss alone, beside) the other two.
        form: ``"functional"`` (takes the parameters) or ``"in_place"`` (reads them from the model);
            ``None`` decides by binding the signature.
        model: Where switch paths such as ``"dropout_param.p"`` start, and where state is looked
            for.
        notes: Sentences for every report: what an adapter does to the loss before it is checked.
        roots: What the functions lead to, where they are not the user's own: their state is put
            back too.

    Raises:
        ObjectiveError: Functions are missing or not callable, or ``form`` is unknown.

    Example:
        >>> import numpy as np
        >>> from gradhook import Objective, check_gradients
        >>> square = Objective(
        ...     parameters=np.array([1.0, 2.0]),
        ...     loss=lambda x: float(x @ x),
        ...     gradients=lambda x: 2 * x,
        ... )
        >>> check_gradients(square).verdict
        <Verdict.PASS: 'PASS'>
    """

    parameters: Any = None
    loss: Callable[..., Any] | None = None
    gradients: Callable[..., Any] | None = None
    loss_and_gradients: Callable[..., Any] | None = None
    form: Form | None = None
    model: Any = None
    notes: tuple[str, ...] = ()
    roots: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        for name in ("loss", "gradients", "loss_and_gradients"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise ObjectiveError(
                    f"Objective.{name} must be a function, got {type(value).__name__}"
                )
        if self.loss_and_gradients is None and (self.loss is None or self.gradients is None):
            raise ObjectiveError(
                "an Objective needs loss= and gradients=, or loss_and_gradients= returning both"
            )
        if self.form not in (None, "functional", "in_place"):
            raise ObjectiveError(
                f"form must be 'functional', 'in_place' or None, got {self.form!r}"
            )

    @classmethod
    def of(
        cls, thing: Any, parameters: Any = None, *, gradient: Callable[..., Any] | None = None
    ) -> Objective:
        """Recognise an objective.

        Args:
            thing: A function that returns ``(loss, gradients)``; a pair ``(loss, gradient)``; a
                model with ``loss_and_gradients``, ``loss`` and ``gradient``, or a ``loss`` that
                returns both; an ``Objective``; or, where ``parameters`` is an object that holds
                weights and gradients, a function of the batch that returns the loss.
            parameters: The parameters; ``None`` takes the objective's own.
            gradient: The function that computes the gradient, where ``thing`` returns the loss
                alone.

        A plain function that cannot take the parameters but fits the batch alone, such as a
        model's bound method, is called in place.

        Raises:
            ObjectiveError: It is none of them, or its parameters are nowhere to be found.

        Example:
            >>> from gradhook import Objective
            >>> Objective.of(lambda x: (x**3, 3 * x**2), 1.0).parameters
            1.0
        """
        objective = cls._recognise(thing, gradient)
        if parameters is not None:
            objective = replace(objective, parameters=parameters)
        if objective.parameters is None:
            raise ObjectiveError(
                "the parameters to check are missing: pass parameters=, such as {'W': W, 'b': b}, "
                "the arrays that the loss reads"
            )
        return objective

    @classmethod
    def from_functions(
        cls,
        *,
        forward: Callable[..., Any],
        cost: Callable[..., Any] | None = None,
        backward: Callable[..., Any],
        parameters: Any = None,
        **settings: Any,
    ) -> Objective:
        """Join separate forward, cost and backward functions, as in deeplearning.ai's notebooks.

        What an argument means is told from its name: ``X``, ``Y``, ``parameters``, ``AL`` (or
        ``A2``, ``A3``, …) and ``cache`` or ``caches``, in any order.

        Args:
            forward: ``forward(X, parameters[, keep_prob]) -> (AL, caches)``.
            cost: ``cost(AL, Y[, parameters, lambd]) -> loss``; ``None`` for a
                ``forward(X, Y, parameters) -> (cost, cache)``.
            backward: ``backward(AL, Y, caches)``, ``backward(X, Y, cache[, lambd | keep_prob])`` or
                the like, ``-> gradients``.
            parameters: As in ``Objective``.
            **settings: Whatever else the functions take, such as ``lambd=0.7``; passed to each that
                names it.  ``penalty="lambd"`` and ``dropout="keep_prob"`` make switches of them.

        Returns:
            A functional objective for a batch ``(X, Y)``.  Where columns are samples, the check
            needs ``sample_axis=1``.

        Raises:
            ObjectiveError: What an argument means cannot be told, or no function takes a setting.

        Example:
            >>> import numpy as np
            >>> from gradhook import Objective, check_gradients
            >>> def forward(X, parameters):
            ...     return parameters["w"] @ X, X
            >>> def cost(AL, Y, parameters, lambd):
            ...     m = Y.shape[1]
            ...     penalty = lambd * np.sum(parameters["w"] ** 2)
            ...     return (np.sum((AL - Y) ** 2) + penalty) / (2 * m)
            >>> def backward(AL, Y, cache):  # lambd forgotten
            ...     return {"dw": (AL - Y) @ cache.T / Y.shape[1]}
            >>> X = np.arange(12.0).reshape(3, 4)
            >>> line = Objective.from_functions(
            ...     forward=forward, cost=cost, backward=backward, lambd=0.7
            ... )
            >>> check_gradients(
            ...     line, {"w": np.ones((1, 3))}, batch=(X, X[:1]), sample_axis=1, penalty="lambd"
            ... ).verdict
            <Verdict.FAIL: 'FAIL'>
        """
        loss, both = join(forward, cost, backward, settings)
        return cls(
            parameters=parameters,
            loss=loss,
            loss_and_gradients=both,
            form="functional",
            # Walked through as a model is: what they draw from and change is put back.
            model=(forward, cost, backward),
        )

    @classmethod
    def from_update(
        cls,
        update: Callable[..., Any],
        parameters: Any,
        *,
        learning_rate: float,
        loss: Callable[..., Any],
    ) -> Objective:
        """Check code that updates its weights, by what it does to them.

        The gradient is ``(before - after) / learning_rate``.

        Args:
            update: ``update(*batch)``, which writes to the weights or binds new ones, or
                ``update(parameters, *batch)``, which may also return them.
            parameters: As in ``Objective``; where new arrays are bound out of reach of ``update``,
                a function that finds them.
            learning_rate: By what the update multiplies the gradient.
            loss: ``loss(*batch)`` or ``loss(parameters, *batch)``.

        Raises:
            ObjectiveError: ``update`` or ``loss`` is no function.
            OptionError: ``learning_rate`` is no positive number.

        Example:
            >>> import numpy as np
            >>> from gradhook import Objective, check_gradients
            >>> w = np.array([0.5, -1.0])
            >>> def loss(x, y):
            ...     return 0.5 * (x @ w - y) ** 2
            >>> def train_step(x, y):
            ...     w[...] -= 0.1 * (x @ w - y) * x
            >>> step = Objective.from_update(train_step, {"w": w}, learning_rate=0.1, loss=loss)
            >>> check_gradients(step, batch=(np.array([1.0, 2.0]), 0.3), samples=None).verdict
            <Verdict.PASS: 'PASS'>
        """
        number = isinstance(learning_rate, numbers.Real) and not isinstance(learning_rate, bool)
        if not (number and math.isfinite(learning_rate) and learning_rate > 0):
            raise OptionError(
                f"learning_rate must be the positive number by which the update multiplies the "
                f"gradient, got {learning_rate!r}"
            )
        if not callable(update):
            raise ObjectiveError(f"update must be a function, got {update!r}")
        said = (
            f"the gradient is what {name_of(update)} changes, over {learning_rate:g}: momentum, "
            "weight decay and clipping count as part of it"
        )
        return FromUpdate(
            parameters=parameters,
            loss=loss,
            gradients=update,
            model=owner_of(update),
            roots=(update, loss),
            notes=(said,),
            learning_rate=learning_rate,
            source=parameters,
        )

    @property
    def functions(self) -> tuple[Callable[..., Any], ...]:
        """The functions that a check will call."""
        given = (self.loss, self.loss_and_gradients or self.gradients)
        return tuple(function for function in given if function is not None)

    def calls(
        self, batch: Batch, keywords: Collection[str] = (), *, names: tuple[str, ...] = ()
    ) -> Calls:
        """Decide the form for a batch, its ``names`` and switches' ``keywords``; what is called."""
        otherwise: Form | None = "functional" if isinstance(self, _Function) else None
        weights = self.parameters if isinstance(self.parameters, Mapping) else ()
        form = form_of(self.functions, batch, self.form, otherwise, keywords, names, weights)
        functions = self.loss, self.gradients, self.loss_and_gradients
        return Calls(*functions, takes_parameters=form == "functional", names=names)

    def arguments(self, batch: Any) -> tuple[Batch, tuple[str, ...]]:
        """What the functions take besides the parameters, and by which names, if all take them."""
        if not isinstance(batch, Mapping):
            return batch, ()
        names = tuple(map(str, batch))
        fits = (takes(f, 0, names) or takes(f, 1, names) for f in self.functions)
        if all(map(signature_of, self.functions)) and all(fits):
            return tuple(batch.values()), names
        return (batch,), ()

    @classmethod
    def _recognise(cls, thing: Any, gradient: Callable[..., Any] | None) -> Objective:
        if isinstance(thing, (tuple, list)) and len(thing) == 2 and all(map(is_function, thing)):
            if gradient is not None:
                raise ObjectiveError("a pair (loss, gradient) and gradient= are two gradients")
            thing, gradient = thing
        if gradient is not None:
            if isinstance(thing, Objective) or not callable(thing):
                raise ObjectiveError(
                    f"gradient= goes with a function that returns the loss, and {kind_of(thing)} "
                    "was passed: leave it out, or pass the function"
                )
            return _Function(loss=thing, gradients=gradient, model=owner_of(thing))
        if isinstance(thing, Objective):
            return thing
        if not (inspect.isroutine(thing) or inspect.isclass(thing)):
            functions = methods_of(thing)
            if functions:
                return cls(parameters=live_parameters(thing), model=thing, **functions)
        if is_function(thing):
            return _Function(loss_and_gradients=thing, model=owner_of(thing))
        raise ObjectiveError(no_objective(thing))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Function(Objective):
    """A plain function: functional by convention, in place where only that fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromUpdate(_Function):
    """An update in place of the gradients, which are read from what it does."""

    learning_rate: float
    source: Any

    def calls(
        self, batch: Batch, keywords: Collection[str] = (), *, names: tuple[str, ...] = ()
    ) -> Calls:
        """As of any objective, with an updater for the update."""
        plain = _Function.calls(self, batch, keywords, names=names)
        assert plain.gradients is not None
        live = None if plain.takes_parameters else self.parameters
        updater = Updater(plain.gradients, self.learning_rate, self.source, live)
        return replace(plain, gradients=updater, rounding=lambda: updater.rounding)


def live_parameters(model: Any) -> Any:
    """Where a model keeps its parameters: in ``params`` or ``parameters``, else in attributes."""
    for name in PARAMETERS:
        # A property is not called, for nothing is saved yet.
        held = inspect.getattr_static(model, name, None)
        if isinstance(held, (property, functools.cached_property)) or hasattr(model, name):
            return functools.partial(_present, model, name)
    return model


def _present(model: Any, name: str) -> Any:
    found = getattr(model, name)
    return found() if callable(found) else found


def methods_of(model: Any) -> dict[str, Any]:
    """The functions of a model, as ``Objective`` takes them; empty where it has none."""
    named = ("loss_and_gradients", "loss", "gradient", "gradients")
    methods = {name: method for name in named if callable(method := getattr(model, name, None))}
    if "loss_and_gradients" in methods:
        return {"loss_and_gradients": methods["loss_and_gradients"]}
    loss = methods.pop("loss", None)
    if loss is None:
        return {}
    if methods:
        return {"loss": loss, "gradients": next(iter(methods.values())), "form": "in_place"}
    return {"loss_and_gradients": loss, "form": "in_place"}


def owner_of(function: Any) -> Any:
    """The object whose method, or which itself, is called; ``None`` for a plain function."""
    function = plain_function(function)
    if inspect.isroutine(function):
        owner = getattr(function, "__self__", None)
        return None if inspect.ismodule(owner) else owner
    return function
