"""An embedding and a tanh recurrent layer, differentiated by backpropagation through time.

One row of the embedding, and one set of recurrent weights, is used many times in a pass, so every
gradient here is a sum over uses: repeated indices of the embedding, time steps of the recurrence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradhook._types import Array
from tests.catalogue.layers.run import Block, Run

__all__ = ["Embedding", "Recurrent"]


@dataclass(frozen=True, slots=True)
class Embedding:
    """Rows of a table by index: (N, time) integers to (N, time, n).

    Args:
        name: The layer's name; its block is ``E``.
        vocabulary: Rows of the table.
        n: Columns of the table.
    """

    name: str
    vocabulary: int
    n: int

    def blocks(self) -> tuple[Block, ...]:
        """Return ``E`` (vocabulary, n)."""
        return (Block("E", (self.vocabulary, self.n), "weight", fan_in=self.n),)

    def forward(self, x: Array, run: Run) -> Array:
        """Return ``E[x]``."""
        run.cache[self.name] = x
        rows: Array = run.parameters["E"][x]
        return rows

    def backward(self, dout: Array, run: Run) -> Array:
        """Return ``dout``: indices have no gradient, and nothing lies below."""
        index: Array = run.cache[self.name]
        dE = np.zeros_like(run.parameters["E"])
        if run.bug_in(self.name) == "emb_fancy_iadd":
            dE[index] += dout  # a repeated index is written, not added to: the last one stays
        else:
            np.add.at(dE, index, dout)
        run.gradients["E"] = dE
        return dout


@dataclass(frozen=True, slots=True)
class Recurrent:
    """``h[t] = tanh(x[t] @ Wx + h[t-1] @ Wh + b)``: (N, time, n_in) to (N, time, n).

    Args:
        name: The layer's name; its blocks are ``Wx``, ``Wh`` and ``bh``.
        n_in: Features of the input.
        n: Units.
        carried: Whether the last state of a call is the first of the next (it is a constant there,
            no gradient).
    """

    name: str
    n_in: int
    n: int
    carried: bool = False

    def blocks(self) -> tuple[Block, ...]:
        """Return ``Wx`` (n_in, n), ``Wh`` (n, n) and ``bh`` (n,)."""
        return (
            Block("Wx", (self.n_in, self.n), "weight", fan_in=self.n_in),
            Block("Wh", (self.n, self.n), "weight", fan_in=self.n),
            Block("bh", (self.n,), "bias"),
        )

    def forward(self, x: Array, run: Run) -> Array:
        """Return the state after every step."""
        Wx, Wh, b = (run.parameters[name] for name in ("Wx", "Wh", "bh"))
        h: Array = np.zeros((len(x), self.n), Wh.dtype)
        carried = run.memory.get(self.name)
        if self.carried and carried is not None and carried.shape == h.shape:
            h = carried
        states = [h]
        for t in range(x.shape[1]):
            h = np.tanh(x[:, t] @ Wx + h @ Wh + b)
            states.append(h)
        if self.carried:
            run.memory[self.name] = h.copy()
        run.cache[self.name] = (x, states)
        return np.stack(states[1:], axis=1)

    def backward(self, dout: Array, run: Run) -> Array:
        """Return dL/dx, from the last step to the first."""
        bug = run.bug_in(self.name)
        x, states = run.cache[self.name]
        Wx, Wh = run.parameters["Wx"], run.parameters["Wh"]
        dWx, dWh = np.zeros_like(Wx), np.zeros_like(Wh)
        db = np.zeros_like(run.parameters["bh"])
        dx: Array = np.zeros_like(x)
        dh_next = np.zeros_like(states[0])
        n_steps = x.shape[1]
        for t in reversed(range(n_steps)):
            if bug == "bptt_truncated" and t < n_steps // 2:
                break
            dh = dout[:, t]  # the state is read by the layer above ...
            if bug != "bptt_no_dhnext":
                dh = dh + dh_next  # ... and by the next step
            dz = dh * (1 - states[t + 1] ** 2)
            h_before = states[t + 1] if bug == "rnn_wrong_h" else states[t]
            if bug == "rnn_overwrite_t":
                dWx, dWh, db = x[:, t].T @ dz, h_before.T @ dz, dz.sum(axis=0)
            else:
                dWx += x[:, t].T @ dz
                dWh += h_before.T @ dz
                db += dz.sum(axis=0)
            dx[:, t] = dz @ Wx.T
            dh_next = dz @ Wh.T
        run.gradients.update(Wx=dWx, Wh=dWh, bh=db)
        return dx
