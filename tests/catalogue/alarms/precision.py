"""Arithmetic: low precision, losses with a large constant, extreme scales, strong curvature.

The gradient is right to the precision of the arithmetic; a difference at a fixed step of 1e-5 or
1e-7 drowns in round-off, or is all truncation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from gradhook._types import Array, Blocks
from tests.catalogue.alarms.alarm import Alarm, Draw, formula_problem, needed, plain
from tests.catalogue.networks.mlp import mlp
from tests.catalogue.networks.network import LossAndGradients, Network
from tests.catalogue.networks.planting import planted
from tests.catalogue.networks.starts import generic
from tests.catalogue.networks.structured import convolutional, recurrent
from tests.catalogue.record import Problem
from tests.catalogue.table import Operator

__all__ = ["ALARMS", "Model"]


class Model:
    """A network as course notebooks write it: ``.params``, ``.reg`` and ``.loss(x, y)``.

    Args:
        params: The live arrays; ``loss`` reads them.
        function: ``(parameters, x, y, *, reg) -> (loss, gradients)``.
        reg: Coefficient of the penalty.
    """

    def __init__(self, params: Blocks, function: LossAndGradients, reg: float) -> None:
        self.params = params
        self.reg = reg
        self._function = function

    def loss(self, x: Array, y: Array) -> tuple[float, Blocks]:
        """Return the loss and the gradients at ``params``."""
        return self._function(self.params, x, y, reg=self.reg)


def in_place_float32(build: Callable[..., tuple[Network, tuple[Any, ...]]], *needs: str) -> Draw:
    """Return the draw of a network whose arrays are float32 and are changed in place."""

    def draw(rng: np.random.Generator, operator: Operator | None) -> Problem:
        network, batch = build(rng, needed(operator, *needs))
        network = replace(network, keep_prob=1.0, switches="keep_prob, reg", reg=0.01)
        parameters = _cast(generic(network.blocks(), rng), np.float32)
        problem = planted(network, _cast_batch(batch, np.float32), parameters, operator, rng)
        return replace(
            problem, in_place=lambda params, function: Model(params, function, network.reg)
        )

    return draw


def cast_inside(dtype: DTypeLike) -> Draw:
    """Return the draw of a function that works in a lower precision whatever it is given."""

    def draw(rng: np.random.Generator, operator: Operator | None) -> Problem:
        problem = _at_generic_point(rng, operator)

        def build(bug: str) -> LossAndGradients:
            inner = problem.build(bug)

            def loss_and_gradients(
                parameters: Blocks, x: Array, y: Array, *, reg: float = 0.01
            ) -> tuple[float, Blocks]:
                low = _cast_batch((x, y), dtype)
                loss, gradients = inner(_cast(parameters, dtype), *low, reg=reg)
                return loss, gradients

            return loss_and_gradients

        return replace(problem, build=build)

    return draw


def rescaled_loss(scale: float, constant: float) -> Draw:
    """Return the draw of the loss ``scale * f + constant``."""

    def draw(rng: np.random.Generator, operator: Operator | None) -> Problem:
        problem = _at_generic_point(rng, operator)

        def build(bug: str) -> LossAndGradients:
            inner = problem.build(bug)

            def loss_and_gradients(
                parameters: Blocks, x: Array, y: Array, *, reg: float = 0.01
            ) -> tuple[float, Blocks]:
                loss, gradients = inner(parameters, x, y, reg=reg)
                return scale * loss + constant, {k: scale * g for k, g in gradients.items()}

            return loss_and_gradients

        return replace(problem, build=build)

    return draw


def badly_scaled(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """Neighbouring blocks in units that differ by 1e10: 1e-5 beside 1e5."""
    problem = _at_generic_point(rng, operator)
    units = {name: 10.0 ** (5 if i % 2 else -5) for i, name in enumerate(problem.parameters)}

    def build(bug: str) -> LossAndGradients:
        inner = problem.build(bug)

        def loss_and_gradients(
            parameters: Blocks, x: Array, y: Array, *, reg: float = 0.01
        ) -> tuple[float, Blocks]:
            natural = {name: value / units[name] for name, value in parameters.items()}
            loss, gradients = inner(natural, x, y, reg=reg)
            return loss, {name: gradient / units[name] for name, gradient in gradients.items()}

        return loss_and_gradients

    def in_units(parameters: Blocks) -> Blocks:
        return {name: value * units[name] for name, value in parameters.items()}

    return replace(
        problem,
        parameters=in_units(problem.parameters),
        displaced=lambda rng: in_units(problem.displaced(rng)),
        build=build,
    )


def oscillating(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """``mean(sin(1000 x w))``: a step of 1e-5 is off by 2e-5, one of 1e-3 by everything."""
    return _wave(rng, lambda z: np.sin(1000 * z), lambda z: 1000 * np.cos(1000 * z))


def steep(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """``mean(exp(30 x w))``: a few samples carry the loss, and it bends a hundred times faster."""
    return _wave(rng, lambda z: np.exp(30 * z), lambda z: 30 * np.exp(30 * z))


def _at_generic_point(rng: np.random.Generator, operator: Operator | None) -> Problem:
    network, batch = plain(rng, needed(operator))
    network = replace(network, reg=0.01)
    return planted(network, batch, generic(network.blocks(), rng), operator, rng)


def _wave(
    rng: np.random.Generator, f: Callable[[Array], Array], slope: Callable[[Array], Array]
) -> Problem:
    """Return ``mean(f(x @ w + b - y))`` as a problem."""
    x, y = rng.standard_normal((9, 4)), 0.1 * rng.standard_normal(9)
    parameters = {"w": 0.3 * rng.standard_normal(4), "b": 0.3 * rng.standard_normal(1)}

    def formula(parameters: Blocks, x: Array, y: Array, bug: str) -> tuple[float, Blocks]:
        z = x @ parameters["w"] + parameters["b"] - y
        dz = slope(z) / (1 if bug == "no_1_over_N" else len(x))
        db = dz.mean(keepdims=True) if bug == "bias_mean" else dz.sum(keepdims=True)
        return float(f(z).mean()), {"w": x.T @ dz, "b": db}

    return formula_problem(formula, parameters, x, y, rng)


def _cast(parameters: Blocks, dtype: DTypeLike) -> Blocks:
    return {name: value.astype(dtype) for name, value in parameters.items()}


def _cast_batch(batch: tuple[Array, ...], dtype: DTypeLike) -> tuple[Array, ...]:
    return tuple(rows.astype(dtype) if rows.dtype.kind == "f" else rows for rows in batch)


_LOW = "the arithmetic has fewer digits than the check assumes"
_SIZE = "the loss, or what it is differentiated by, is very large or very small"
_CURVED = "the loss bends within the usual step"
_DENSE = ("bias_mean", "reg_missing", "act_deriv_missing", "factor_two", "wrong_cached_input")
_TIMES = ("bptt_no_dhnext", "emb_fancy_iadd", "bias_mean", "rnn_wrong_h")
_IMAGES = ("pool_as_mean", "conv_no_flip", "no_1_over_N", "conv_channel_swap")
_ONE = ("no_1_over_N", "sign_one", "bias_mean", "factor_two")

ALARMS = (
    Alarm("float32-mlp", "float32", _LOW, in_place_float32(mlp, ""), _DENSE),
    Alarm("float32-rnn", "float32", _LOW, in_place_float32(recurrent), _TIMES),
    Alarm("float32-cnn", "float32", _LOW, in_place_float32(convolutional), _IMAGES),
    Alarm("float32-inside", "float32", _LOW, cast_inside(np.float32), _DENSE),
    Alarm("float16-inside", "float16", _LOW, cast_inside(np.float16), _DENSE),
    Alarm("constant-1e6", "constant", _SIZE, rescaled_loss(1.0, 1e6), _DENSE),
    Alarm("constant-1e9", "constant", _SIZE, rescaled_loss(1.0, 1e9), _DENSE),
    Alarm("tiny-loss", "scale", _SIZE, rescaled_loss(1e-12, 0.0), _DENSE),
    Alarm("huge-loss", "scale", _SIZE, rescaled_loss(1e9, 0.0), _DENSE),
    Alarm("badly-scaled", "scale", _SIZE, badly_scaled, _DENSE),
    Alarm("oscillating", "step_size", _CURVED, oscillating, _ONE),
    Alarm("steep", "step_size", _CURVED, steep, _ONE),
)
"""Low precision, extreme scales, strong curvature."""
