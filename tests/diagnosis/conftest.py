"""Wrong blocks of which both gradients are known, and a few products of the numerical one seen."""

import types

import numpy as np
import pytest

from gradhook import Tolerance
from gradhook.diagnosis.wrong_block import WrongBlock
from gradhook.difference.base import Estimate
from gradhook.evaluation.directions import random_direction, seeded
from gradhook.verdict.evidence import Probe


@pytest.fixture(scope="session")
def wrong_block():
    """Return a function that measures a block along random directions, or element by element.

    ``error`` is that of each slope relative to the norm of the numerical gradient; slopes are off
    by less than it.
    """

    def measured(analytic, numerical, values=None, *, count=5, error=1e-9, seed=0, name="W"):
        rng = np.random.default_rng([seed, analytic.size])
        if values is None:
            values = rng.standard_normal(analytic.shape)
        exact = count is None
        directions = [random_direction(analytic.size, seeded(seed, k)) for k in range(count or 0)]
        pairs = (
            zip(analytic.ravel(), numerical.ravel(), strict=True)
            if exact
            else [(v.dot(analytic), v.dot(numerical)) for v in directions]
        )
        size = error * float(np.linalg.norm(numerical))
        probes = [
            Probe(float(a), Estimate(float(n) + size * rng.uniform(-1, 1), size, 1e-6))
            for a, n in pairs
        ]
        return WrongBlock.of(name, analytic, values, directions, probes, exact=exact)

    return measured


class SyntheticMismatch:
    """A mismatch of which all gradients are known, that answers as a measured one does.

    Args:
        blocks: The wrong blocks.
        numerical: Their numerical gradients.
        gradients: All analytic gradients, those of right blocks included.
        right: Names of right blocks.
    """

    def __init__(self, blocks, numerical, gradients=None, right=()):
        self.blocks = {block.name: block for block in blocks}
        self.numerical = numerical
        self.gradients = {**{b.name: b.gradient for b in blocks}, **(gradients or {})}
        self.right = frozenset(right)
        self.order = list(self.gradients)
        self.options = types.SimpleNamespace(
            tolerance=Tolerance(), sample_axis=0, subset=None, seed=0, fixed=()
        )
        workspace = types.SimpleNamespace(names=self.order)
        self.evaluator = types.SimpleNamespace(
            batch=(), integer_gradients=set(), workspace=workspace
        )
        self.context = types.SimpleNamespace(batch_rows=0, layers_of=lambda m: None)
        self.measured = types.SimpleNamespace(setting=types.SimpleNamespace(switches=()))
        self.elsewhere, self.rows, self.free = [], 0, ()
        self.budget = types.SimpleNamespace(left=1000)

    def confirms(self, predicted, inside=None):
        """Whether a prediction is the numerical gradient outside of what it leaves open."""
        for name, array in predicted.items():
            keep = ~(inside or {}).get(name, np.zeros(array.shape, dtype=bool))
            apart = np.linalg.norm((array - self.numerical[name])[keep])
            if apart > 1e-6 * np.linalg.norm(self.numerical[name]):
                return False
        return True

    def extended(self, name, count):
        """The block, which has all the numbers that it needs."""
        return self.blocks[name]

    def is_larger(self, name, among):
        """Whether the analytic gradient is the larger one somewhere among these elements."""
        a, n = self.blocks[name].gradient, self.numerical[name]
        return bool(np.any((n * np.sign(a) < np.abs(a) - 1e-9)[among]))

    def wrong_slices(self, name, axis, which):
        """Those slices in which both gradients differ."""
        apart = self.blocks[name].gradient - self.numerical[name]
        apart = np.moveaxis(apart, axis, 0).reshape(apart.shape[axis], -1)
        return np.array([i for i in which if np.any(np.abs(apart[i]) > 1e-9)], dtype=int)

    def seen_at_another_point(self, names):
        """No other point."""


@pytest.fixture(scope="session")
def synthetic(wrong_block):
    """Return a function that makes a mismatch of one block, or of several by name."""

    def made(analytic, numerical, values=None, *, right=(), gradients=None, **measured):
        if not isinstance(analytic, dict):
            analytic, numerical = {"W": analytic}, {"W": numerical}
            values = {"W": values} if values is not None else {}
        values = values or {}
        blocks = [
            wrong_block(analytic[name], numerical[name], values.get(name), name=name, **measured)
            for name in analytic
        ]
        return SyntheticMismatch(blocks, numerical, gradients, right)

    return made


@pytest.fixture
def stays(monkeypatch):
    """Let every experiment of a module see the same gradients, and meet what is predicted there."""

    def patched(module, *, gradients=None, meets=True):
        seen = types.SimpleNamespace(
            gradients=gradients or {}, values={}, meets=lambda mismatch, predicted: meets
        )
        if gradients is None:

            def revisit(mismatch, names, **changed):
                seen.gradients = mismatch.gradients
                seen.values = {name: mismatch.blocks[name].values for name in names}
                return seen

        else:

            def revisit(mismatch, names, **changed):
                return seen

        monkeypatch.setattr(module, "revisit", revisit)
        monkeypatch.setattr(module, "another_point", lambda mismatch: {})

    return patched
