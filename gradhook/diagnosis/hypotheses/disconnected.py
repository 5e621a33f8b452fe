"""Gradients that are never written, or are written into an integer array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradhook.diagnosis.experiment import another_point, revisit
from gradhook.diagnosis.fit import Prediction, fit
from gradhook.diagnosis.hypothesis import NOT_MADE, Hypothesis, Refutation, Trial
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import AT_OTHER_WEIGHTS, listed, say
from gradhook.diagnosis.wrong_block import WrongBlock, is_vector

__all__ = ["CutToIntegers", "Disconnected"]


class _OneBlock(Hypothesis):
    """A hypothesis about one block that a gradient call at another point can rule out."""

    family = "D"

    def __init__(self, block: WrongBlock, support: str) -> None:
        self.blocks = (block.name,)
        self.support = support

    def sentence(self) -> str:
        return say(self.said, d=listed(self.blocks))


class Disconnected(_OneBlock):
    """A gradient of zero although the loss depends on the block."""

    kind = "disconnected"
    said = "disconnected"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        elsewhere = mismatch.elsewhere
        for name in names:
            block = mismatch.blocks[name]
            if np.any(block.gradient) or any(np.any(g[name]) for g in elsewhere):
                continue
            alone = Prediction(block, None, (block.values,))
            if fit([alone], mismatch.options.tolerance) is not None:
                continue  # a penalty that is missing where nothing else acts
            integers = name in mismatch.evaluator.integer_gradients
            if not integers and not _may_cancel(mismatch, block):
                norm = np.linalg.norm(block.slopes)
                yield cls(block, f"the numerical gradient has the norm {norm:.1e}")

    def refute(self, mismatch: Mismatch) -> Refutation:
        changed = revisit(mismatch, self.blocks, moves=another_point(mismatch), probes=0)
        if changed is None:
            return NOT_MADE
        written = bool(np.any(changed.gradients[self.blocks[0]]))
        out = "not zero" if written else "exactly zero there too"
        return Refutation((Trial(AT_OTHER_WEIGHTS, out, refuted=written),))


def _may_cancel(mismatch: Mismatch, block: WrongBlock) -> bool:
    """Whether the gradient of a bias may be zero because it is summed over the wrong axis.

    The gradients of hinge scores are whole numbers over the rows and sum to zero over the classes;
    those of a softmax leave rounding behind.  A corner of an image may be dead.
    """
    before = [mismatch.gradients[n] for n in mismatch.order[: mismatch.order.index(block.name)]]
    weights = [gradient for gradient in before if not is_vector(gradient.shape)]
    if not block.is_vector or (weights and weights[-1].ndim > 2):
        return block.is_vector
    if block.name != mismatch.order[-1]:
        return False
    found = mismatch.by_element(block.name)
    counts = found.slopes * max(1, mismatch.rows)
    allowed = 3 * found.errors * max(1, mismatch.rows) + 1e-6
    cancels = abs(float(np.sum(found.slopes))) <= 3 * float(np.sum(found.errors)) + 1e-9
    return bool(found.exact and cancels and np.all(np.abs(counts - np.rint(counts)) <= allowed))


class CutToIntegers(_OneBlock):
    """A gradient that was written into an integer array."""

    kind = "integer_buffer"
    said = "integer_buffer"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for name in names:
            block = mismatch.blocks[name]
            a = block.gradient
            whole = a.size > 1 and np.any(a) and np.all(a == np.rint(a))
            # What is cut off is less than one.
            less = block.residual_norm < np.sqrt(a.size)
            if name in mismatch.evaluator.integer_gradients or (whole and less):
                yield cls(block, f"all of its {a.size} elements are whole numbers")

    def refute(self, mismatch: Mismatch) -> Refutation:
        (name,) = self.blocks
        changed = revisit(mismatch, self.blocks, moves=another_point(mismatch), probes=0)
        if changed is None:
            return NOT_MADE
        a = changed.gradients[name]
        typed = name in mismatch.evaluator.integer_gradients
        if not typed and mismatch.is_larger(name, mismatch.blocks[name].gradient != 0):
            # What is written to integers is cut towards zero.
            out = "further from 0 than the numerical gradient"
            return Refutation((Trial("single elements", out, refuted=True),))
        broken = not typed and not np.all(a == np.rint(a))
        out = "not whole" if broken else "an integer dtype" if typed else "whole there too"
        return Refutation((Trial(AT_OTHER_WEIGHTS, out, refuted=broken),))
