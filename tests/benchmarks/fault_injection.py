"""A fault at every single evaluation of standard checks, a check for each: everything comes back.

    python tests/benchmarks/fault_injection.py [--quick]

For every style of objective with every kind of state that an evaluation changes, a fault is put in
at the end of the k-th call of the user's network, for every k: an exception, a real SIGINT, or a
loss of NaN from there on, in turns.  ``--quick`` takes every fifth objective and every 13th of its
checks.  Prints how often each was put in and how the check ended; exits with status 1 if a byte
differed afterwards, an exception came out changed, or a right gradient failed.
"""

import argparse
import collections
import importlib.util
import platform
import signal
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import numpy as np

from gradhook import check_gradients

FAULTS = ("exception", "SIGINT", "NaN")


class Fault(Exception):
    """What the user's network raises."""


def load(path: Path):
    """Load a module of the tests, which are no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


class Scene:
    """A loop after its first step, and a network that can be made to fail."""

    def __init__(self, training, style: str, feature: str) -> None:
        np.random.seed(3)
        self.training = training
        self.state, self.optimiser = training.State.of(feature), training.Optimiser("adam")
        self.loop = training.STYLES[style](self.state, self.optimiser)
        self.batch = next(iter(training.batches(self.state, 1)))
        self.loop.step(*self.batch)
        self.before = self.left()

    def left(self):
        return self.training.left_behind(self.loop, self.state, self.optimiser, [])

    def check(self):
        parameters = self.loop.now() or self.loop.parameters
        return check_gradients(self.loop.objective, parameters, batch=self.batch)


def failing(network, spy):
    """The network, which does what the spy says.  A mock is not put back, as a counter would be."""

    def call(*arguments):
        loss, gradients = network(*arguments)
        spy.calls += 1
        if spy.calls == spy.fail_at and spy.fault == "exception":
            raise spy.error
        if spy.calls == spy.fail_at and spy.fault == "SIGINT":
            signal.raise_signal(signal.SIGINT)
        if spy.calls >= spy.fail_at and spy.fault == "NaN":
            loss = np.nan
        return loss, gradients

    return call


def ended(scene: Scene, spy) -> str:
    """Make a check and say how it ended."""
    spy.calls, spy.error = 0, Fault()
    try:
        return str(scene.check().verdict)
    except KeyboardInterrupt:
        return "KeyboardInterrupt"
    except Fault as error:
        noted = [note for note in error.__notes__ if "has been put back" in note]
        return "the exception" if error is spy.error and len(noted) == 1 else "ANOTHER EXCEPTION"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="every 13th check of every fifth objective"
    )
    quick = parser.parse_args().quick
    stride = 13 if quick else 1
    signal.signal(signal.SIGINT, signal.default_int_handler)
    training = load(Path(__file__).resolve().parents[1] / "contracts" / "training.py")
    spy = Mock(calls=0, fail_at=0, fault=None)
    training.network = failing(training.network, spy)
    print(f"{platform.platform()}, Python {platform.python_version()}, NumPy {np.__version__}")
    started, number, broken = time.perf_counter(), 0, 0
    # Five has no divisor in common with the number of features: each of them is met.
    scenes = [(style, feature) for style in training.STYLES for feature in training.FEATURES]
    scenes = scenes[:: 5 if quick else 1]
    ends: collections.Counter[tuple[str, str]] = collections.Counter()
    for style, feature in scenes:
        spy.fault = None
        scene = Scene(training, style, feature)
        sound = ended(scene, spy)
        for k in range(1, spy.calls + 1):
            number += 1
            if number % stride:
                continue
            spy.fail_at, spy.fault = k, FAULTS[number // stride % len(FAULTS)]
            end = ended(scene, spy)
            ends[spy.fault, end] += 1
            strange = end in ("ANOTHER EXCEPTION", "FAIL") and end != sound
            if strange or scene.left() != scene.before:
                broken += 1
                print(f"{style} × {feature}, {spy.fault} at call {k}: {end}")
                scene = Scene(training, style, feature)
    for (fault, end), times in sorted(ends.items()):
        print(f"{times:6d}  {fault}: {end}")
    print(
        f"{sum(ends.values())} faults in checks of {len(scenes)} objectives, {broken} wrong; "
        f"{time.perf_counter() - started:.0f} s"
    )
    return min(broken, 1)


if __name__ == "__main__":
    sys.exit(main())
