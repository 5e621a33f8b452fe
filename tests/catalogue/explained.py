"""What gradhook says of a case and why, beside the truth at the points where it looked.

Truth needs the points: a bug in the derivative of an activation may show at one and not at another.
So the calls for gradients are recorded while a check runs, those aside that explain a mismatch
(with another batch, or a block replaced), and there the gradients with the bug are compared with
those without.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import gradhook
from gradhook import Verdict
from gradhook.diagnosis import explain as _explain
from gradhook.evaluation.evaluator import Evaluator
from tests.catalogue import Case
from tests.catalogue.record import gradient_ratios

__all__ = ["Answer", "ask", "is_decidable", "needs_exact_kind"]

FAMILIES = frozenset("SRBDG")
"""Classes of bugs whose signature decides them."""

OPERATORS = frozenset(
    (
        *("bn_swapped", "dW_transposed", "rolled_rows", "last_row_missing", "conv_channel_swap"),
        *("accumulated", "stale_cache", "mask_ignored"),
    )
)
"""Operators of other classes that are decidable as well."""

FAMILY_ONLY = frozenset(("mask_ignored", "bias_first_sample", "bias_wrong_axis"))
"""Decidable ones of which only the class is."""

WRONG, OPEN = 1e-6, 1e-7
"""Ratio of a block's gradients above which it is wrong; from the second to the first it does not
count."""


@dataclass(frozen=True)
class Point:
    """Where gradients were asked for: parameters, batch and switches."""

    parameters: Mapping[str, Any]
    batch: tuple[Any, ...]
    switches: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What was said of a case.

    Args:
        name: The case.
        operator: What is planted, ``None`` in right code.
        family: Its class.
        causes: Family and kind of each cause named, in order.
        sentences: Their sentences.
        boundary: Where the fault enters, in words.
        misjudged: Blocks said to be wrong that are right, or the reverse: their ratio and verdict.
        compared: Whether the truth is known.
        broken: What kept the check or its explanation from its end.
        evaluations: Loss evaluations made.
        seconds: Wall time.
    """

    name: str
    operator: str | None
    family: str | None
    causes: tuple[tuple[str, str], ...] = ()
    sentences: tuple[str, ...] = ()
    boundary: str = ""
    misjudged: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    compared: bool = False
    broken: str = ""
    evaluations: int = 0
    seconds: float = 0.0

    @property
    def right_family(self) -> bool:
        """Whether causes are named, all of the operator's class."""
        return bool(self.causes) and {family for family, _ in self.causes} == {self.family}

    @property
    def wrong_family(self) -> bool:
        """Whether a cause is named that is of another class."""
        return any(family != self.family for family, _ in self.causes)

    @property
    def exact_kind(self) -> bool:
        """Whether causes are named, all of the operator's kind."""
        return bool(self.causes) and {kind for _, kind in self.causes} == {self.operator}


def is_decidable(answer: Answer) -> bool:
    """Whether the signature of the bug decides its class."""
    return answer.family in FAMILIES or answer.operator in OPERATORS


def needs_exact_kind(answer: Answer) -> bool:
    """Whether it decides the kind as well."""
    return is_decidable(answer) and answer.operator not in FAMILY_ONLY


def ask(case: Case) -> Answer:
    """Check a case as a user would, warnings being errors, and compare with the truth."""
    about = (case.name, case.operator, case.family)
    started = time.perf_counter()
    try:
        with recorded() as points, warnings.catch_warnings():
            warnings.simplefilter("error")
            report = gradhook.check_gradients(
                case.objective, case.parameters, batch=case.batch, **case.check_options
            )
    except Exception as error:
        return Answer(*about, broken=f"{type(error).__name__}: {error}")
    seconds = time.perf_counter() - started
    # What a second call makes wrong depends on the first one, and live arrays on what was before.
    compared = case.wrong and not case.second_call and case.problem.in_place is None
    return Answer(
        *about,
        causes=tuple((cause.family, cause.kind) for cause in report.causes),
        sentences=tuple(cause.sentence for cause in report.causes),
        boundary=report.boundary,
        misjudged=misjudged(case, report, points) if compared else {},
        compared=compared,
        broken="; ".join(line for line in report.coverage if "could not be explained" in line),
        evaluations=report.evaluations,
        seconds=seconds,
    )


def misjudged(
    case: Case, report: gradhook.Report, points: list[Point]
) -> dict[str, tuple[float, str]]:
    """Return the blocks whose verdict is not what their gradients are, with both."""
    truth = dict.fromkeys(report.blocks, 0.0)
    for point in points:
        ratios = gradient_ratios(
            case.problem, case.operator or "", point.parameters, point.batch, point.switches
        )
        for name, ratio in ratios.items():
            truth[name] = max(truth[name], ratio)
    found = {}
    for name, ratio in truth.items():
        verdict = report.blocks[name].verdict
        said = verdict in (Verdict.FAIL, Verdict.WARN)
        if said != (ratio > WRONG) and not OPEN <= ratio <= WRONG:
            found[name] = (ratio, str(verdict))
    return found


@contextlib.contextmanager
def recorded() -> Iterator[list[Point]]:
    """Record where gradients are asked for on the checked rows, explanations aside."""
    points: list[Point] = []
    called, explained = Evaluator.loss_and_gradients, _explain.explain
    explaining = False

    def loss_and_gradients(self: Evaluator, **options: Any) -> Any:
        if not explaining and options.get("batch") is None:
            switches: dict[str, Any] = {}
            for switch, state in self.switches:
                if not switch.places:
                    switches |= switch.turn(state)
            parameters = {name: a.copy() for name, a in self.workspace.arrays.items()}
            points.append(Point(parameters, self.batch, switches))
        return called(self, **options)

    def explain(*arguments: Any, **options: Any) -> Any:
        nonlocal explaining
        explaining = True
        try:
            return explained(*arguments, **options)
        finally:
            explaining = False

    with (
        mock.patch.object(Evaluator, "loss_and_gradients", loss_and_gradients),
        mock.patch.object(_explain, "explain", explain),
    ):
        yield points
