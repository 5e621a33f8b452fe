"""Reports made by hand, and drawn by Hypothesis with anything in them."""

import dataclasses
import typing

from hypothesis import strategies as st

from gradhook import Report, Tolerance, Verdict
from gradhook.report import (
    CAUSE_FAMILIES,
    CAUSE_KINDS,
    BlockReport,
    Branch,
    Cause,
    Element,
    Finding,
)

__all__ = ["REPORTS", "block", "report_of"]


def block(name: str, verdict: Verdict = Verdict.PASS, ratio: float = 3e-9, **more) -> BlockReport:
    return BlockReport(name, (20, 10), "float64", verdict, ratio, **more)


def report_of(*blocks: BlockReport, verdict: Verdict = Verdict.PASS, **more) -> Report:
    passed = verdict not in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.WARN)
    return Report(verdict, more.pop("passed", passed), {b.name: b for b in blocks}, **more)


# Lone surrogates included, and names that are far too long.
TEXT = st.text(st.characters(exclude_categories=()), max_size=20) | st.tuples(
    st.sampled_from(["x", "ab ", "漢", "\x1b[31m", "\n", "<b>"]), st.integers(1, 400)
).map(lambda pair: pair[0] * pair[1])


def arbitrary(cls: type, **given_fields: st.SearchStrategy) -> st.SearchStrategy:
    """Records whose fields hold anything of their type."""
    of_text = {str: TEXT, str | None: st.none() | TEXT, tuple[str, ...]: st.lists(TEXT, max_size=3)}
    hints = typing.get_type_hints(cls)
    names = [f.name for f in dataclasses.fields(cls) if f.compare and f.name not in given_fields]
    fields = {name: of_text.get(hints[name], st.from_type(hints[name])) for name in names}
    return st.builds(cls, **fields, **given_fields)


BLOCKS = arbitrary(
    BlockReport,
    worst=st.none() | arbitrary(Element),
    findings=st.lists(arbitrary(Finding), max_size=2),
    branches=st.lists(arbitrary(Branch), max_size=5),
)
CAUSES = arbitrary(
    Cause,
    family=st.sampled_from(sorted(CAUSE_FAMILIES)),
    kind=st.sampled_from(CAUSE_KINDS),
)
REPORTS = arbitrary(
    Report,
    blocks=st.lists(BLOCKS, max_size=4).map(lambda blocks: {b.name: b for b in blocks}),
    causes=st.lists(CAUSES, max_size=2),
    tolerance=st.sampled_from([Tolerance(), Tolerance(warn=1e-8, fail=1e-3)]),
)
