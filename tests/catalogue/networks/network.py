"""A network: layers one after the other, a loss on their output, a penalty on their weights.

``Network.run`` is the whole of training code that a gradient checker sees: forward, loss, backward,
penalty.  It keeps nothing between calls; the generator of dropout masks and the memory of running
statistics are handed in.  ``loss_function`` binds both into a plain function such as a user would
write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from gradhook._types import Array, Blocks
from tests.catalogue.layers.losses import Head, Weighting, averaged
from tests.catalogue.layers.penalty import Penalty, add_penalty
from tests.catalogue.layers.run import (
    Block,
    Layer,
    Run,
    Uniform,
    backward_through,
    forward_through,
    walk,
)

__all__ = ["LossAndGradients", "Network", "Switches", "loss_function", "spoiled"]

LossAndGradients: TypeAlias = Callable[..., tuple[float, Blocks]]
"""``(parameters, *batch, **switches) -> (loss, gradients)``."""

Switches: TypeAlias = Literal["keep_prob, reg", "dropout, l2"]
"""Names of a function's keyword switches: probability of keeping, or dropping, a unit; penalty."""

CLIP = 0.02
"""Where ``clipped`` cuts every entry of a gradient."""


@dataclass(frozen=True, slots=True)
class Network:
    """Layers, loss and penalty.

    Args:
        layers: Applied one after the other.
        head: Loss of each row of the last layer's output.
        penalty: Form of the penalty.
        reg: Its coefficient, unless a call says otherwise.
        keep_prob: Probability that dropout keeps a unit, unless a call says otherwise; 1 without
            dropout.
        weighting: What the third array of the batch is; empty where the batch has two.
        switches: Names of the function's keyword switches.
        global_masks: Whether dropout draws from NumPy's global stream, as older notebooks do.
        bug: The operator planted, or an empty string.
        sites: The layers or blocks in which it is planted; ``None`` is everywhere.
    """

    layers: tuple[Layer, ...]
    head: Head
    penalty: Penalty = "l2"
    reg: float = 1e-4
    keep_prob: float = 1.0
    weighting: Weighting = ""
    switches: Switches = "keep_prob, reg"
    global_masks: bool = False
    bug: str = ""
    sites: frozenset[str] | None = None

    def blocks(self) -> tuple[Block, ...]:
        """Return every block, in the order of the forward pass."""
        return tuple(block for layer in self.layers for block in layer.blocks())

    def layer_names(self) -> list[str]:
        """Return the name of every layer, those inside residual branches too."""
        return [layer.name for layer in walk(self.layers)]

    def run(
        self,
        parameters: Blocks,
        batch: tuple[Any, ...],
        *,
        reg: float,
        keep_prob: float,
        rng: Uniform,
        memory: dict[str, Any],
    ) -> tuple[float, Blocks]:
        """Return the loss and the gradient of every block.

        Args:
            parameters: The arrays by block name; not written to.
            batch: Inputs and targets, and weights or a mask where ``weighting`` says so; samples
                along axis 0.
            reg: Coefficient of the penalty.
            keep_prob: Probability that dropout keeps a unit.
            rng: Source of dropout masks; a forward pass with dropout on draws from it.
            memory: What earlier calls left: running statistics, carried states.
        """
        x, y, *rest = batch
        run = Run(parameters, rng, memory, keep_prob, self.bug, self.sites)
        scores = forward_through(self.layers, x, run)
        loss, dscores = averaged(
            self.head, scores, y, rest[0] if rest else None, self.weighting, self.bug
        )
        backward_through(self.layers, dscores, run)
        loss += add_penalty(run, self.blocks(), self.penalty, reg, len(x))
        return loss, {block.name: _handed_over(block.name, run) for block in self.blocks()}


class GlobalStream:
    """NumPy's global stream, behind the one method that dropout uses."""

    def random(self, size: tuple[int, ...], /) -> Array:
        """Return numbers from [0, 1) and move the global stream on."""
        # Older code does, and a checker must cope.
        return np.random.random_sample(size)


def loss_function(network: Network, seed: int) -> LossAndGradients:
    """Return the network as a user would write it: one function, its switches keyword arguments.

    Args:
        network: The network.
        seed: Seed of the dropout masks.  The generator lives in the function, so each call draws a
            fresh mask.
    """
    rng: Uniform = GlobalStream() if network.global_masks else np.random.default_rng(seed)
    memory: dict[str, Any] = {}
    reg_, keep = network.reg, network.keep_prob

    # Written out, and without *batch: how many arrays a function takes is how a checker tells its
    # form, and what a function itself closes over is where it looks for generators and state.
    def kept(
        parameters: Blocks, x: Array, y: Array, *, keep_prob: float = keep, reg: float = reg_
    ) -> tuple[float, Blocks]:
        switches = {"reg": reg, "keep_prob": keep_prob}
        return network.run(parameters, (x, y), **switches, rng=rng, memory=memory)

    def kept_weighted(
        parameters: Blocks,
        x: Array,
        y: Array,
        w: Array,
        *,
        keep_prob: float = keep,
        reg: float = reg_,
    ) -> tuple[float, Blocks]:
        switches = {"reg": reg, "keep_prob": keep_prob}
        return network.run(parameters, (x, y, w), **switches, rng=rng, memory=memory)

    def dropped(
        parameters: Blocks, x: Array, y: Array, *, dropout: float = 1 - keep, l2: float = reg_
    ) -> tuple[float, Blocks]:
        switches = {"reg": l2, "keep_prob": 1 - dropout}
        return network.run(parameters, (x, y), **switches, rng=rng, memory=memory)

    def dropped_weighted(
        parameters: Blocks,
        x: Array,
        y: Array,
        w: Array,
        *,
        dropout: float = 1 - keep,
        l2: float = reg_,
    ) -> tuple[float, Blocks]:
        switches = {"reg": l2, "keep_prob": 1 - dropout}
        return network.run(parameters, (x, y, w), **switches, rng=rng, memory=memory)

    if network.switches == "keep_prob, reg":
        return kept_weighted if network.weighting else kept
    return dropped_weighted if network.weighting else dropped


def spoiled(gradient: Array, bug: str) -> Array:
    """Return a block's gradient as a training loop with the bug would get it."""
    if bug == "factor_two":
        return gradient * 2
    if bug == "sign_one":
        return -gradient
    if bug == "disconnected":
        return np.zeros_like(gradient)
    if bug == "integer_buffer":
        buffer = np.zeros(gradient.shape, dtype=int)
        buffer[...] = gradient  # truncates, without a word
        return buffer
    if bug == "clipped":
        return np.clip(gradient, -CLIP, CLIP)
    return gradient


def _handed_over(name: str, run: Run) -> Array:
    bug = run.bug_in(name)
    gradient = run.gradients[name]
    if bug == "accumulated":
        total: Array = run.memory.get(f"gradient of {name}", 0) + gradient
        run.memory[f"gradient of {name}"] = total.copy()
        return total
    return spoiled(gradient, bug)
