"""Evaluations and seconds of a check against the number of weights, beside other checkers.

    python tests/benchmarks/cost_by_size.py                # 10**3 … 10**6
    python tests/benchmarks/cost_by_size.py --sizes 1e3 1e5 1e7

One right network, one loss, one run: gradhook at every effort, and of SciPy's ``check_grad``
(each element, and one random direction), ``autograd`` and PyTorch what is installed.  A check is
also given in units of one forward pass on the same rows and of one training step on 64 rows.
Checkers that look at every weight are timed up to ``--most`` weights; beyond, their time follows
from the evaluations they would make and is marked ``~``.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from _network import Network, loss, loss_and_gradients, machine, network, seconds

import gradhook


def main(arguments: list[str] | None = None) -> int:
    """Measure and print one table for each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=float, nargs="+", default=[1e3, 1e4, 1e5, 1e6])
    parser.add_argument("--most", type=float, default=1e4, help="for checks of every weight")
    parser.add_argument("--quick", action="store_true", help="one small size, for correctness")
    options = parser.parse_args(arguments)
    print(machine(*(name for name in ("scipy", "autograd", "torch") if installed(name))))
    model = network(300)  # so that the first size does not pay for what is loaded late
    gradhook.check_gradients(model.objective, batch=model.batch)
    wrong = 0
    for size in [300.0] if options.quick else options.sizes:
        wrong += measured(round(size), round(options.most))
    return int(wrong > 0)


def installed(name: str) -> bool:
    """Whether a package can be imported."""
    return importlib.util.find_spec(name) is not None


def measured(weights: int, most: int) -> int:
    """Print the table of one size; the number of checks that did not pass."""
    model = network(weights, rows=7)
    repeats = 3 if weights > 10**6 else 11
    forward = seconds(model.forward, repeats=repeats)
    training = seconds(network(weights, rows=64).backward, repeats=repeats)
    print(
        f"\n{model.size:,} weights; forward pass on 7 rows {1e3 * forward:.3f} ms, training step "
        f"on 64 rows {1e3 * training:.3f} ms"
    )
    print(f"{'check':34}{'evaluations':>12}{'seconds':>11}{'forwards':>10}{'steps':>8}")
    failed = 0
    for effort in ("quick", "standard", "exhaustive"):
        if effort == "exhaustive" and model.size > most:
            continue
        started = time.perf_counter()
        report = gradhook.check_gradients(
            model.objective, batch=model.batch, samples=None, effort=effort
        )
        taken = time.perf_counter() - started
        failed += not report.passed
        print_row(f"gradhook {effort}", report.evaluations, taken, forward, training)
    for name, check, everything in peers(model):
        if everything and model.size > most:
            count = 2 * model.size if name.startswith("torch") else model.size + 1
            print_row(f"{name} ~", count, count * forward, forward, training)
            continue
        calls = 0

        def counted(parameters: Any, *batch: Any) -> float:
            nonlocal calls
            calls += 1
            return loss(parameters, *batch)

        started = time.perf_counter()
        check(counted)
        print_row(name, calls, time.perf_counter() - started, forward, training)
    return failed


def print_row(name: str, count: int, taken: float, forward: float, training: float) -> None:
    """Print one check."""
    shown = f"{count:,}" if count else "?"
    print(f"{name:34}{shown:>12}{taken:11.4f}{taken / forward:10.0f}{taken / training:8.1f}")


def peers(model: Network) -> list[tuple[str, Callable[[Any], object], bool]]:
    """Name, check of a counted loss, and whether it looks at every weight."""
    found: list[tuple[str, Callable[[Any], object], bool]] = []
    names = list(model.parameters)
    flat = np.concatenate([model.parameters[name].ravel() for name in names])

    def folded(vector: Any) -> dict[str, Any]:
        parts, start = {}, 0
        for name in names:
            shape = model.parameters[name].shape
            stop = start + int(np.prod(shape))
            parts[name] = vector[start:stop].reshape(shape)
            start = stop
        return parts

    if installed("scipy"):
        from scipy.optimize import check_grad

        def scipy_check(direction: str, counted: Any) -> object:
            def gradient(vector: Any) -> Any:
                found = loss_and_gradients(folded(vector), *model.batch)[1]
                return np.concatenate([found[name].ravel() for name in names])

            keywords = {"direction": direction}
            if direction == "random":
                keywords["rng" if "rng" in check_grad.__code__.co_varnames else "seed"] = 0
            try:
                return check_grad(
                    lambda vector: counted(folded(vector), *model.batch), gradient, flat, **keywords
                )
            except TypeError:  # the older name
                keywords["seed"] = keywords.pop("rng", 0)
                return check_grad(
                    lambda vector: counted(folded(vector), *model.batch), gradient, flat, **keywords
                )

        found.append(("SciPy check_grad", lambda f: scipy_check("all", f), True))
        found.append(("SciPy check_grad, one direction", lambda f: scipy_check("random", f), False))
    if installed("autograd"):
        from autograd.extend import defvjp, primitive
        from autograd.test_util import check_grads

        def autograd_check(counted: Any) -> object:
            function = primitive(lambda vector: counted(folded(vector), *model.batch))

            def product(answer: Any, vector: Any) -> Any:
                found = loss_and_gradients(folded(vector), *model.batch)[1]
                gradient = np.concatenate([found[name].ravel() for name in names])
                return lambda g: g * gradient

            defvjp(function, product)
            return check_grads(function, modes=["rev"], order=1)(flat)

        found.append(("autograd check_grads", autograd_check, False))
    if installed("torch"):
        found += torch_peers(model, folded, flat)
    return found


def torch_peers(
    model: Network, folded: Callable[[Any], dict[str, Any]], flat: Any
) -> list[tuple[str, Callable[[Any], object], bool]]:
    """PyTorch's gradcheck of the same loss, wrapped."""
    import torch

    def check(fast: bool, counted: Any) -> object:
        class Wrapped(torch.autograd.Function):
            @staticmethod
            def forward(context: Any, vector: Any) -> Any:
                context.save_for_backward(vector)
                return vector.new_tensor(counted(folded(vector.detach().numpy()), *model.batch))

            @staticmethod
            def backward(context: Any, g: Any) -> Any:
                (vector,) = context.saved_tensors
                found = loss_and_gradients(folded(vector.detach().numpy()), *model.batch)[1]
                return g * torch.from_numpy(
                    np.concatenate([found[n].ravel() for n in model.parameters])
                )

        vector = torch.from_numpy(flat).requires_grad_()
        return torch.autograd.gradcheck(Wrapped.apply, (vector,), fast_mode=fast)

    return [
        ("torch gradcheck", lambda f: check(False, f), True),
        ("torch gradcheck, fast", lambda f: check(True, f), False),
    ]


if __name__ == "__main__":
    sys.exit(main())
