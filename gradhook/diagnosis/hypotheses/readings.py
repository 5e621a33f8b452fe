"""Which readings of a factor fit the blocks that share it, and which kind of cause they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradhook.diagnosis.constants import READINGS, Meaning, Sizes, meanings, nice
from gradhook.diagnosis.wrong_block import is_vector

__all__ = ["ATTENTION", "Reader"]

FAMILY = {
    "sign_one": "G",
    "ce_sign": "G",
    "bias_mean": "B",
    "dropout_scale_missing": "W",
}
"""Families of what a factor may mean; all others are S."""

ATTENTION = "attention_scale_missing"


@dataclass(frozen=True, slots=True)
class Reader:
    """The blocks that share a factor.

    Args:
        names: The blocks.
        everything: Whether no other block was judged right.
        shapes: The blocks' shapes.
    """

    names: Sequence[str]
    everything: bool
    shapes: Sequence[tuple[int, ...]]

    def readings(self, factor: float, error: float, seen: Sizes) -> list[Meaning]:
        """The meanings of ``a = factor · n`` for these blocks, likeliest first."""
        biases = all(map(is_vector, self.shapes)) and not self.everything
        inverse = 1 / factor if factor else 0.0
        whole = round(inverse) if abs(inverse) < 1e9 else 0
        # Averaged over rows, or over rows and positions: one over a whole number.
        if biases and whole >= 2 and abs(inverse - whole) <= max(1e-6, 3 * error / factor**2):
            words = "averaged over the batch instead of summed"
            return [Meaning("bias_mean", f"1/{whole}", words, alone=True, counts="mean")]
        if biases and seen.rows > 1 and abs(factor - seen.rows) <= max(1e-6 * factor, 3 * error):
            words = f"a sum over the {seen.rows} rows, where the loss is a mean over them"
            rows = next(row for row in READINGS if row.kind == "no_1_over_N")
            return [Meaning("no_1_over_N", f"{seen.rows}", words, True, "rows", rows)]
        # A factor of the loss reaches every block; queries and keys are two and not all there is.
        pair = len(self.names) > 1 and not self.everything
        fitting = [m for m in meanings(factor, error, seen) if m.alone or self.everything]
        fitting = [m for m in fitting if pair or m.kind != ATTENTION]
        return sorted(fitting, key=lambda meaning: meaning.kind != ATTENTION)

    def kind(self, readings: Sequence[Meaning]) -> tuple[str, str]:
        """Family and kind."""
        kind = readings[0].kind if readings else "scale"
        if kind == "sign_one" and self.everything and len(self.names) > 1:
            kind = "ce_sign"
        return FAMILY.get(kind, "S"), kind

    def words(self, readings: Sequence[Meaning], factor: float, error: float) -> tuple[str, str]:
        """The constant as a user would write it, and what it means."""
        shown = readings[0].shown if readings else nice(factor, error)
        if self.kind(readings)[1] == "ce_sign":
            return shown, "the sign is wrong everywhere (or the loss is a score to be maximised)"
        words = " or ".join(dict.fromkeys(meaning.words for meaning in readings))
        return shown, words or "a constant factor"
