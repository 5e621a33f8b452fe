"""One forward and backward pass: what the layers share while it lasts.

A layer is a small frozen object with ``blocks``, ``forward`` and ``backward``.  What it must
remember between the two goes into the ``Run``, so that layers hold no state and one network can be
run at any parameters, on any batch.

Bugs are planted in ``backward``, at the line that they concern::

    bug = run.bug_in(self.name)
    ...
    if bug == "bias_mean":
        return dout.mean(0)
    return dout.sum(0)

``bug`` is the empty string in right code, so the unmarked path is the right one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from gradhook._types import Array, Blocks

__all__ = [
    "Block",
    "Layer",
    "Role",
    "Run",
    "Uniform",
    "backward_through",
    "forward_through",
    "walk",
]

Role: TypeAlias = Literal["weight", "bias", "gain", "shift"]
"""What a block is for: it decides where it starts, and weights alone carry the penalty."""


@dataclass(frozen=True, slots=True)
class Block:
    """One array of parameters.

    Args:
        name: Its name among the parameters, such as ``"W1"``.
        shape: Its shape.
        role: ``"weight"``, ``"bias"``, or the ``"gain"`` (γ) and ``"shift"`` (β) of a normalisation
            layer.
        fan_in: Number of inputs that each output sums over; weights start from N(0, 1/fan_in).
    """

    name: str
    shape: tuple[int, ...]
    role: Role
    fan_in: int = 1


class Uniform(Protocol):
    """A source of uniform numbers, such as a ``numpy.random.Generator``."""

    def random(self, size: tuple[int, ...], /) -> Array:
        """Return numbers from [0, 1)."""


@dataclass(slots=True)
class Run:
    """What one forward and backward pass reads, caches and produces.

    Args:
        parameters: The arrays by block name.
        rng: Source of dropout masks.
        memory: What outlives the pass: running statistics, carried states, stale caches.
        keep_prob: Probability that dropout keeps a unit; 1 is dropout off.
        bug: The operator planted, or an empty string.
        sites: The layers or blocks in which it is planted; ``None`` is everywhere.
    """

    parameters: Blocks
    rng: Uniform
    memory: dict[str, Any]
    keep_prob: float = 1.0
    bug: str = ""
    sites: frozenset[str] | None = None
    cache: dict[str, Any] = field(default_factory=dict)
    upstream: dict[str, Array] = field(default_factory=dict)
    gradients: Blocks = field(default_factory=dict)

    def bug_in(self, site: str) -> str:
        """Return the bug planted in a layer or block, or an empty string."""
        return self.bug if self.sites is None or site in self.sites else ""

    def one_call_late(self, key: str, value: Array) -> Array:
        """Return what the call before kept under ``key``, and keep ``value`` for the next."""
        late: Array = self.memory.get(key, value)
        self.memory[key] = value
        # A batch of another size would raise and be noticed, so it is not part of the bug.
        return late if late.shape == value.shape else value


class Layer(Protocol):
    """A function of one array, with its derivative."""

    @property
    def name(self) -> str:
        """The layer's name, unique in the network."""

    def blocks(self) -> tuple[Block, ...]:
        """Return the layer's parameters in the order in which the forward pass uses them."""

    def forward(self, x: Array, run: Run) -> Array:
        """Return the output for ``x``, and leave in ``run.cache`` what ``backward`` needs."""

    def backward(self, dout: Array, run: Run) -> Array:
        """Put the gradients of the layer's blocks into ``run.gradients`` and return dL/dx.

        Args:
            dout: dL/d(output), the output's shape.
            run: The pass whose ``forward`` came before.
        """


def forward_through(layers: Iterable[Layer], x: Array, run: Run) -> Array:
    """Return the output of the last of the layers, applied one after the other."""
    for layer in layers:
        x = layer.forward(x, run)
    return x


def backward_through(layers: tuple[Layer, ...], dout: Array, run: Run) -> Array:
    """Return dL/dx of layers applied one after the other, from the last to the first."""
    for layer in reversed(layers):
        run.upstream[layer.name] = dout
        dout = layer.backward(dout, run)
    return dout


def walk(layers: Iterable[Layer]) -> Iterator[Layer]:
    """Yield every layer, and those inside a residual branch after the branch itself."""
    for layer in layers:
        yield layer
        yield from walk(getattr(layer, "body", ()))
