"""Reports made by hand."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from gradhook._types import Verdict
from gradhook.report import BlockReport, Report

# From the most harmless to the least: a check must survive blocks of any name.
AWKWARD_NAMES = (
    "layer1/W",
    "ratio",
    "ratio_",
    "../../x",
    "/etc/passwd",
    "<b>bold</b>",
    "<script>alert(1)</script>",
    "a|b",
    "[x](javascript:1)",
    "`code` *emphasis* __init__",
    "100%s",
    "line\nbreak\x00\x1b[31m",
    "\ud800",
    "",
    "W" * 10_000,
)


@pytest.fixture
def awkward_names() -> tuple[str, ...]:
    return AWKWARD_NAMES


@pytest.fixture
def make_report() -> Callable[..., Report]:
    def make(
        blocks: Iterable[BlockReport] = (), verdict: Verdict = Verdict.PASS, **fields: Any
    ) -> Report:
        passed = verdict in (Verdict.PASS, Verdict.KINK, Verdict.UNTESTED)
        fields = {"passed": passed, "ratio": 3e-9, "evaluations": 58} | fields
        return Report(verdict, blocks={block.name: block for block in blocks}, **fields)

    return make


@pytest.fixture
def make_block() -> Callable[..., BlockReport]:
    def make(name: str = "W", verdict: Verdict = Verdict.PASS, **fields: Any) -> BlockReport:
        return BlockReport(name, (3, 4), "float64", verdict, **{"ratio": 3e-9} | fields)

    return make
