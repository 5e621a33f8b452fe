"""Convolution, as networks mean it, and overlapping max-pooling: (N, channels, height, width).

Output pixel (i, j) sees the input patch that starts at ``(stride * i, stride * j)``.  The backward
pass walks over the kernel instead of over the output: kernel entry (u, v) touches the input pixels
``u, u + stride, u + 2 * stride, ...``.  Patches overlap, so the gradient of the input is a sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gradhook._types import Array
from tests.catalogue.layers.run import Block, Run

__all__ = ["Convolution", "MaxPool"]


@dataclass(frozen=True, slots=True)
class Convolution:
    """Square kernel, one bias for each output channel.

    Args:
        name: The layer's name; its blocks are ``"K" + suffix`` and ``"c" + suffix``.
        suffix: End of the block names.
        n_in: Input channels.
        n_out: Output channels.
        size: Height and width of the kernel.
        stride: Pixels between neighbouring patches.
        pad: Rows and columns of zeros around the input.
    """

    name: str
    suffix: str
    n_in: int
    n_out: int
    size: int = 3
    stride: int = 1
    pad: int = 1

    def blocks(self) -> tuple[Block, ...]:
        """Return ``K`` (n_out, n_in, size, size) and ``c`` (n_out,)."""
        shape = (self.n_out, self.n_in, self.size, self.size)
        return (
            Block("K" + self.suffix, shape, "weight", fan_in=self.n_in * self.size**2),
            Block("c" + self.suffix, (self.n_out,), "bias"),
        )

    def forward(self, x: Array, run: Run) -> Array:
        """Return every patch's product with the kernel, plus the bias."""
        border = ((0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad))
        padded = np.pad(x, border)
        patches = _patches(padded, self.size, self.stride)
        run.cache[self.name] = (x.shape, padded.shape, patches)
        K, c = run.parameters["K" + self.suffix], run.parameters["c" + self.suffix]
        out = np.tensordot(patches, K, axes=((1, 4, 5), (1, 2, 3))) + c
        return np.moveaxis(out, -1, 1)

    def backward(self, dout: Array, run: Run) -> Array:
        """Return dL/dx with the padding cut off."""
        bug = run.bug_in(self.name)
        K: Array = run.parameters["K" + self.suffix]
        shape, padded_shape, patches = run.cache[self.name]
        dK = np.tensordot(dout, patches, axes=((0, 2, 3), (0, 2, 3)))
        if bug == "conv_channel_swap" and self.n_in == self.n_out:
            dK = dK.transpose(1, 0, 2, 3)
        dc = dout.sum(axis=(0, 2, 3))
        if bug == "conv_bias_nospatial":
            dc = dout[:, :, 0, 0].sum(axis=0)
        run.gradients["K" + self.suffix] = dK
        run.gradients["c" + self.suffix] = dc

        dx = np.zeros(padded_shape, dout.dtype)
        stride = 1 if bug == "conv_stride_missing" else self.stride
        for u, v, touched in _offsets(dx, dout.shape[2:], self.size, stride):
            kernel = K[:, :, ::-1, ::-1] if bug == "conv_no_flip" else K
            touched += np.einsum("nfij,fc->ncij", dout, kernel[:, :, u, v])
        first = 0 if bug == "conv_pad_offset" else self.pad
        return dx[:, :, first : first + shape[2], first : first + shape[3]]


@dataclass(frozen=True, slots=True)
class MaxPool:
    """The largest pixel of each square window; windows overlap where ``stride < size``.

    Args:
        name: The layer's name.
        size: Height and width of the window.
        stride: Pixels between neighbouring windows.
    """

    name: str
    size: int = 2
    stride: int = 1

    def blocks(self) -> tuple[Block, ...]:
        """Return nothing."""
        return ()

    def forward(self, x: Array, run: Run) -> Array:
        """Return the maxima."""
        patches = _patches(x, self.size, self.stride)
        windows = patches.reshape(*patches.shape[:4], -1)
        run.cache[self.name] = (x.shape, windows)
        best: Array = windows.max(axis=-1)
        return best

    def backward(self, dout: Array, run: Run) -> Array:
        """Return each window's gradient added to its winner, the first of those that tie."""
        bug = run.bug_in(self.name)
        shape, windows = run.cache[self.name]
        winner = windows.argmax(axis=-1)
        dx = np.zeros(shape, dout.dtype)
        for u, v, touched in _offsets(dx, dout.shape[2:], self.size, self.stride):
            entry = u * self.size + v
            won = winner == entry
            share = dout
            if bug == "pool_all_ties":
                won = windows[..., entry] == windows.max(axis=-1)
            if bug == "pool_first_wins":
                won = np.full_like(won, entry == 0)
            if bug == "pool_as_mean":
                won, share = np.ones_like(won), dout / self.size**2
            if bug == "pool_overlap_overwrite":
                touched[won] = share[won]  # a pixel that wins two windows keeps one
            else:
                touched += share * won
        return dx


def _patches(x: Array, size: int, stride: int) -> Array:
    """Return the patches, (N, channels, rows out, columns out, size, size), as a view."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))
    return windows[:, :, ::stride, ::stride]


def _offsets(
    x: Array, out_shape: tuple[int, ...], size: int, stride: int
) -> Iterator[tuple[int, int, Array]]:
    """Yield each kernel entry with a view of the pixels that it touches, one an output pixel."""
    rows, columns = out_shape
    for u in range(size):
        for v in range(size):
            last_row, last_column = u + stride * rows, v + stride * columns
            yield u, v, x[:, :, u:last_row:stride, v:last_column:stride]
