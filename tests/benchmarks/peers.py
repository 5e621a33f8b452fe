"""gradhook beside its peers, on the same cases in one run: who errs, and at what cost.

::

    pip install -e . --group peers      # and torch and jax, which are left out where missing
    python tests/benchmarks/peers.py            # one seed, some half an hour
    python tests/benchmarks/peers.py --quick

Every checker is given a case as its own documentation would have it.  gradhook gets the function,
its parameters and the names of its switches.  The peers get a plain function of float64 arrays on
the whole batch, with dropout off where there is a switch for it and the penalty as it stands, at
the parameters where the user is; each of them a fresh function that has not been called before.
``_peer_checks`` says how each is called and when it counts as failed.  A raised exception that is
not the checker's own verdict counts as undecided.  Every call of the user's function, for a loss or
for gradients, is one loss evaluation.

After the table, in Markdown for the page beside, come what each peer gets wrong by kind of false
alarm and by class of bug, and examples of it that gradhook gets right.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from _common import ask, machine, progress, sample, seed_range
from _peer_checks import PEERS, Peer, Plain

from gradhook.report import CAUSE_FAMILIES
from tests.catalogue import Case, operator

EXAMPLES = 6
"""Cases listed of each sort of error of each peer."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one checker said of one case, and its cost."""

    case: Case
    answer: str
    evaluations: int
    seconds: float
    message: str = ""

    @property
    def error(self) -> str:
        """``"false alarm"``, ``"miss"``, ``"undecided"``, or an empty string."""
        if self.answer not in ("pass", "fail"):
            return "undecided"
        if (self.answer == "fail") == self.case.wrong:
            return ""
        return "miss" if self.case.wrong else "false alarm"


def main(arguments: list[str] | None = None) -> int:
    """Ask every checker about every case and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=seed_range, default=[1000])
    parser.add_argument("--quick", action="store_true", help="every sixtieth pair of cases")
    parser.add_argument("--every", type=int, default=1, help="take every n-th pair of cases")
    parser.add_argument("--only", nargs="*", help="names of peers, or parts of them")
    chosen = parser.parse_args(arguments)
    peers = [peer for peer in PEERS if peer.missing is None]
    if chosen.only:
        peers = [peer for peer in peers if any(part in peer.name for part in chosen.only)]
    cases = sample(chosen.seeds, 60 if chosen.quick else chosen.every)
    print(machine(*dict.fromkeys(peer.package for peer in peers if peer.package)))
    for peer in PEERS:
        if peer.missing is not None:
            print(f"left out: {peer.name} ({peer.missing})")
    wrong = sum(case.wrong for case in cases)
    print(f"seeds {', '.join(map(str, chosen.seeds))}: {len(cases)} cases, ", end="")
    print(f"{len(cases) - wrong} right and {wrong} wrong\n")
    for peer in peers:
        asked(peer, cases[0])  # so that imports are not timed
    rows: dict[str, list[Row]] = defaultdict(list)
    for number, case in enumerate(cases, start=1):
        rows["gradhook"].append(asked_of_gradhook(case))
        for peer in peers:
            rows[peer.name].append(asked(peer, case))
        if number % 20 == 0:
            progress(f"{number} of {len(cases)} cases")
    print_table(rows, peers)
    for name, found in rows.items():
        print_errors(name, found, rows["gradhook"])
    return 0


def asked_of_gradhook(case: Case) -> Row:
    """Return gradhook's answer."""
    checked = ask(case)
    message = checked.reason if checked.outcome.answer in ("undecided", "error") else ""
    return Row(case, checked.outcome.answer, checked.evaluations, checked.seconds, message)


def asked(peer: Peer, case: Case) -> Row:
    """Return a peer's answer."""
    problem = Plain(case)
    started = time.perf_counter()
    try:
        answer, message = peer.ask(problem), ""
    except Exception as error:
        answer, message = "error", f"{type(error).__name__}: {error}"
    return Row(case, answer, problem.calls, time.perf_counter() - started, message)


def print_table(rows: dict[str, list[Row]], peers: list[Peer]) -> None:
    """Print the table in Markdown."""
    counts = {peer.name: peer.judged for peer in peers}
    right = sum(not row.case.wrong for row in rows["gradhook"])
    wrong = len(rows["gradhook"]) - right
    print(f"| | false alarms (of {right}) | missed bugs (of {wrong}) | undecided |", end="")
    print(" loss evaluations a case | seconds | counts as wrong |")
    print("|---|--:|--:|--:|--:|--:|---|")
    for name, found in rows.items():
        errors = Counter(row.error for row in found)
        evaluations = sum(row.evaluations for row in found) / len(found)
        seconds = sum(row.seconds for row in found)
        judged = counts.get(name, "a verdict of FAIL")
        cells = (
            f"**{name}**" if name == "gradhook" else name,
            *(str(errors[error]) for error in ("false alarm", "miss", "undecided")),
            f"{evaluations:.0f}",
            f"{seconds:.0f}",
            judged,
        )
        print(f"| {' | '.join(cells)} |")


def print_errors(name: str, found: list[Row], ours: list[Row]) -> None:
    """Print what a checker gets wrong, and examples of it that gradhook gets right."""
    print(f"\n{name}")
    for error, of, sort in (
        ("false alarm", [row for row in found if not row.case.wrong], lambda case: case.kind),
        ("miss", [row for row in found if row.case.wrong], bug_class),
        ("undecided", found, lambda case: case.kind),
    ):
        wrong = [row for row in found if row.error == error]
        if not wrong:
            continue
        met = Counter(sort(row.case) for row in of)
        got = Counter(sort(row.case) for row in wrong)
        listed = "; ".join(f"{what} {count}/{met[what]}" for what, count in got.most_common())
        starts = Counter(row.case.start for row in wrong)
        where = ", ".join(f"{count} at a {start} start" for start, count in starts.most_common())
        print(f"  {error} ({where}): {listed}")
        right = {row.case.name for row in ours if not row.error}
        print_examples([row for row in wrong if row.case.name in right], sort)


def bug_class(case: Case) -> str:
    """Return the class of a case's bug in words."""
    return CAUSE_FAMILIES[case.family] if case.family else ""


def print_examples(rows: list[Row], sort: Callable[[Case], str | None]) -> None:
    """Print one example of each sort, the commonest first."""
    first: dict[str | None, Row] = {}
    for row in rows:
        first.setdefault(sort(row.case), row)
    commonest = [what for what, _ in Counter(sort(row.case) for row in rows).most_common(EXAMPLES)]
    for row in (first[what] for what in commonest):
        print(f"    {row.case.name}: {described(row)}")


def described(row: Row) -> str:
    """Return what the case is about, or what the checker raised."""
    if row.message:
        return row.message.splitlines()[0][:120]
    return operator(row.case.operator).edit if row.case.operator else f"right code, {row.case.kind}"


if __name__ == "__main__":
    sys.exit(main())
