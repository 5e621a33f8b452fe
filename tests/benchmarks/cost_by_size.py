"""Evaluations and seconds of a check against the number of weights, beside other checkers.

    python tests/benchmarks/cost_by_size.py                # 10**3 … 10**6
    python tests/benchmarks/cost_by_size.py --sizes 1e3 1e5 1e7
    python tests/benchmarks/cost_by_size.py --sizes 1e3 1e4 1e5 1e6 1e7 --most 2e5 \\
        --plot examples/pictures/cost.png

One right network, one loss, one run: gradhook at every effort, and of SciPy's ``check_grad``
(each element, and one random direction), ``autograd``, PyTorch and JAX what is installed.  A check
is also given in units of one forward pass on the same rows and of one training step on 64 rows.
Checkers that look at every weight are timed up to ``--most`` weights; beyond, their time follows
from the evaluations they would make and is marked ``~``.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from _network import Network, loss, loss_and_gradients, machine, network, seconds

import gradhook


def main(arguments: list[str] | None = None) -> int:
    """Measure and print one table for each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=float, nargs="+", default=[1e3, 1e4, 1e5, 1e6])
    parser.add_argument("--most", type=float, default=2e4, help="for checks of every weight")
    parser.add_argument("--plot", help="file to draw seconds and evaluations into")
    parser.add_argument("--quick", action="store_true", help="one small size, for correctness")
    options = parser.parse_args(arguments)
    print(machine(*(name for name in ("scipy", "autograd", "torch", "jax") if installed(name))))
    model = network(300)  # so that the first size does not pay for what is loaded late
    gradhook.check_gradients(model.objective, batch=model.batch)
    wrong = 0
    rows: list[Row] = []
    for size in [300.0] if options.quick else options.sizes:
        wrong += measured(round(size), round(options.most), rows)
    if options.plot:
        draw(rows, options.plot)
    return int(wrong > 0)


def installed(name: str) -> bool:
    """Whether a package can be imported."""
    return importlib.util.find_spec(name) is not None


@dataclass(frozen=True)
class Row:
    """What one check of one size cost.

    Args:
        check: Its name.
        weights: Weights of the network.
        evaluations: Loss evaluations; 0 where they cannot be counted.
        seconds: Wall time.
        estimated: Whether the time follows from that of one evaluation.
    """

    check: str
    weights: int
    evaluations: int
    seconds: float
    estimated: bool = False


def measured(weights: int, most: int, rows: list[Row]) -> int:
    """Print the table of one size and keep its rows; the number of checks that did not pass."""
    model = network(weights, rows=7)
    repeats = 3 if weights > 10**6 else 11
    forward = seconds(model.forward, repeats=repeats)
    training = seconds(network(weights, rows=64).backward, repeats=repeats)
    print(
        f"\n{model.size:,} weights; forward pass on 7 rows {1e3 * forward:.3f} ms, training step "
        f"on 64 rows {1e3 * training:.3f} ms"
    )
    print(
        f"{'check':32}{'evaluations':>12}{'seconds':>13}{'µs/evaluation':>14}{'forwards':>12}{'steps':>12}"
    )
    failed = 0
    for effort in ("quick", "standard", "exhaustive"):
        if effort == "exhaustive" and 10 * model.size > most:  # ten evaluations a weight
            continue
        started = time.perf_counter()
        report = gradhook.check_gradients(
            model.objective, batch=model.batch, samples=None, effort=effort
        )
        taken = time.perf_counter() - started
        failed += not report.passed
        rows.append(Row(f"gradhook {effort}", model.size, report.evaluations, taken))
        print_row(rows[-1], forward, training)
    for name, check, everything in peers(model):
        if everything and model.size > most:
            count = 2 * model.size if name.startswith("torch") else model.size + 1
            rows.append(Row(name, model.size, count, count * forward, estimated=True))
            print_row(rows[-1], forward, training)
            continue
        calls = 0

        def counted(parameters: Any, *batch: Any) -> float:
            nonlocal calls
            calls += 1
            return loss(parameters, *batch)

        started = time.perf_counter()
        with contextlib.suppress(AssertionError, RuntimeError):  # what they say is no matter here
            check(counted)
        rows.append(Row(name, model.size, calls, time.perf_counter() - started))
        print_row(rows[-1], forward, training)
    return failed


def print_row(row: Row, forward: float, training: float) -> None:
    """Print one check."""
    name = row.check + " ~" * row.estimated
    taken, shown = row.seconds, f"{row.evaluations:,}" if row.evaluations else "?"
    each = f"{1e6 * taken / row.evaluations:14.1f}" if row.evaluations else f"{'?':>14}"
    print(
        f"{name:32}{shown:>12}{taken:13.4f}{each}{taken / forward:12.0f}{taken / training:12.1f}",
        flush=True,
    )


def draw(rows: list[Row], path: str) -> None:
    """Draw evaluations and seconds of every check against the number of weights."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    axes = figure.subplots(1, 2)
    names = list(dict.fromkeys(row.check for row in rows))
    for axis, quantity in zip(axes, ("evaluations", "seconds"), strict=True):
        for index, name in enumerate(names):
            mine = [r for r in rows if r.check == name and getattr(r, quantity)]
            style = {"color": f"C{index}", "marker": "o" if "gradhook" in name else "s"}
            for estimated, line in ((False, "-"), (True, ":")):
                # The dotted part goes on from the last size that was measured.
                shown = [r for r in mine if r.estimated is estimated]
                if estimated and shown:
                    shown = [*[r for r in mine if not r.estimated][-1:], *shown]
                axis.loglog(
                    [r.weights for r in shown],
                    [getattr(r, quantity) for r in shown],
                    linestyle=line,
                    markersize=4,
                    label=None if estimated else name,
                    **style,
                )
        axis.set_xlabel("weights")
        axis.set_title(f"loss {quantity}" if quantity == "evaluations" else quantity)
        axis.grid(visible=True, alpha=0.3)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    figure.savefig(path, dpi=110)


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
    if installed("jax"):
        found.append(("jax check_grads", lambda f: jax_check(model, f), False))
    return found


def jax_check(model: Network, counted: Any) -> None:
    """JAX's check of the same loss, called back from it, along one direction."""
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)
    scalar = jax.ShapeDtypeStruct((), np.float64)
    shapes = {name: jax.ShapeDtypeStruct(v.shape, v.dtype) for name, v in model.parameters.items()}

    def arrays(parameters: Any) -> dict[str, Any]:
        return {name: np.asarray(value) for name, value in parameters.items()}

    @jax.custom_vjp
    def function(parameters: Any) -> Any:
        return jax.pure_callback(
            lambda p: np.float64(counted(arrays(p), *model.batch)), scalar, parameters
        )

    def backward(parameters: Any, g: Any) -> Any:
        gradients = jax.pure_callback(
            lambda p: loss_and_gradients(arrays(p), *model.batch)[1], shapes, parameters
        )
        return ({name: g * gradient for name, gradient in gradients.items()},)

    function.defvjp(lambda parameters: (function(parameters), parameters), backward)
    parameters = {name: jax.numpy.asarray(value) for name, value in model.parameters.items()}
    check_grads(function, (parameters,), order=1, modes=("rev",))


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
