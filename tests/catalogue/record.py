"""A case: one loss with its gradients, of which it is known whether they are right.

A ``Problem`` is what training code amounts to (parameters, a batch, a function that returns loss
and gradients) together with the one thing that training code lacks: the same function with a bug
planted in it, or without.  Truth is the difference between the two, not the opinion of a gradient
checker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from gradhook._types import Array, Blocks
from tests.catalogue.networks.network import LossAndGradients
from tests.catalogue.networks.starts import Start

__all__ = ["Builder", "Case", "Problem", "gradient_ratios"]

Builder: TypeAlias = Callable[[str], LossAndGradients]
"""Given an operator's name, or "" for right code, returns a new function with its own state."""


ROUNDING = 1e-14
"""A gradient this much smaller than the largest block's is rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """A loss with gradients, right ones or wrong ones.

    Args:
        parameters: Where it is checked, in forward order.
        batch: Arrays with the samples along axis 0.
        build: Returns the function with a bug planted or without; a fresh one each time.
        displaced: Draws another point of the loss's domain, with nothing special about it.
        dropout: Name of the keyword switch that turns dropout, ``None`` without one.
        penalty: Name of the keyword switch that turns the penalty, ``None`` without one.
        telling: Values of the switches at which every bug shows: a penalty comparable to the data
            term.
        options: Keyword arguments that a user would hand to the checker besides the switches.
        in_place: Given the parameters and the function, returns a model with ``.params`` and
            ``.loss(x, y)``, for problems that are checked through live arrays; ``None`` for all
            others.
        site: The layer or block in which bugs are planted; empty where they are planted everywhere.

    Example:
        >>> from tests import catalogue
        >>> problem = next(iter(catalogue.cases([0]))).problem
        >>> isinstance(problem, catalogue.Problem), list(problem.parameters) != []
        (True, True)
    """

    parameters: Blocks
    batch: tuple[Any, ...]
    build: Builder
    displaced: Callable[[np.random.Generator], Blocks]
    dropout: str | None = None
    penalty: str | None = None
    telling: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    in_place: Callable[[Blocks, LossAndGradients], Any] | None = None
    site: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One thing to check, and the right answer.

    Args:
        name: ``architecture/operator/start/seed``, unique; ``catalogue.case(name)`` makes it again.
        kind: ``"network"``, or the class of false alarm that it belongs to.
        architecture: The first part of the name.
        operator: The operator planted, ``None`` in right code.
        family: The operator's letter, ``None`` in right code.
        start: ``"notebook"``, ``"generic"`` or ``"special"``.
        seed: Seed of every draw.
        problem: What is checked.
        second_call: Whether the first call's gradients are right, and only later ones wrong.
        loss_and_gradients: ``(parameters, *batch, **switches) -> (loss, gradients)``.

    Example:
        >>> from tests import catalogue
        >>> case = catalogue.case("svm/bias_mean/generic/0")
        >>> loss, gradients = case.loss_and_gradients(case.parameters, *case.batch)
        >>> list(gradients), case.wrong, case.family
        (['W1', 'b1'], True, 'B')
        >>> {name: round(ratio, 2) for name, ratio in case.wrong_blocks().items()}
        {'W1': 0.0, 'b1': 0.87}
    """

    name: str
    kind: str
    architecture: str
    operator: str | None
    family: str | None
    start: Start
    seed: int
    problem: Problem = field(repr=False)
    second_call: bool = False
    loss_and_gradients: LossAndGradients = field(init=False, repr=False)

    def __post_init__(self) -> None:
        function = self.problem.build(self.operator or "")
        object.__setattr__(self, "loss_and_gradients", function)

    @property
    def clean(self) -> bool:
        """Whether the gradients are right."""
        return self.operator is None

    @property
    def wrong(self) -> bool:
        """Whether the gradients are wrong, here or at other parameters."""
        return self.operator is not None

    @property
    def site(self) -> str:
        """The layer or block in which the bug sits; empty where it sits everywhere."""
        return self.problem.site if self.wrong else ""

    @property
    def parameters(self) -> Blocks:
        """The parameters by block name, in forward order."""
        return self.problem.parameters

    @property
    def batch(self) -> tuple[Any, ...]:
        """The arrays that follow the parameters; samples along axis 0."""
        return self.problem.batch

    @property
    def dropout(self) -> str | None:
        """Name of the keyword switch that turns dropout, ``None`` without one."""
        return self.problem.dropout

    @property
    def penalty(self) -> str | None:
        """Name of the keyword switch that turns the penalty, ``None`` without one."""
        return self.problem.penalty

    @property
    def check_options(self) -> dict[str, Any]:
        """Keyword arguments that a user would hand to the checker for this case."""
        switches = {"dropout": self.dropout, "penalty": self.penalty}
        named = {key: name for key, name in switches.items() if name is not None}
        return {**named, **self.problem.options}

    @property
    def objective(self) -> Any:
        """What a user would check: the function, or a model that reads its own ``.params``."""
        if self.problem.in_place is None:
            return self.loss_and_gradients
        return self.problem.in_place(self.parameters, self.loss_and_gradients)

    def wrong_blocks(
        self,
        parameters: Blocks | None = None,
        batch: tuple[Any, ...] | None = None,
        **switches: Any,
    ) -> dict[str, float]:
        """Return, for each block, how far its gradient is from the right one.

        Args:
            parameters: Where; the case's own by default.
            batch: On what; the case's own by default.
            **switches: Handed to the function, such as ``reg=0.1``.

        Returns:
            ``‖a - n‖ / (‖a‖ + ‖n‖)`` by block, a the gradient with the bug and n without.  All 0 in
            right code.
        """
        return gradient_ratios(
            self.problem,
            self.operator or "",
            self.parameters if parameters is None else parameters,
            self.batch if batch is None else batch,
            switches,
            second_call=self.second_call,
        )


def gradient_ratios(
    problem: Problem,
    operator: str,
    parameters: Blocks,
    batch: tuple[Any, ...],
    switches: Mapping[str, Any],
    *,
    second_call: bool = False,
) -> dict[str, float]:
    """Return the ratio between the gradients with a bug planted and those without, by block.

    Both functions are fresh, so that they draw the same dropout masks.  A bug of the second call is
    shown a first one, at parameters a tenth larger and with the samples in another order.
    """
    gradients = []
    stream = np.random.get_state()
    for function in (problem.build(operator), problem.build("")):
        np.random.set_state(stream)
        if second_call:
            elsewhere = {name: 1.1 * value for name, value in parameters.items()}
            function(elsewhere, *(np.roll(rows, 1, axis=0) for rows in batch), **switches)
        gradients.append(function(parameters, *batch, **switches)[1])
    np.random.set_state(stream)
    mutated, right = (
        {name: np.asarray(each[name], np.float64) for name in parameters} for each in gradients
    )
    norms = {name: _norm(mutated[name]) + _norm(right[name]) for name in parameters}
    # What cancels to zero, such as the gradient of a bias before BatchNorm, leaves rounding behind
    # and no ratio.
    rounding = ROUNDING * max(norms.values())
    return {
        name: _norm(mutated[name] - right[name]) / norm if norm > rounding else 0.0
        for name, norm in norms.items()
    }


def _norm(values: Array) -> float:
    return float(np.linalg.norm(values))
