"""Single-head self-attention: ``A = softmax(Q K' / sqrt(d))``, output ``A V Wo``.

The softmax couples all keys of a query: with ``dA`` the gradient of one row of ``A``, the scores'
gradient is ``A * (dA - sum(A * dA))``; the diagonal ``A * (1 - A) * dA`` alone is a common mistake.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradhook._types import Array
from tests.catalogue.layers.run import Block, Run

__all__ = ["Attention"]


@dataclass(frozen=True, slots=True)
class Attention:
    """Self-attention over time: (N, time, n) to (N, time, n).

    Args:
        name: The layer's name; its blocks are ``Wq``, ``Wk``, ``Wv`` and ``Wo``, all (n, n).
        n: Features.
    """

    name: str
    n: int

    def blocks(self) -> tuple[Block, ...]:
        """Return the four projections."""
        names = ("Wq", "Wk", "Wv", "Wo")
        return tuple(Block(name, (self.n, self.n), "weight", fan_in=self.n) for name in names)

    def forward(self, x: Array, run: Run) -> Array:
        """Return the attention's output."""
        p = run.parameters
        Q, K, V = x @ p["Wq"], x @ p["Wk"], x @ p["Wv"]
        scores = Q @ K.swapaxes(1, 2) / float(np.sqrt(self.n))
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        A = weights / weights.sum(axis=-1, keepdims=True)
        run.cache[self.name] = (x, Q, K, V, A)
        out: Array = A @ V @ p["Wo"]
        return out

    def backward(self, dout: Array, run: Run) -> Array:
        """Return dL/dx through queries, keys and values."""
        bug = run.bug_in(self.name)
        p = run.parameters
        x, Q, K, V, A = run.cache[self.name]
        dmixed = dout @ p["Wo"].T
        dA, dV = dmixed @ V.swapaxes(1, 2), A.swapaxes(1, 2) @ dmixed
        dscores = A * (dA - (A * dA).sum(axis=-1, keepdims=True))
        if bug == "attention_softmax_diag":
            dscores = A * (1 - A) * dA
        if bug != "attention_scale_missing":
            dscores = dscores / float(np.sqrt(self.n))
        dQ, dK = dscores @ K, dscores.swapaxes(1, 2) @ Q
        run.gradients.update(
            Wq=_over_rows(x, dQ),
            Wk=_over_rows(x, dK),
            Wv=_over_rows(x, dV),
            Wo=_over_rows(A @ V, dout),
        )
        dx: Array = dQ @ p["Wq"].T + dK @ p["Wk"].T + dV @ p["Wv"].T
        return dx


def _over_rows(x: Array, dz: Array) -> Array:
    """Return ``x.T @ dz`` with samples and time read as rows."""
    product: Array = x.reshape(-1, x.shape[-1]).T @ dz.reshape(-1, dz.shape[-1])
    return product
