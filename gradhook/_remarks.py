"""What a reader must know before the verdict, one sentence each: how the check had to be made."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from gradhook._evaluate import Evaluator
from gradhook._outcome import Outcome
from gradhook._subset import Rows, passed_whole
from gradhook._types import Batch

__all__ = ["remarks"]


def remarks(
    outcome: Outcome, evaluator: Evaluator, rows: Rows, whole: Batch, keywords: Iterable[str]
) -> list[str]:
    """Return the remarks on one check.

    Args:
        outcome: What the session found.
        evaluator: What made the calls.
        rows: The rows drawn.
        whole: The batch that they were drawn from.
        keywords: Names of the functions' keywords that no switch turns.
    """
    return [
        *_on_repeating(outcome, evaluator, keywords),
        *evaluator.workspace.tree.notes,
        *([evaluator.name_rule] if evaluator.name_rule else []),
        *([unchanged] if (unchanged := passed_whole(rows, whole)) else []),
        *_on_exceptions(evaluator),
        *evaluator.guard.notes,
    ]


def _on_repeating(outcome: Outcome, evaluator: Evaluator, keywords: Iterable[str]) -> list[str]:
    """Whether the loss was the same number each time."""
    facts, notes = outcome.facts, []
    off = [switch.name for switch, _ in evaluator.switches if switch.role == "dropout"]
    if facts.random and facts.replayable and facts.generator_moved and off:
        turned = f"{', '.join(map(repr, off))} {'was' if len(off) == 1 else 'were'} turned off"
        notes.append(
            f"the loss is random although {turned}: something else draws from a generator, or the "
            "switch does nothing; checked with what is drawn frozen"
        )
    elif facts.random and facts.replayable and facts.generator_moved:
        notes.append(
            "the loss is random (dropout on?): checked with its mask frozen; to check without, "
            f"pass dropout={_dropout_hint(keywords)}"
        )
    elif facts.random and facts.replayable:
        notes.append(
            "the loss changes from call to call with state that it keeps: checked with that state "
            "put back each time"
        )
    if facts.disagreement:
        notes.append(
            "the loss alone and the loss returned with the gradients differ by "
            f"{facts.disagreement:.1e}: are both in the same mode (training or evaluation)?"
        )
    return notes


def _on_exceptions(evaluator: Evaluator) -> list[str]:
    """Whether the objective raised something that the check went on without."""
    error = evaluator.user_error
    if error is None:
        return []
    what = textwrap.shorten(f"{type(error).__name__}: {error}", 100, placeholder=" …")
    return [
        f"away from where you stand the objective raised {what}; taken for the end of its domain"
    ]


def _dropout_hint(keywords: Iterable[str]) -> str:
    """The keyword that looks like dropout's, to be named in the remedy."""
    for name in keywords:
        if "drop" in name.lower() or name.lower().startswith("keep"):
            return repr(name)
    return "the name of the switch that turns it off"
