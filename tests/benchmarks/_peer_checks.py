"""How each peer is called, and when it counts as having found a gradient wrong.

A peer that has a tolerance is used with its default one.  ``scipy.optimize.check_grad`` returns a
distance and numdifftools a gradient, and neither a verdict; they count as failed above 1e-5 of the
gradient's norm, a tolerance that projects use with them in their tests.  The course's sparse check
prints relative errors and leaves judging to the reader, and the course notes say how to read them.
"""

from __future__ import annotations

import importlib.util
import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.catalogue import Case

__all__ = ["PEERS", "Peer", "Plain"]


class Plain:
    """A case as a function of float64 arrays, with dropout off, that counts its calls.

    Args:
        case: The case.
    """

    def __init__(self, case: Case) -> None:
        self._function = case.problem.build(case.operator or "")
        self.batch = tuple(
            rows.astype(np.float64) if rows.dtype.kind == "f" else rows for rows in case.batch
        )
        self.switches = {}
        if case.dropout is not None:
            self.switches = {case.dropout: 1.0 if "keep" in case.dropout else 0.0}
        self.start = {name: np.array(value, np.float64) for name, value in case.parameters.items()}
        self.calls = 0

    def both(self, parameters: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        """Return loss and gradients."""
        self.calls += 1
        loss, gradients = self._function(parameters, *self.batch, **self.switches)
        return float(loss), {name: np.array(gradients[name], np.float64) for name in self.start}

    def loss(self, parameters: dict[str, Any]) -> float:
        """Return the loss."""
        return self.both(parameters)[0]

    def gradients(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the gradients."""
        return self.both(parameters)[1]

    @property
    def flat_start(self) -> Any:
        """The parameters in one vector."""
        return np.concatenate([value.ravel() for value in self.start.values()])

    def flat_loss(self, theta: Any) -> float:
        """Return the loss of parameters in one vector."""
        return self.loss(self._split(theta))

    def flat_gradient(self, theta: Any) -> Any:
        """Return the gradients in one vector."""
        gradients = self.gradients(self._split(theta))
        return np.concatenate([value.ravel() for value in gradients.values()])

    def _split(self, theta: Any) -> dict[str, Any]:
        parts, at = {}, 0
        for name, value in self.start.items():
            parts[name] = np.array(theta[at : at + value.size], np.float64).reshape(value.shape)
            at += value.size
        return parts


@dataclass(frozen=True, slots=True)
class Peer:
    """A checker that others use.

    Args:
        name: What the table calls it.
        check: Given a problem, returns ``"pass"``, ``"fail"`` or ``"undecided"``.
        judged: When it counts as failed.
        package: Where it comes from; empty for a recipe of a few lines.
    """

    name: str
    check: Callable[[Plain], str]
    judged: str
    package: str = ""

    @property
    def missing(self) -> str | None:
        """Why the peer cannot be asked, ``None`` if it can."""
        if not self.package or importlib.util.find_spec(self.package) is not None:
            return None
        return f"{self.package} is not installed"

    def ask(self, problem: Plain) -> str:
        """Return the peer's answer, with every global stream at a known place."""
        random.seed(0)
        np.random.seed(0)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return self.check(problem)


def textbook(threshold: float) -> Callable[[Plain], str]:
    """Central differences of every coordinate at 1e-7, and the ratio over all of them."""

    def check(problem: Plain) -> str:
        theta, eps = problem.flat_start, 1e-7
        analytic = problem.flat_gradient(theta)
        numerical = np.empty(theta.size)
        for i in range(theta.size):
            up, down = theta.copy(), theta.copy()
            up[i] += eps
            down[i] -= eps
            numerical[i] = (problem.flat_loss(up) - problem.flat_loss(down)) / (2 * eps)
        norms = np.linalg.norm(analytic) + np.linalg.norm(numerical)
        return verdict(np.linalg.norm(analytic - numerical) <= threshold * norms)

    return check


def sparse(problem: Plain) -> str:
    """Ten random coordinates of each array at 1e-5, each with its own relative error."""
    h, worst = 1e-5, 0.0
    gradients = problem.gradients(problem.start)
    for name, x in problem.start.items():
        for _ in range(10):
            ix = tuple(random.randrange(m) for m in x.shape)
            before = x[ix]
            x[ix] = before + h
            up = problem.loss(problem.start)
            x[ix] = before - h
            down = problem.loss(problem.start)
            x[ix] = before
            numerical, analytic = (up - down) / (2 * h), gradients[name][ix]
            size = abs(numerical) + abs(analytic)
            worst = max(worst, abs(numerical - analytic) / size if size else 0.0)
    return "fail" if worst > 1e-2 else "pass" if worst <= 1e-4 else "undecided"


def scipy_check(direction: str) -> Callable[[Plain], str]:
    """SciPy's forward differences: the distance to them, in units of the gradient's norm."""

    def check(problem: Plain) -> str:
        from scipy.optimize import check_grad

        theta = problem.flat_start
        distance = check_grad(
            problem.flat_loss,
            problem.flat_gradient,
            theta,
            direction=direction,
            **({"rng": np.random.default_rng(0)} if direction == "random" else {}),
        )
        return verdict(distance <= 1e-5 * np.linalg.norm(problem.flat_gradient(theta)))

    return check


def autograd_check(problem: Plain) -> str:
    """A primitive with a hand-written vjp; reverse mode and first order, as there is no other."""
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    @primitive
    def loss(theta: Any) -> float:
        return problem.flat_loss(theta)

    defvjp(loss, lambda _, theta: lambda g: g * problem.flat_gradient(theta))
    try:
        check_grads(loss, modes=["rev"], order=1)(problem.flat_start)
    except AssertionError:
        return "fail"
    return "pass"


def numdifftools_check(problem: Plain) -> str:
    """An extrapolated gradient: the distance to it, in units of the gradient's norm."""
    import numdifftools

    theta = problem.flat_start
    numerical = np.reshape(numdifftools.Gradient(problem.flat_loss)(theta), theta.shape)
    analytic = problem.flat_gradient(theta)
    return verdict(np.linalg.norm(numerical - analytic) <= 1e-5 * np.linalg.norm(analytic))


def torch_check(fast: bool) -> Callable[[Plain], str]:
    """An ``autograd.Function`` whose forward and backward call NumPy, one tensor a block."""

    def check(problem: Plain) -> str:
        import torch
        from torch.autograd.gradcheck import GradcheckError, gradcheck

        torch.set_num_threads(1)  # the arrays are NumPy's, and other processes want the rest

        def arrays(tensors: tuple[Any, ...]) -> dict[str, Any]:
            return {
                name: tensor.detach().numpy()
                for name, tensor in zip(problem.start, tensors, strict=True)
            }

        class Loss(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *tensors: Any) -> Any:
                ctx.save_for_backward(*tensors)
                return torch.tensor(problem.loss(arrays(tensors)), dtype=torch.float64)

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                gradients = problem.gradients(arrays(ctx.saved_tensors))
                return tuple(g * torch.from_numpy(gradients[name]) for name in problem.start)

        tensors = tuple(torch.tensor(v, requires_grad=True) for v in problem.start.values())
        try:
            gradcheck(Loss.apply, tensors, fast_mode=fast)
        except GradcheckError:
            return "fail"
        return "pass"

    return check


def jax_check(problem: Plain) -> str:
    """A ``custom_vjp`` of ``pure_callback``s in float64; reverse mode, first order."""
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)
    scalar = jax.ShapeDtypeStruct((), np.float64)
    shapes = {name: jax.ShapeDtypeStruct(v.shape, np.float64) for name, v in problem.start.items()}

    def arrays(parameters: dict[str, Any]) -> dict[str, Any]:
        return {name: np.asarray(value) for name, value in parameters.items()}

    @jax.custom_vjp
    def loss(parameters: dict[str, Any]) -> Any:
        return jax.pure_callback(
            lambda p: np.float64(problem.loss(arrays(p))), scalar, parameters
        )  # fmt: skip

    def forward(parameters: dict[str, Any]) -> tuple[Any, Any]:
        return loss(parameters), parameters

    def backward(parameters: dict[str, Any], g: Any) -> tuple[dict[str, Any]]:
        gradients = jax.pure_callback(
            lambda p: problem.gradients(arrays(p)), shapes, parameters
        )  # fmt: skip
        return ({name: g * gradient for name, gradient in gradients.items()},)

    loss.defvjp(forward, backward)
    parameters = {name: jax.numpy.asarray(value) for name, value in problem.start.items()}
    try:
        check_grads(loss, (parameters,), order=1, modes=("rev",))
    except AssertionError:
        return "fail"
    return "pass"


def verdict(agrees: Any) -> str:
    """Return ``"pass"`` or ``"fail"``; a comparison with NaN agrees with nothing."""
    return "pass" if agrees else "fail"


PEERS = (
    Peer("textbook ratio, 1e-5", textbook(1e-5), "ratio > 1e-5, all coordinates, ε = 1e-7"),
    Peer("textbook ratio, 1e-3", textbook(1e-3), "ratio > 1e-3, all coordinates, ε = 1e-7"),
    Peer(
        "CS231n grad_check_sparse",
        sparse,
        "an element's error > 1e-2; undecided above 1e-4 (10 of each array, h = 1e-5)",
    ),
    Peer("scipy check_grad, all", scipy_check("all"), "distance > 1e-5 ‖gradient‖", "scipy"),
    Peer("scipy check_grad, random", scipy_check("random"), "the same, one direction", "scipy"),
    Peer("autograd check_grads", autograd_check, "its own, 1e-6; one direction", "autograd"),
    Peer("numdifftools Gradient", numdifftools_check, "distance > 1e-5 ‖gradient‖", "numdifftools"),
    Peer("torch gradcheck", torch_check(fast=False), "its own, atol 1e-5, rtol 1e-3", "torch"),
    Peer("torch gradcheck, fast", torch_check(fast=True), "the same, one direction", "torch"),
    Peer("jax check_grads", jax_check, "its own, 1e-5; one direction", "jax"),
)
"""Every peer, in the order of the table."""
