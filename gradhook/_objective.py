"""What is checked: a loss, its gradients, and where the parameters live.

Two forms exist.  A *functional* objective takes the parameters as its first argument, so a check
hands it copies of its own and never writes to the user's arrays.  An *in-place* objective takes
only the batch and reads arrays that a model holds, so a check writes to those arrays and puts them
back.  ``Objective.of`` recognises the usual shapes: a function, a CS231n model, a network of the
from-scratch books.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from gradhook._calls import Calls
from gradhook.errors import ObjectiveError

__all__ = ["Form", "Objective"]

Form = Literal["functional", "in_place"]

FORMS = (
    "a function loss_and_gradients(parameters, *batch) -> (loss, gradients); an "
    "Objective(parameters=..., loss=..., "
    "gradients=...); a model with .params and .loss(X, y) -> (loss, gradients); or a network with "
    ".params, .loss(x, t) "
    "and .gradient(x, t)"
)


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
    def of(cls, thing: Any, parameters: Any = None) -> Objective:
        """Recognise an objective.

        Args:
            thing: Any of the forms that the class description names.
            parameters: The parameters; ``None`` takes the objective's own.

        Raises:
            ObjectiveError: It is none of them, or its parameters are nowhere to be found.

        Example:
            >>> from gradhook import Objective
            >>> Objective.of(lambda x: (x**3, 3 * x**2), 1.0).form
            'functional'
        """
        objective = cls._recognise(thing)
        if parameters is not None:
            objective = replace(objective, parameters=parameters)
        if objective.parameters is None:
            raise ObjectiveError("the parameters to check are missing: pass parameters=")
        return objective

    @classmethod
    def from_functions(
        cls,
        *,
        forward: Callable[..., Any],
        cost: Callable[..., Any],
        backward: Callable[..., Any],
        parameters: Any = None,
    ) -> Objective:
        """Join separate forward, cost and backward functions, as deeplearning.ai's notebooks write
        them.

        Args:
            forward: ``forward(X, parameters) -> (AL, caches)``.
            cost: ``cost(AL, Y) -> loss``.
            backward: ``backward(AL, Y, caches) -> gradients``.
            parameters: As in ``Objective``.

        Returns:
            A functional objective for a batch ``(X, Y)``.  Functions that need more (``lambd``,
            ``keep_prob``) are joined by hand in three lines: see the README.

        Example:
            >>> import numpy as np
            >>> from gradhook import Objective
            >>> line = Objective.from_functions(
            ...     forward=lambda X, p: (p["w"] @ X, X),
            ...     cost=lambda A, Y: 0.5 * np.sum((A - Y) ** 2),
            ...     backward=lambda A, Y, X: {"dw": (A - Y) @ X.T},
            ... )
            >>> line.form
            'functional'
        """

        def loss(values: Any, X: Any, Y: Any) -> Any:
            return cost(forward(X, values)[0], Y)

        def loss_and_gradients(values: Any, X: Any, Y: Any) -> Any:
            output, caches = forward(X, values)
            return cost(output, Y), backward(output, Y, caches)

        return cls(
            parameters=parameters,
            loss=loss,
            loss_and_gradients=loss_and_gradients,
            form="functional",
        )

    @property
    def functions(self) -> tuple[Callable[..., Any], ...]:
        """The functions that a check will call."""
        given = (self.loss, self.loss_and_gradients or self.gradients)
        return tuple(function for function in given if function is not None)

    def calls(self, batch: tuple[Any, ...]) -> Calls:
        """Decide the form for a batch and return what is to be called.

        Raises:
            ObjectiveError: The functions fit neither form, or both.
        """
        forms = {self.form} if self.form else {_form_of(f, batch) for f in self.functions}
        if len(forms) > 1:
            raise ObjectiveError(
                "one of the objective's functions takes the parameters and another does not: "
                "give both the same first argument, or pass form="
            )
        return Calls(
            self.loss,
            self.gradients,
            self.loss_and_gradients,
            takes_parameters=forms == {"functional"},
        )

    @classmethod
    def _recognise(cls, thing: Any) -> Objective:
        if isinstance(thing, Objective):
            return thing
        if inspect.isclass(thing):
            raise ObjectiveError(f"{thing.__name__} is a class; pass an instance of it")
        if hasattr(thing, "params") and callable(getattr(thing, "loss", None)):
            live = lambda: thing.params  # noqa: E731  (read anew at every check)
            if callable(getattr(thing, "gradient", None)):
                return cls(
                    parameters=live,
                    loss=thing.loss,
                    gradients=thing.gradient,
                    form="in_place",
                    model=thing,
                )
            return cls(parameters=live, loss_and_gradients=thing.loss, form="in_place", model=thing)
        if callable(thing):
            return cls(
                loss_and_gradients=thing, form="functional", model=getattr(thing, "__self__", None)
            )
        raise ObjectiveError(f"a {type(thing).__name__} is not an objective; pass {FORMS}")


def _form_of(function: Callable[..., Any], batch: tuple[Any, ...]) -> Form:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # written in C: SciPy's convention
        return "functional"
    with_parameters = _binds(signature, 1 + len(batch))
    without = _binds(signature, len(batch))
    name = getattr(function, "__name__", "the function")
    if with_parameters and without:
        raise ObjectiveError(
            f"{name}{signature} can be called with the parameters and without them: pass "
            "form='functional' if its "
            "first argument is the parameters, form='in_place' if it reads them from the model"
        )
    if not with_parameters and not without:
        raise ObjectiveError(
            f"{name}{signature} fits neither (parameters, *batch) nor (*batch) for a batch of "
            f"{len(batch)} item(s): "
            "give batch= the arrays that it takes besides the parameters"
        )
    return "functional" if with_parameters else "in_place"


def _binds(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True
