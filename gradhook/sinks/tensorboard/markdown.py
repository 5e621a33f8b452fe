"""A report for TensorBoard's text page: its cause in one sentence, then the report as it is.

The report stands in a fenced block, where Markdown knows nothing but the fence's end.  The sentence
above it quotes names and code of the user's: its inline marks are replaced by HTML entities, and it
begins with a mark of ours, so that it is no heading, list or block.  It is shown as it is written
and can neither format nor break the page.
"""

from __future__ import annotations

import re

from gradhook._types import MISMATCH
from gradhook.report import Report
from gradhook.report.format import fenced
from gradhook.sinks.tensorboard.tags import printable

__all__ = ["escape", "markdown"]

LONGEST_SENTENCE = 2000
"""Characters of the sentence that are shown."""

# In order: entities, tags, escapes, code, emphasis (an underscore after a letter or digit opens
# none, and what is not opened is not closed), the bracket between two parts of a link.
_ACTIVE = re.compile(r"[&<>|\\`*]|(?<![^\W_])_|\](?=[(\[:])")


def escape(text: str) -> str:
    """Return text on one line that Markdown shows as it is.

    Example:
        >>> print(escape("W1[3, 5] of <b> & a_b *is* wrong"))
        W1[3, 5] of &#60;b&#62; &#38; a_b &#42;is&#42; wrong
    """
    shown = printable(text)
    if len(shown) > LONGEST_SENTENCE:
        shown = shown[: LONGEST_SENTENCE - 1] + "…"
    return _ACTIVE.sub(lambda match: f"&#{ord(match[0])};", shown)


def markdown(report: Report) -> str:
    """Return the report as a page, what the reader must know first at the top."""
    said = [f"**{escape(sentence)}**" for sentence in _first(report)]
    return "\n\n".join([*said, fenced(str(report), "~") + "\n"])


def _first(report: Report) -> list[str]:
    """Return what is wrong in a sentence: the cause, else the place, else why a block is wrong."""
    if report.causes:
        return [report.causes[0].sentence]
    if printable(report.boundary):
        return [report.boundary]
    wrong = [block for block in report.blocks.values() if block.verdict in MISMATCH]
    return [f"{block.name}: {block.sentence}" for block in wrong if printable(block.sentence)][:1]
