"""Probing at one point: both derivatives along lines.

A line moves one block, or several at once, along a direction.  The first probe of a block is sharp
and teaches the curvature of the loss there; the following ones need two evaluations at the step
that balances that curvature against the noise.

What a check may cost is one value, a budget of evaluations, shared out among what is still to be
done: a passing check of ``T`` blocks may take ``40·T + 100``.  What is left is divided equally
among the settings still to come, and within a setting among the blocks still to come, so that what
one leaves the next may use.  Where a share is used up, noise, curvature or kinks have made probes
dear, and fewer of them must do as long as nothing stands out.  Mismatches are looked into whatever
that costs.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Self, TypeAlias

import numpy as np

from gradhook.difference import ComplexStep, Method
from gradhook.difference.base import Estimate
from gradhook.difference.long_steps import long_steps
from gradhook.difference.noise import COARSE, Noise, measure_noise
from gradhook.difference.search import GROW, PAIR, SHARP, SearchOptions, search
from gradhook.errors import NonFiniteLossError
from gradhook.evaluation.directions import Coordinate, Direction, random_direction, seeded
from gradhook.evaluation.points import scale_of
from gradhook.evaluation.workspace import Line
from gradhook.objective.parameters import norm
from gradhook.probe.setting import EnteredSetting
from gradhook.probe.steps import ENOUGH, FAIR, FINEST, LONGEST_STEP, ROUGH, Steps
from gradhook.verdict.evidence import Probe

LineParts: TypeAlias = Sequence[tuple[str, Direction, float]]
"""What a line moves: block, direction and weight."""

SMALLER = 0.1
"""Size and steepness of the loss, relative to the main setting's, below which its noise is measured
anew."""

VANISHING = 1e-6
"""Loss, relative to an ordinary one, below which it is tiny: no noise is believed below that at the
main setting."""

NEARBY = 1e-4
"""Length, in units of the scales, of a line that stays inside a domain whose end is near."""

STRAIGHT = 1e7
"""Steps in units of a block's rounding from which on they go where they should."""

FOR_EACH, BESIDES = 40, 100
"""Evaluations of a passing check, for each block and besides."""

FEWEST_ROUNDS = 2
"""Steps that a probe of a block may try whatever they cost."""

SEARCH, SHORT_SEARCH = 1300, 60
"""Evaluations that the search of one block may take, and where it can tell little: halves and
subsets are too coarse, or kinks lie all over."""

FEWER_DIRECTIONS = 2
"""Directions where something is known of a block already, instead of ``DIRECTIONS``."""


class Budget:
    """Loss evaluations that may still be made: so many beyond those that ``spent()`` counts now."""

    def __init__(self, spent: Callable[[], int], most: float = math.inf) -> None:
        self._spent = spent
        self._end = spent() + most

    @classmethod
    def of_check(cls, spent: Callable[[], int], blocks: int) -> Budget:
        """The budget of one check of so many blocks."""
        return cls(spent, FOR_EACH * blocks + BESIDES)

    @property
    def left(self) -> float:
        """Evaluations left, never below zero."""
        return max(0.0, self._end - self._spent())

    def share(self, parts: float) -> Budget:
        """What is left, divided by the parts that are still to share it."""
        return Budget(self._spent, self.left / max(1.0, parts))

    def rounds(self, cost: int, most: int, *, least: int = FEWEST_ROUNDS) -> int:
        """How many rounds of so many evaluations a probe may try, of at most ``most``."""
        return int(min(most, max(least, self.left / cost)))


UNLIMITED = Budget(lambda: 0)
"""No limit at all."""


class Prober:
    """Measures in the setting that the evaluator is in, with the user's method if there is one.

    The noise and curvatures of the prober of an earlier setting (``like``) serve as first guesses,
    so that no block needs a sharp probe again, unless the loss is of another size.  Else the noise
    is measured, in at most so many evaluations if that can be, and the loss ``elsewhere`` is a
    first guess of what it varies by.
    """

    def __init__(
        self,
        entered: EnteredSetting,
        *,
        method: Method | None = None,
        like: Prober | None = None,
        elsewhere: float = math.nan,
        most: float = math.inf,
    ) -> None:
        self.evaluator = entered.evaluator
        self.gradients = entered.gradients
        self.seed = entered.seed
        self.method = method
        workspace = entered.evaluator.workspace
        self._moves = moves = workspace.moves
        # What share of a block's size is its scale, where that is not all of it.
        self.units: Mapping[str, float]
        self.units = like.units if like else {name: move.unit for name, move in moves.items()}
        self.scales = {
            name: scale_of(array) * self.units.get(name, 1.0)
            for name, array in workspace.arrays.items()
        }
        self.norms = {name: norm(g) for name, g in entered.gradients.items()}
        # ``max over blocks c of s_c·‖a_c‖``, from the finite analytic gradients; where the loss all
        # but vanishes, no less than at the main setting.
        slopes = (self.scales[n] * size for n, size in self.norms.items() if math.isfinite(size))
        self.ordinary = max(slopes, default=0.0)
        self.loss = loss = entered.loss
        self.steps: Steps
        self._main = like is None
        self.carried_on = False
        self.kinked: set[str] = set()  # blocks of which kinks spoiled a probe, here or there
        known, typical = None, 0.0
        if like is not None:
            self.kinked |= like.kinked
            growth = abs(loss) / max(abs(like.loss), sys.float_info.min)
            # A loss that passes through zero is as steep there as elsewhere; one that is smaller
            # altogether is measured anew.  All that the analytic gradients decide is whose noise
            # counts, the larger one where they are too large.
            steepness = self.ordinary / (like.ordinary or math.inf)
            # A loss of zero is not exact: it is made of terms of the size that it has elsewhere.
            # At the same point it is another loss, as one without its penalty.
            vanishing = growth < VANISHING and moves is not like._moves
            self.ordinary = max(self.ordinary, like.ordinary) if vanishing else self.ordinary
            self.carried_on = vanishing or max(growth, steepness) >= SMALLER
            if self.carried_on:
                self.steps = like.steps.carried_on(growth=growth, scales=self.scales)
                return
            # A loss that is rounded as a whole has a noise in proportion to its size.
            known = like.noise * (min(1.0, growth) if like.steps.coarse else 1.0)
            typical = growth * like.steps.typical
        noise = self._measured_noise(elsewhere, known, most)
        self.steps = Steps(noise, loss=loss, scales=self.scales, typical=typical)

    def _measured_noise(self, elsewhere: float, known: float | None, most: float) -> Noise:
        """The noise along one direction that moves every block by its own scale."""
        measured = functools.partial(measure_noise, at_zero=self.loss, known=known, most=most)
        with self.line(*self.all_blocks(self.seed, 4)) as line:
            with contextlib.suppress(NonFiniteLossError):
                return measured(line, elsewhere=elsewhere)
            # Where the domain ends close by, a shorter way may stay inside it.
            with contextlib.suppress(NonFiniteLossError):
                return measured(lambda t: line(t * NEARBY))
        return Noise(sys.float_info.epsilon * abs(self.loss), coarse=False)

    def noisier(self, noise: float) -> Self:
        """A prober at the same point that knows of the loss nothing but its noise."""
        prober = copy.copy(self)
        prober.carried_on, prober.kinked = False, set()
        prober.steps = self.steps.noisier(noise, self.loss)
        return prober

    def all_blocks(self, seed: int, *labels: int) -> LineParts:
        """A random direction over all blocks, each at its own scale, as the parts of a line."""
        return [
            (name, random_direction(array.size, seeded(seed, *labels, index)), self.scales[name])
            for index, (name, array) in enumerate(self.evaluator.workspace.arrays.items())
            if array.size
        ]

    @property
    def noise(self) -> float:
        """Absolute noise in one evaluation, in units of loss."""
        return self.steps.noise

    def arithmetic(self, name: str | None = None) -> str:
        """What makes probes of a block, or of all of them, coarser than float64; empty if nothing.

        The dtype of a parameter, a gradient or the loss, else noise above that of float64.
        """
        arrays = self.evaluator.workspace.arrays
        seen = [array.dtype for n, array in arrays.items() if name in (None, n)]
        dtypes = [dtype for dtype in (*seen, *self.evaluator.dtypes) if dtype.itemsize < 8]
        if dtypes:
            return str(min(dtypes, key=lambda dtype: dtype.itemsize))
        size = max(abs(self.loss), self.ordinary)
        coarse = self.steps.coarse and self.noise > COARSE * size
        return f"noise of {self.noise / size:.0e} of the loss" if coarse and size else ""

    def line(self, *parts: tuple[str, Direction, float]) -> Line:
        """The loss along directions of some blocks, as a context manager."""
        evaluator = self.evaluator
        return Line(evaluator.workspace, parts, evaluator.loss, evaluator.complex_loss)

    def from_afar(self, name: str, direction: Direction, goal: float) -> Probe:
        """A probe from long steps, where noise limits what short ones see.

        The ``goal`` is the error at which no further evaluation is made, in units of loss per unit
        of ``t``.
        """
        allowance, goal = self.steps.allowance, goal * self.scales[name]
        afar = functools.partial(long_steps, at_zero=self.loss, allowance=allowance, goal=goal)
        with self.line((name, direction, 1.0)) as line:
            slope = self._by_method(line, name, afar, self.noise / allowance)
        return Probe(direction.dot(self.gradients[name]), slope)

    def along(self, parts: LineParts, *, share: float = 1.0, wanted: float = 0.0) -> Probe:
        """Probe along directions of some blocks, each with a weight, to the error ``wanted``.

        The step grows as fewer elements move, of which the directions move a ``share``.  Takes two
        evaluations where these can be expected to reach the error wanted, else four.
        """
        grown = math.sqrt(share * len(parts))
        pair, sharp = (
            min(self.steps.step(name, sharp=sharp) / weight for name, _, weight in parts) / grown
            for sharp in (False, True)
        )
        longest = min(LONGEST_STEP * self.scales[name] / weight for name, _, weight in parts)

        def good(slope: Estimate) -> bool:
            return slope.error <= wanted

        with self.line(*parts) as line:
            fine = 2 * self.noise / min(pair, longest) <= wanted
            formula = PAIR if fine else SHARP
            options = SearchOptions(
                min(pair if fine else sharp, longest), good=good, grow=0.0 if fine else GROW
            )
            slope = search(line, self.loss, formula, options, noise=self.noise)
            analytic = self._analytic(line, parts, slope)
        rounding = self.evaluator.rounding
        error = math.hypot(*(weight * rounding.get(name, 0.0) for name, _, weight in parts))
        return Probe(analytic, replace(slope, error=slope.error + error))

    def probe(
        self, name: str, direction: Direction, *, sharp: bool, budget: Budget = UNLIMITED
    ) -> Probe:
        """Probe one block within a budget, as long as nothing stands out."""
        if not self.steps.has_moved(name):
            budget = UNLIMITED  # all other probes of the block will begin where this one ends
        parts = [(name, direction, 1.0)]
        with self.line(*parts) as line:
            if self.method is not None:
                slope = self._by_method(line, name, self.method, self.noise)
            elif sharp or not self.steps.pair_suffices(name):
                slope = self.sharp(line, name, budget)
                self.steps.pass_on(name, slope)
            else:
                # A direction crosses many kinks within a step that coarse values ask for; of these
                # a pair sees too little.
                many = self.steps.coarse and not isinstance(direction, Coordinate)
                formula = SHARP if many else PAIR
                options = SearchOptions(
                    self.steps.pair_step(name),
                    good=self.steps.good(name, FAIR),
                    rounds=budget.rounds(formula.points, formula.rounds),
                    grow=0.0,
                )
                slope = search(line, self.loss, formula, options, noise=self.noise)
            real = not isinstance(self.method, ComplexStep)  # which moves nothing that is real
            analytic = self._analytic(line, parts, slope, real=real)
        self.steps.learn(name, slope)
        return Probe(analytic, slope)

    def sharp(
        self, line: Line, name: str, budget: Budget, *, least: int = FEWEST_ROUNDS
    ) -> Estimate:
        """A sharp slope along a line that moves a block, or ``JOINT`` all of them."""
        goal = FINEST if budget.left >= 4 else ENOUGH if self._main else ROUGH
        options = SearchOptions(
            self.steps.step(name, sharp=True),
            LONGEST_STEP * self.steps.scales[name],
            good=self.steps.good(name, goal),
            enough=self.steps.good(name, ENOUGH),
            rounds=budget.rounds(SHARP.points, SHARP.rounds, least=least),
            grow=0.0 if self.steps.knows(name) else GROW,
        )
        return search(line, self.loss, SHARP, options, noise=self.noise)

    def _analytic(
        self, line: Line, parts: LineParts, slope: Estimate, *, real: bool = True
    ) -> float:
        """``⟨a, v⟩``, for the steps really taken where a block's own rounding bends them.

        That is where it is stored in float32, or far from zero.
        """
        for name, _, weight in parts if real and math.isfinite(slope.value) else ():
            coarse = self.evaluator.workspace.arrays[name].dtype.itemsize < 8
            if coarse or weight * slope.step < STRAIGHT * self.rounding(name):
                return line.slope_taken(self.gradients, slope.step)
        return math.fsum(weight * v.dot(self.gradients[name]) for name, v, weight in parts)

    def rounding(self, name: str) -> float:
        """By how much the entries of a block round, in the parameters' units."""
        eps = float(np.finfo(self.evaluator.workspace.arrays[name].dtype).eps)
        return max(eps, sys.float_info.epsilon) * self.scales[name] / self.units.get(name, 1.0)

    def _by_method(
        self, line: Line, name: str, method: Callable[..., Estimate], noise: float
    ) -> Estimate:
        """What a method says of a line, which it sees in units of the block's scale."""
        scale = self.scales[name]
        try:
            found = method(lambda t: line(t * scale), noise=noise)
        except NonFiniteLossError:
            return Estimate(math.nan, math.inf, math.nan)
        return Estimate(found.value / scale, found.error / scale, found.step * scale)
