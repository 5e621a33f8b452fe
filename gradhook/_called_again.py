"""What calling the functions again gave, as findings and as causes.

A gradient that depends on what was called before is wrong whatever its value, and what the calls
wrote, added or kept tells why: these are the causes that need no numerical derivative.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradhook._types import Verdict
from gradhook.probe.sanity import Facts
from gradhook.report import Cause, Finding

__all__ = ["causes_of_calls", "findings_of_calls"]


def findings_of_calls(facts: Facts) -> dict[str, list[Finding]]:
    """What is to be said of each block whose gradient changed from call to call."""
    findings: dict[str, list[Finding]] = {}
    for ratios, note in (
        (facts.accumulated, "called again at the same point it returns twice the gradient"),
        (
            facts.stale,
            "called again at the same point, after another batch, it returns another gradient",
        ),
    ):
        for name, ratio in ratios.items():
            finding = Finding("called twice", Verdict.FAIL, ratio=ratio, ratio_error=0.0, note=note)
            findings.setdefault(name, []).append(finding)
    return findings


def causes_of_calls(facts: Facts) -> Iterator[Cause]:
    """Why a gradient changed from call to call, and what the calls wrote to."""
    if names := facts.writes_parameters:
        yield Cause(
            "C", "writes_parameters", names,
            f"the functions write to {', '.join(names)}: a loss or gradient must leave its "
            "parameters alone",
            evidence="their bytes differ after one call",
            refuted_by="equal bytes before and after a call",
        )  # fmt: skip
    if facts.writes_batch:
        yield Cause(
            "C", "writes_batch", (),
            "the functions write to the batch, so that every later call sees other data",
            evidence="the bytes of the batch differ after one call",
            refuted_by="equal bytes before and after a call",
        )  # fmt: skip
    if names := tuple(facts.accumulated):
        yield Cause(
            "A", "accumulated", names,
            f"the gradient of {', '.join(names)} is added to what the last call left: set the "
            "buffer to zero first",
            evidence="a second call at the same point returns twice the gradient",
            refuted_by="equal gradients from two calls at one point",
        )  # fmt: skip
    if names := tuple(facts.stale):
        yield Cause(
            "C", "stale_cache", names,
            f"the gradient of {', '.join(names)} depends on what was called before: a value "
            "cached by an earlier call is used",
            evidence="the gradient changes after another call, the loss does not",
            refuted_by="equal gradients whatever was called in between",
        )  # fmt: skip
