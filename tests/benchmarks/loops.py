"""Hundreds of training loops as people write them, right ones and ones that turn wrong halfway.

    python tests/benchmarks/loops.py [--quick] [--loops 0-419] [--jobs 2]

Each loop is drawn from styles (where the arrays live and who reads them) × ways to update (in
place, entries or attributes rebound, the container made anew, a max-norm line) × what the callback
is given (the arrays once, a function, the hook's ``parameters=``) × losses, some of which go flat ×
dtypes × masks.  It trains for 60 steps with a check at the start and every 10 steps, four times:
right code with the check off and on, and code whose gradient turns wrong at step 31 likewise.

Right code must never fail or warn as wrong, raise nothing, train bit-identically, and every warning
must be so: of rebound arrays only where they are rebound, of a flat loss only where it is flat.
Wrong code must FAIL at step 40, or the callback must have said by then why it was not looked at.
Exit status 1 if any of this does not hold.
"""

import argparse
import collections
import itertools
import multiprocessing
import sys
import time
import warnings
from dataclasses import dataclass, field

import numpy as np
from _common import machine, seed_range
from _loop_network import NAMES, Net

from gradhook import GradCheckCallback, GradCheckWarning, GradientMismatchError, Objective

STEPS, EVERY, TURNS = 60, 10, 31
STYLES = ("dict", "list", "vector", "model", "layers", "attributes", "closure")
LOSSES = ("squares", "softmax", "hinge", "easy hinge", "logistic")
UPDATES = ("in place", "momentum", "entries", "anew", "max-norm", "one rebound")
GIVEN = ("once", "function", "hook")
MASKS = ("none", "none", "float", "rare", "bool", "gaps")
DTYPES = (np.float64, np.float64, np.float32)
FAULTS = ("factor", "sign", "missing", "penalty")
IN_PLACE = ("model", "layers", "attributes", "closure")


@dataclass(frozen=True)
class Loop:
    """What was drawn."""

    number: int
    style: str
    update: str
    given: str
    loss: str
    mask: str
    dtype: type
    fault: str
    block: str
    minibatches: bool
    on_fail: str

    @classmethod
    def drawn(cls, number):
        """Loop number so and so: styles and updates in turn, everything else at random."""
        pick = np.random.default_rng(number)

        def one(of):
            return of[int(pick.integers(len(of)))]

        style, update = list(itertools.product(STYLES, UPDATES))[number % 42]
        blocks = ("theta",) if style == "vector" else NAMES
        return cls(
            number, style, update, one(GIVEN), one(LOSSES), one(MASKS), one(DTYPES), one(FAULTS),
            one(blocks), bool(pick.integers(2)), one(("raise", "warn")),
        )  # fmt: skip

    @property
    def rebound(self):
        """Names of the blocks of which training makes new arrays."""
        if self.update in ("in place", "momentum"):
            return ()
        if self.update in ("max-norm", "one rebound"):
            return ("theta",) if self.style == "vector" else ("W1",)
        return ("theta",) if self.style == "vector" else NAMES

    @property
    def left_behind(self):
        """The blocks that the callback was given and training has replaced."""
        if self.given != "once":
            return ()
        # Containers that are read anew hold what is bound in them.
        held = self.style in ("dict", "list", "model", "closure") and self.update != "anew"
        return () if held else self.rebound


class Holder:
    """A model: a dictionary, attributes, or layers that hold the arrays themselves."""

    def __init__(self, net):
        self.net = net
        self.params = dict(net.arrays)
        for name, array in net.arrays.items():
            setattr(self, name, array)
        self.last = None

    def now(self):
        """The arrays that the loss reads."""
        if self.net.loop.style in ("layers", "attributes"):
            return {name: getattr(self, name) for name in self.net.arrays}
        return self.params

    def run(self, X, y, m):
        return self.net.evaluate(self.now(), X, y, m)

    def loss(self, X, y, m):
        loss, self.last = self.run(X, y, m)
        return loss

    def gradient(self, X, y, m):
        return self.last


def batches(loop):
    """One batch for each step, and one for the start."""
    rng = np.random.default_rng(loop.number + 1000)
    n = 96 if loop.minibatches else 24
    y = rng.integers(0, 3, n)
    scale = 20.0 if loop.loss == "easy hinge" else 1.0
    X = rng.normal(size=(n, 4)) + scale * np.eye(4)[y]
    m = np.ones(n)
    if loop.mask in ("float", "bool", "gaps"):
        m = (rng.uniform(size=n) < 0.5) * 1.0
    elif loop.mask == "rare":
        m = (np.arange(n) < max(2, n // 12)) * 1.0
    m = m.astype(bool) if loop.mask == "bool" else m
    made = []
    for step in range(STEPS + 1):
        rows = rng.permutation(n)[:24] if loop.minibatches else np.arange(n)
        there = 0 * m[rows] if loop.mask == "gaps" and step in (20, 40) else m[rows]
        made.append((X[rows], y[rows], there))
    return made


def attached(loop, net, holder, enabled):
    """The callback, as somebody with this style would build it."""
    options = {"schedule": EVERY, "on_fail": loop.on_fail, "enabled": enabled}
    arrays = holder.params if loop.style not in ("layers", "attributes") else dict(net.arrays)
    function = holder.now if loop.given == "function" else None
    if loop.style == "vector":

        def objective(theta, X, y, m):
            loss, g = net.evaluate({"theta": theta}, X, y, m)
            return loss, g["theta"]

        first = net.arrays["theta"]
        return GradCheckCallback(
            objective, (lambda: holder.params["theta"]) if function else first, **options
        )
    if loop.style == "list":

        def objective(p, X, y, m):
            loss, g = net.evaluate(dict(zip(NAMES, p, strict=True)), X, y, m)
            return loss, [g[name] for name in NAMES]

        holder.sequence = list(holder.params.values())
        return GradCheckCallback(
            objective, (lambda: holder.sequence) if function else holder.sequence, **options
        )
    if loop.style == "dict":
        return GradCheckCallback(net.evaluate, function or arrays, **options)
    if loop.style == "model":
        objective = Objective(
            parameters=arrays, loss_and_gradients=holder.run, form="in_place", model=holder
        )
    elif loop.style == "closure":
        objective = Objective(
            parameters=arrays,
            loss_and_gradients=lambda X, y, m: net.evaluate(holder.params, X, y, m),
            form="in_place",
        )
    else:
        objective = Objective(
            parameters=arrays, loss=holder.loss, gradients=holder.gradient, form="in_place",
            model=holder,
        )  # fmt: skip
    return GradCheckCallback(objective, function, **options)


def brought(loop, holder):
    """What the hook is given besides the batch."""
    if loop.given != "hook":
        return {}
    now = holder.now()
    if loop.style == "vector":
        return {"parameters": now["theta"]}
    return {"parameters": holder.sequence if loop.style == "list" else now}


def update(loop, holder, g, speeds):
    """One step of training, by the loop's way to make it."""
    now, new = holder.now(), {}
    for name, array in now.items():
        rate = array.dtype.type(0.1)
        if loop.update == "momentum":
            speeds[name] = 0.9 * speeds.get(name, 0 * array) + g[name].astype(array.dtype)
            array -= rate * speeds[name]
        elif name in loop.rebound:
            new[name] = array - rate * g[name].astype(array.dtype)
            if loop.update == "max-norm":
                new[name] = new[name] * array.dtype.type(min(1.0, 3 / np.linalg.norm(new[name])))
        else:
            array -= rate * g[name].astype(array.dtype)
    if loop.style in ("layers", "attributes"):
        for name, array in new.items():
            setattr(holder, name, array)
    elif loop.update == "anew":
        holder.params = {**holder.params, **new}
        holder.sequence = list(holder.params.values())
    else:
        holder.params.update(new)
        if loop.style == "list":
            for place, name in enumerate(NAMES):
                holder.sequence[place] = holder.params[name]


@dataclass
class Trained:
    """What a run leaves behind."""

    result: bytes = b""
    reports: list = field(default_factory=list)
    said: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    flat: set = field(default_factory=set)
    error: str = ""


def train(loop, *, enabled, turns):
    """Train one loop; with ``turns`` its gradient is wrong from then on."""
    net, run = Net(loop), Trained()
    holder = Holder(net)
    holder.sequence = list(holder.params.values())
    check = attached(loop, net, holder, enabled)
    data, speeds, losses, step = batches(loop), {}, [], 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", GradCheckWarning)
        try:
            check.on_train_begin(batch=data[0], **brought(loop, holder))
            for step in range(1, STEPS + 1):
                net.turned = step >= turns
                loss, g = net.evaluate(holder.now(), *data[step])
                losses.append(loss)
                update(loop, holder, g, speeds)
                check.on_step_end(step, batch=data[step], **brought(loop, holder))
                if step % EVERY == 0:
                    g = net.evaluate(holder.now(), *data[step])[1]
                    run.flat |= {step} if not any(a.any() for a in g.values()) else set()
            check.on_train_end()
        except GradientMismatchError:
            pass  # it is in the history, and counts from there
        except Exception as error:  # none may come; what came is the figure
            run.error = f"step {step}: {type(error).__name__}: {error}"
    run.result = b"".join(a.tobytes() for a in holder.now().values()) + repr(losses).encode()
    run.reports, run.notes = list(check.history), list(check.notes)
    run.said = [str(w.message) for w in caught if w.category is GradCheckWarning]
    return run


def untrue(loop, run):
    """Warnings of right code that are not so."""
    start = Net(loop).evaluate(Net(loop).arrays, *batches(loop)[0])[1]
    flat = bool(run.flat) or not any(a.any() for a in start.values())
    found = []
    for said in run.said:
        so = (
            ("no parameter has moved" in said and set(loop.left_behind) == set(Net(loop).arrays))
            or ("no longer reads" in said and loop.left_behind and loop.style in IN_PLACE)
            or ("UNTESTED" in said and flat)
            or ("too coarse to tell" in said and loop.dtype is np.float32)
        )
        found += [] if so else [f"untrue warning: {said}"]
    return found


def explained(loop, run, step):
    """Whether the callback has said by a step why the code was not looked at."""
    at = next((r for r in run.reports if r.step == step), None)
    blocks = [] if at is None else list(at.blocks.values())
    if loop.style != "vector":
        blocks = blocks[NAMES.index(loop.block) :][:1]  # in the order of NAMES, under any names
    open_ = any(b.verdict in ("INCONCLUSIVE", "UNTESTED") for b in blocks)
    rebound = any("moved" in said for at, said in run.notes if at <= step)
    unread = any("no longer reads" in str(r) for r in run.reports if r.step <= step)
    return open_ or rebound or unread


def judged(number):
    """One loop, all four runs: what is wrong with what was said, and what was found."""
    loop = Loop.drawn(number)
    faults, counts = [], collections.Counter(loops=1)
    for turns in (STEPS + 1, TURNS):
        off, on = (train(loop, enabled=enabled, turns=turns) for enabled in (False, True))
        counts["checks"] += len(on.reports)
        raised = any(r.verdict == "FAIL" for r in on.reports) and loop.on_fail == "raise"
        if on.result != off.result and not raised:
            faults.append("training changed")
        if on.error:
            faults.append(f"exception {on.error}")
        early = [r for r in on.reports if r.step < turns and r.verdict in ("FAIL", "WARN")]
        faults += [f"false alarm at step {r.step}: {r!r}" for r in early]
        if turns > STEPS:
            faults += untrue(loop, on)
            counts.update(str(r.verdict) for r in on.reports)
            counts["warnings"] += len(on.said)
        elif not early and not on.error:
            first = next((r for r in on.reports if r.step > turns), None)
            if first is not None and first.verdict == "FAIL":
                counts["found"] += 1
            elif explained(loop, on, STEPS if first is None else first.step):
                counts["said why not"] += 1
            else:
                faults.append(f"missed at step 40: {first!r}")
    return loop, faults, counts


def main():
    """Run the loops and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loops", type=seed_range, default=list(range(420)))
    parser.add_argument("--quick", action="store_true", help="42 loops, each style and update once")
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    loops = list(range(42)) if asked.quick else asked.loops
    print(machine())
    begun, total, bad = time.perf_counter(), collections.Counter(), 0
    with multiprocessing.Pool(asked.jobs) as pool:
        for loop, faults, counts in pool.imap(judged, loops):
            total += counts
            bad += len(faults)
            for fault in faults:
                print(f"{loop}\n    {fault[:300]}")
    verdicts = ", ".join(f"{n} {v}" for v, n in sorted(total.items()) if v.isupper())
    spent = time.perf_counter() - begun
    print(
        f"{total['loops']} loops, {total['checks']} checks in {spent:.0f} s; "
        f"right code: {verdicts}; {total['warnings']} warnings\n"
        f"turned wrong: {total['found']} found at the first check, {total['said why not']} "
        f"explained; faults {bad}"
    )
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
