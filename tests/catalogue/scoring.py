"""The two error rates of a gradient checker: right code condemned, and bugs passed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tests.catalogue.record import Case

__all__ = ["Answer", "Outcome", "Score", "score"]

Answer: TypeAlias = Literal["pass", "fail", "undecided", "error"]
"""What a checker said; ``"error"`` is an exception."""


LISTED = 20
"""Names of each sort that the text of a score lists; its properties hold them all."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a checker said of one case.

    Args:
        name: The case's name; ``catalogue.case(name)`` makes it again.
        kind: The case's kind.
        operator: The bug planted, ``None`` in right code.
        answer: ``"pass"``, ``"fail"``, ``"undecided"``, or ``"error"`` for an exception.
        message: The exception, an empty string without one.

    Example:
        >>> from tests.catalogue import Outcome
        >>> Outcome("a case", "clipped", operator="clipped", answer="fail").wrong
        True
    """

    name: str
    kind: str
    operator: str | None
    answer: Answer
    message: str = ""

    @property
    def wrong(self) -> bool:
        """Whether the case's gradients are wrong."""
        return self.operator is not None


@dataclass(frozen=True, slots=True)
class Score:
    """How often a checker was wrong, and on which cases.

    Args:
        outcomes: One for each case, in the order in which they were checked.

    Example:
        >>> from tests import catalogue
        >>> drawn = catalogue.cases([0], kinds=["clipped"])
        >>> result = catalogue.score(lambda case: "pass", drawn)
        >>> result.misses
        ['truncated-loss/factor_two/special/0', 'clipped-probability/no_1_over_N/special/0']
        >>> result.miss_rate, result.false_alarm_rate
        (1.0, 0.0)
    """

    outcomes: tuple[Outcome, ...]

    @property
    def n_right(self) -> int:
        """Number of cases with right gradients."""
        return sum(not each.wrong for each in self.outcomes)

    @property
    def n_wrong(self) -> int:
        """Number of cases with wrong gradients."""
        return sum(each.wrong for each in self.outcomes)

    @property
    def false_alarms(self) -> list[str]:
        """Names of the cases with right gradients that failed."""
        return [each.name for each in self.outcomes if each.answer == "fail" and not each.wrong]

    @property
    def misses(self) -> list[str]:
        """Names of the cases with wrong gradients that passed."""
        return [each.name for each in self.outcomes if each.answer == "pass" and each.wrong]

    @property
    def undecided(self) -> list[str]:
        """Names of the cases on which the checker would not decide, or raised."""
        return [each.name for each in self.outcomes if each.answer in ("undecided", "error")]

    @property
    def errors(self) -> dict[str, str]:
        """The exceptions that the checker raised, by case."""
        return {each.name: each.message for each in self.outcomes if each.answer == "error"}

    @property
    def false_alarm_rate(self) -> float:
        """Share of right cases that failed; ``nan`` without any."""
        return len(self.false_alarms) / self.n_right if self.n_right else float("nan")

    @property
    def miss_rate(self) -> float:
        """Share of wrong cases that passed; ``nan`` without any."""
        return len(self.misses) / self.n_wrong if self.n_wrong else float("nan")

    def by_operator(self) -> dict[str, dict[str, int]]:
        """Return, for each operator, how many mutants passed, failed, were undecided or raised."""
        return _counted((each.operator, each.answer) for each in self.outcomes)

    def by_kind(self) -> dict[str, dict[str, int]]:
        """Return, for each kind, how many right cases passed, failed, were undecided or raised."""
        return _counted((each.kind, each.answer) for each in self.outcomes if not each.wrong)

    def __str__(self) -> str:
        lines = [
            f"{len(self.outcomes)} cases: {self.n_right} right, {self.n_wrong} wrong",
            _rate("false alarms", self.false_alarms, self.n_right),
            _rate("misses", self.misses, self.n_wrong),
            _rate("undecided", self.undecided, len(self.outcomes)),
        ]
        lines += ["", *_table("right code", self.by_kind())]
        lines += ["", *_table("bug", self.by_operator())]
        raised = [f"{name}: {message}" for name, message in self.errors.items()]
        unsure = [name for name in self.undecided if name not in self.errors]
        lines += ["", *_listed("false alarm", self.false_alarms), *_listed("missed", self.misses)]
        lines += [*_listed("undecided", unsure), *_listed("raised", raised)]
        return "\n".join(lines)


def score(checker: Callable[[Case], str], cases: Iterable[Case]) -> Score:
    """Ask a checker about every case, and compare its answers with the truth.

    Args:
        checker: Given a case, returns ``"pass"``, ``"fail"`` or ``"undecided"``.  An exception
            counts as undecided, and is kept; see ``Score.errors``.
        cases: What to check, as ``catalogue.cases`` yields them.

    Raises:
        ValueError: The checker returned anything else.

    Example:
        A checker that is always suspicious misses nothing, and is of no use:

        >>> from tests import catalogue
        >>> result = catalogue.score(lambda case: "fail", catalogue.cases([0], kinds=["sparse"]))
        >>> print(result)
        2 cases: 1 right, 1 wrong
        false alarms  1 of 1    100.0 %
        misses        0 of 1      0.0 %
        undecided     0 of 2      0.0 %
        <BLANKLINE>
        right code                pass  fail  undecided  error
        sparse                       0     1          0      0
        <BLANKLINE>
        bug                       pass  fail  undecided  error
        bptt_no_dhnext               0     1          0      0
        <BLANKLINE>
        false alarm: three-rows/clean-bptt_no_dhnext/special/0
    """
    return Score(tuple(_asked(checker, case) for case in cases))


def _asked(checker: Callable[[Case], str], case: Case) -> Outcome:
    try:
        answer = checker(case)
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        return Outcome(case.name, case.kind, case.operator, "error", message)
    if answer == "pass":
        return Outcome(case.name, case.kind, case.operator, "pass")
    if answer == "fail":
        return Outcome(case.name, case.kind, case.operator, "fail")
    if answer == "undecided":
        return Outcome(case.name, case.kind, case.operator, "undecided")
    raise ValueError(
        f"the checker must return 'pass', 'fail' or 'undecided', got {answer!r} for {case.name}"
    )


def _counted(answers: Iterable[tuple[str | None, Answer]]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for row, answer in answers:
        if row is not None:
            columns = counts.setdefault(
                row, dict.fromkeys(("pass", "fail", "undecided", "error"), 0)
            )
            columns[answer] += 1
    return counts


def _rate(title: str, names: list[str], of: int) -> str:
    share = f"{100 * len(names) / of:.1f} %" if of else "-"
    return f"{title:<13} {f'{len(names)} of {of}':<9} {share:>7}".rstrip()


def _table(title: str, counts: dict[str, dict[str, int]]) -> list[str]:
    columns = ("pass", "fail", "undecided", "error")
    heading = f"{title:<24}" + "".join(f"  {column}" for column in columns)
    rows = (
        f"{row:<24}" + "".join(f"  {count[column]:>{len(column)}}" for column in columns)
        for row, count in counts.items()
    )
    return [heading, *rows]


def _listed(title: str, names: list[str]) -> list[str]:
    more = len(names) - LISTED
    tail = [f"{title}: ... and {more} more"] if more > 0 else []
    return [f"{title}: {name}" for name in names[:LISTED]] + tail
