"""What a session found, in the order in which it found it: a record for those who report on it."""

from __future__ import annotations

from dataclasses import dataclass, field

from gradhook._types import Array, Verdict
from gradhook.check.sanity import SanityResult
from gradhook.diagnosis import Explanation
from gradhook.probe.setting import SettingResult
from gradhook.report import Finding
from gradhook.report.blocks import Branch
from gradhook.verdict.judge import combine

__all__ = ["CheckRecord"]


@dataclass(slots=True)
class CheckRecord:
    """What a session found.

    Args:
        facts: How the functions behaved when called again.
        measured: The settings measured, main one first.
        findings: Further findings per block, from calling again.
        coverage: What was not exercised.
        unjudged: Why no setting could be measured; empty if one was.
        branches: Per doubted block, operations that decide differently on the two sides of a probe.
        explanation: Where and why blocks are wrong.
        kept: What other rows said of blocks that could not be judged on these.
        notes: What a reader must know before the verdict.
        whole_batch: Whether the whole batch was asked, and could tell.
    """

    facts: SanityResult
    measured: list[SettingResult] = field(default_factory=list)
    findings: dict[str, list[Finding]] = field(default_factory=dict)
    coverage: list[str] = field(default_factory=list)
    unjudged: str = ""
    branches: dict[str, tuple[Branch, ...]] = field(default_factory=dict)
    explanation: Explanation = field(default_factory=Explanation)
    kept: dict[str, list[Finding]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    whole_batch: bool = False

    def findings_of(self, name: str) -> list[Finding]:
        """What every setting said of a block."""
        if name in self.kept:
            return self.kept[name]
        findings = [m.findings[name] for m in self.measured if name in m.findings]
        findings += self.findings.get(name, [])
        return findings or [Finding("current point", Verdict.INCONCLUSIVE, note=self.unjudged)]

    def verdict_of(self, name: str) -> Verdict:
        """What all settings together say of a block."""
        return combine(self.findings_of(name)).verdict

    def gradients_of(self, name: str) -> list[Array]:
        """The gradients of a block in the settings that judged it; empty if one is gone."""
        judged = [m.gradients for m in self.measured if name in m.judgements]
        kept = all(name in gradients for gradients in judged)
        return [gradients[name] for gradients in judged] if kept else []
