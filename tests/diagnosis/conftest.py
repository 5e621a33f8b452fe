"""Wrong blocks of which both gradients are known, and a few products of the numerical one seen."""

import types

import numpy as np
import pytest

from gradhook import Tolerance, check_gradients
from gradhook.diagnosis import explain
from gradhook.diagnosis.hypothesis import name_cause, survives
from gradhook.diagnosis.mismatch import Changed, Mismatch
from gradhook.diagnosis.wrong_block import WrongBlock
from gradhook.difference.base import Estimate
from gradhook.evaluation.directions import masked, random_direction, seeded
from gradhook.probe.setting import Setting
from gradhook.verdict.evidence import Location, Probe

ERROR = 1e-9


@pytest.fixture(scope="session")
def wrong_block():
    """Return a function that measures a block along random directions, or element by element.

    ``error`` is that of each slope relative to the norm of the numerical gradient; slopes are off
    by less than it.
    """

    def measured(analytic, numerical, values=None, *, count=5, error=ERROR, seed=0, name="W"):
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


class SyntheticMismatch(Mismatch):
    """A mismatch of which all gradients are known, that answers as a measured one does.

    Args:
        blocks: The wrong blocks.
        numerical: Their numerical gradients.
        gradients: All analytic gradients, those of right blocks included.
        right: Names of right blocks.
        values: The blocks, right ones included.
        batch: The rows.
        switches: Switches that are on.
        loss: The loss of a batch, where an experiment evaluates it.
    """

    def __init__(
        self,
        blocks,
        numerical,
        gradients=None,
        right=(),
        values=None,
        batch=(),
        switches=(),
        loss=lambda *batch: 1.0,
    ):
        self.blocks = {block.name: block for block in blocks}
        self.numerical = numerical
        self.gradients = {**{b.name: b.gradient for b in blocks}, **(gradients or {})}
        self.right = frozenset(right)
        self.order = list(self.gradients)
        self.options = types.SimpleNamespace(
            tolerance=Tolerance(), sample_axis=0, subset=None, seed=0, fixed=(), penalty=None
        )
        known = {**{b.name: b.values for b in blocks}, **(values or {})}
        workspace = types.SimpleNamespace(
            move=lambda moves: None,
            names=self.order,
            values=lambda name: known[name].copy(),
            tree=types.SimpleNamespace(blocks=known),
        )
        self.evaluator = types.SimpleNamespace(
            batch=batch,
            integer_gradients=set(),
            workspace=workspace,
            loss=lambda: loss(*self.evaluator.batch),
        )
        self.context = types.SimpleNamespace(layers_of=lambda m: None, whole=None)
        self.measured = types.SimpleNamespace(
            setting=Setting("here", {}, batch, tuple((switch, "on") for switch in switches)),
            prober=types.SimpleNamespace(noise=1e-15, loss=loss(*batch)),
            judgements={b.name: self._judgement(b.name) for b in blocks},
        )
        self.free = ()
        self.budget = types.SimpleNamespace(left=1000)

    def _judgement(self, name):
        a, n = self.blocks[name].gradient, self.numerical[name]
        ratio = np.linalg.norm(a - n) / (np.linalg.norm(a) + np.linalg.norm(n))
        return types.SimpleNamespace(comparison=types.SimpleNamespace(ratio=ratio))

    def enter(self):
        """Come back to all rows."""
        self.measured.setting.enter(self.evaluator)

    def located(self, name):
        """The wrong elements, where they are few."""
        apart = np.argwhere(np.abs(self.blocks[name].gradient - self.numerical[name]) > 1e-9)
        few = 2 * len(apart) < self.numerical[name].size
        boxes = tuple(tuple(slice(i, i + 1) for i in index) for index in apart if few)
        return Location(name, self.numerical[name].shape, boxes)

    def joint(self, prober, parts):
        """Both derivatives, known to a billionth of the numerical gradient."""
        a = sum(w * v.dot(self.gradients[name]) for name, v, w in parts)
        n = sum(w * v.dot(self.numerical[name]) for name, v, w in parts)
        size = sum(w * float(np.linalg.norm(self.numerical[name])) for name, _, w in parts)
        return Probe(a, Estimate(n, ERROR * size, 1e-6))

    def extended(self, name, count):
        """The block, which has all the numbers that it needs."""
        return self.blocks[name]


@pytest.fixture(scope="session")
def synthetic(wrong_block):
    """Return a function that makes a mismatch of one block, or of several by name."""

    def made(analytic, numerical, values=None, *, count=5, **given):
        if not isinstance(analytic, dict):
            analytic, numerical = {"W": analytic}, {"W": numerical}
            values = {"W": values} if values is not None else {}
        values = values or {}
        blocks = [
            wrong_block(analytic[name], numerical[name], values.get(name), name=name, count=count)
            for name in analytic
        ]
        return SyntheticMismatch(blocks, numerical, values=values, **given)

    return made


@pytest.fixture
def stays(monkeypatch):
    """Let every experiment see the same gradients, and meet what is predicted there."""

    def patched(*, gradients=None, meets=True):
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

        for name in ("revisit", "at_other_weights"):
            monkeypatch.setattr(SyntheticMismatch, name, revisit)

    return patched


@pytest.fixture
def experiments(monkeypatch):
    """Let experiments see gradients that are known for whatever is changed.

    ``gradients(**changed)`` returns the analytic ones, the numerical ones and, where it matters,
    the loss; nothing where the functions cannot be called so.
    """

    def patched(gradients):
        def revisit(mismatch, names, *, probes=2, within=None, **changed):
            changed.setdefault("batch", mismatch.evaluator.batch)
            seen = gradients(**changed)
            if seen is None:
                return None
            analytic, numerical, *loss = seen
            parts = [
                [
                    (name, masked(v, within[name]) if within else v, 1.0)
                    for i, name in enumerate(names)
                    for v in [random_direction(analytic[name].size, seeded(7, k, i))]
                ]
                for k in range(probes)
            ]
            measured = []
            for moved in parts:
                a = sum(v.dot(analytic[name]) for name, v, _ in moved)
                n = sum(v.dot(numerical[name]) for name, v, _ in moved)
                size = sum(float(np.linalg.norm(numerical[name])) for name, _, _ in moved)
                measured.append(Probe(a, Estimate(n, ERROR * size, 1e-6)))
            return Changed(analytic, tuple(measured), tuple(parts), loss=loss[0] if loss else 2.0)

        monkeypatch.setattr(SyntheticMismatch, "revisit", revisit)

    return patched


@pytest.fixture
def named():
    """Return a function that proposes one hypothesis, tries it, and names what survives.

    What was tried and came out is returned where something rules it out, ``None`` where nothing
    could be tried.
    """

    def tried(family, mismatch):
        (found,) = family.propose(mismatch, list(mismatch.blocks))
        trials = found.refute(mismatch)
        if survives(trials):
            return name_cause(found, trials)
        return [str(trial) for trial in trials if trial is not None and trial.refuted] or None

    return tried


@pytest.fixture
def switch():
    """Return a function that makes a switch of a role."""

    def made(role, *, always_off=False):
        return types.SimpleNamespace(role=role, always_off=always_off, name=role)

    return made


@pytest.fixture
def inside(monkeypatch):
    """Return what ``ask(mismatch)`` returns amid the explanation of a gradient that is wrong."""

    def asked(function, parameters, batch, ask, **options):
        answers = []

        def diagnose(mismatch, **keywords):
            answers.append(ask(mismatch))
            return []

        monkeypatch.setattr(explain, "diagnose", diagnose)
        report = check_gradients(function, parameters, batch=batch, **options)
        assert answers, report.coverage
        return answers[0]

    return asked
