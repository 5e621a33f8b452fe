"""How often gradhook errs at the borders of what it can see, by kind.

::

    python tests/benchmarks/borders.py                     # 300 right and 300 wrong of each kind
    python tests/benchmarks/borders.py --quick             # a few of each, half a minute
    python tests/benchmarks/borders.py --kind noise --count 60 --seed 5

Right and wrong code is drawn at random (``_border_networks.py``, ``_border_points.py``).  What can
be seen of a mistake depends on the arithmetic: central differences of the same loss, element by
element, at the best of many steps, are the *reference*; a mistake is in sight where it is twenty
times the error of that reference.  A miss is a mistake in sight that passes; ``said`` counts those
whose report says that it does not see as far.  A false alarm is right code that gets FAIL, or WARN
where loss and gradient agree: a solver that stops early has a loss that differs a little from the
gradient of its limit, and ``rightly`` counts WARNs whose difference the reference sees too.
``beyond`` counts what was found of the mistakes out of sight, and ``sees`` is the largest relative
mistake of one factor that passed, in sight or not.

Exit status 1 where false alarms exceed 0.1 % or misses 1 % of all in sight, where a check raises, a
passing check takes more evaluations than it may, or coarse arithmetic does worse than is said
below.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import _border_networks as networks
import _border_points as points
import numpy as np
from _border_networks import Case, Pair
from _common import machine, progress, spread

import gradhook

KINDS: dict[str, Callable[[np.random.Generator], Pair]] = {
    "saturation": networks.saturation,
    "special points": points.special_points,
    "parts": networks.parts,
    "noise": networks.noise,
    "float32 inside, smooth": networks.coarse("float32 inside", relu=False),
    "float32 inside, kinked": networks.coarse("float32 inside", relu=True),
    "float32 weights, smooth": networks.coarse("float32 weights", relu=False),
    "float32 weights, kinked": networks.coarse("float32 weights", relu=True),
    "float16 inside, smooth": networks.coarse("float16 inside", relu=False),
    "float16 inside, kinked": networks.coarse("float16 inside", relu=True),
    "invariances": networks.invariances,
    "locations": points.locations,
    "solvers": points.solvers,
}

IN_SIGHT, ELEMENTS = 20.0, 8
"""Mismatch over the reference's error that is in sight; wrong elements that the reference asks."""

STEPS = 10.0 ** np.arange(-9.0, 0.0, 0.5)
"""Steps of the reference, in units of the block's size."""

FALSE_ALARMS, MISSES = 1e-3, 1e-2
"""Most of them, as shares of what is right, and of what is in sight."""

FOUND = {"float32 inside, smooth": 0.95, "float32 inside, kinked": 0.60}
"""Least share of mistakes of 1 % that is found in float32."""

UNDECIDED = 0.05
"""Largest share of right float32 networks that may be INCONCLUSIVE."""

FOR_EACH, BESIDES, WHOLE_BATCH, LONG_PROBES = 40, 100, 20, 120
"""Evaluations of a passing check: for each block, besides, on the whole batch, and for each block
where noise limits."""


@dataclass(frozen=True)
class Answer:
    """What gradhook said of one case.

    Args:
        kind: Its kind.
        index: Its number.
        wrong: Whether its gradient is wrong.
        verdict: The verdict, or the name of an exception.
        passed: Whether the check passed.
        in_sight: Whether the reference sees the mistake.
        evaluations: Loss evaluations made.
        allowed: Loss evaluations that a passing check may make.
        mistake: Relative size of the mistake, ``nan`` where it is no factor.
        said: Whether the report says that it does not see as far as the mistake.
        words: What was drawn, and what was said of it.
        rightly: Whether right code got a WARN whose difference the reference sees too.
    """

    kind: str
    index: int
    wrong: bool
    verdict: str
    passed: bool
    in_sight: bool
    evaluations: int
    allowed: int
    mistake: float
    said: bool
    words: str
    rightly: bool = False

    @property
    def alarmed(self) -> bool:
        return self.verdict in ("FAIL", "WARN") and not self.rightly

    @property
    def failure(self) -> str:
        """What is wrong with the answer; empty if nothing."""
        if self.verdict.endswith("Error") or self.verdict.endswith("Warning"):
            return "exception"
        if not self.wrong and self.alarmed:
            return "false alarm"
        if self.wrong and self.passed and self.in_sight:
            return "miss"
        if self.passed and self.evaluations > self.allowed:
            return "too dear"
        return ""


def main(arguments: list[str] | None = None) -> int:
    """Draw cases, check them and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=300, help="right and wrong cases of a kind")
    parser.add_argument("--kind", action="append", help="names that begin so; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a few of each kind")
    parser.add_argument("--undecided", action="store_true", help="list the undecided too")
    chosen = parser.parse_args(arguments)
    count = 4 if chosen.quick else chosen.count
    kinds = [k for k in KINDS if not chosen.kind or any(k.startswith(s) for s in chosen.kind)]
    if not kinds:
        parser.error(f"no kind begins with {chosen.kind}; there are {', '.join(KINDS)}")
    print(machine())
    print(f"{count} right and {count} wrong cases of each kind, seed {chosen.seed}\n")
    started = time.perf_counter()
    jobs = [(kind, chosen.seed, index) for kind in kinds for index in range(count)]
    answers: list[Answer] = []
    for job, both in zip(jobs, spread(ask_pair, jobs, chosen.workers), strict=True):
        answers += both
        if job[2] == count - 1:
            progress(job[0])
    print_table(kinds, answers)
    for answer in answers:
        undecided = chosen.undecided and is_undecided(answer)
        if answer.failure or answer.rightly or undecided:
            what = answer.failure or ("rightly" if answer.rightly else "undecided")
            print(f"{what}: {answer.kind} {answer.index}: {answer.words}")
    faults = list(broken_limits(kinds, answers, chosen.quick))
    print("\n".join(["", f"{time.perf_counter() - started:.0f} s", *faults]))
    return 1 if faults else 0


def ask_pair(job: tuple[str, int, int]) -> list[Answer]:
    """Draw one pair and check both."""
    kind, seed, index = job
    random = np.random.default_rng([seed, list(KINDS).index(kind), index])
    with np.errstate(all="ignore"):
        return [ask(kind, index, case) for case in KINDS[kind](random)]


def ask(kind: str, index: int, case: Case) -> Answer:
    """Check one case as a user would, warnings being errors."""
    blocks = len(case.parameters)
    allowed = FOR_EACH * blocks + BESIDES + WHOLE_BATCH
    seen = case.exact is not None and (case.everywhere or is_in_sight(case))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            report = gradhook.check_gradients(
                case.objective,
                case.parameters,
                batch=case.batch,
                progress=False,
                seed=index,
                **case.options,
            )
    except Exception as error:
        words = f"{case.note}: {error}"
        name = type(error).__name__
        wrong = case.exact is not None
        return Answer(kind, index, wrong, name, False, seen, 0, allowed, np.nan, False, words)
    guilty = next((b for b in report.blocks.values() if b.verdict == report.verdict), None)
    said = f"{guilty.name}: {guilty.sentence}" if guilty else "; ".join(report.notes)
    if kind == "noise" or kind == "solvers" or kind.startswith("float"):
        allowed += LONG_PROBES * blocks
    return Answer(
        kind,
        index,
        case.exact is not None,
        str(report.verdict),
        report.passed,
        seen,
        report.evaluations,
        allowed,
        case.mistake,
        any(b.ratio_error > case.mistake / 6 for b in report.blocks.values()),
        f"{case.note}: {report.verdict}, {report.evaluations} evaluations; {said}",
        rightly=bool(
            guilty and report.verdict == "WARN" and not case.exact and differs(case, guilty.name)
        ),
    )


def is_in_sight(case: Case) -> bool:
    """Whether central differences of the same loss see the mistake, element by element.

    The best of many steps counts, at each the worse of two neighbours, lest one be right by luck.
    """
    assert case.exact is not None
    wide = {name: np.array(p, dtype=float) for name, p in case.parameters.items()}
    exact = case.exact(wide, *case.batch)[1]
    given = case.objective(case.parameters, *case.batch)[1]
    name = max(wide, key=lambda n: relative(exact[n], given[n]))
    mismatch = np.abs(np.asarray(given[name], dtype=float) - exact[name]).ravel()
    where = np.argsort(mismatch)[::-1][:ELEMENTS]
    where = where[mismatch[where] > 0.1 * mismatch[where[0]]]
    slopes = differences(case, wide, name, where)
    errors = np.linalg.norm(slopes - exact[name].ravel()[where], axis=1)
    safe = np.nan_to_num(errors, nan=np.inf)
    best = float(np.min(np.maximum(safe[:-1], safe[1:])))
    return float(np.linalg.norm(mismatch[where])) >= IN_SIGHT * best


def differs(case: Case, name: str) -> bool:
    """Whether central differences of the same loss see that a right gradient differs from it.

    Where two neighbouring steps are nearest to each other, twenty times what these differ by.
    """
    wide = {block: np.array(p, dtype=float) for block, p in case.parameters.items()}
    given = np.asarray(case.objective(case.parameters, *case.batch)[1][name], dtype=float).ravel()
    where = np.argsort(np.abs(given))[::-1][:ELEMENTS]
    slopes = differences(case, wide, name, where)
    apart = np.linalg.norm(np.diff(slopes, axis=0), axis=1)
    best = int(np.nanargmin(apart))
    return bool(np.linalg.norm(slopes[best] - given[where]) >= IN_SIGHT * apart[best])


def differences(case: Case, wide: dict[str, Any], name: str, where: Sequence[int]) -> Any:
    """Central differences of the case's own loss by some elements, a row for each step."""
    size = float(np.sqrt(np.mean(wide[name] ** 2))) or 1.0
    return np.array([[slope(case, wide, name, int(i), h) for i in where] for h in STEPS * size])


def relative(exact: Any, given: Any) -> float:
    """The textbook's ratio of two gradients."""
    exact, given = np.asarray(exact, dtype=float), np.asarray(given, dtype=float)
    total = float(np.linalg.norm(exact) + np.linalg.norm(given))
    return float(np.linalg.norm(exact - given)) / total if total else 0.0


def slope(case: Case, parameters: dict[str, Any], name: str, index: int, step: float) -> float:
    """One central difference of the case's own loss."""
    values = []
    for sign in (1, -1):
        moved = {**parameters, name: parameters[name].copy()}
        moved[name].flat[index] += sign * step
        values.append(case.objective(moved, *case.batch)[0])
    return (values[0] - values[1]) / (2 * step)


def is_undecided(answer: Answer) -> bool:
    """Whether it is neither a pass nor an alarm."""
    return not (answer.passed or answer.alarmed or answer.rightly)


def print_table(kinds: Sequence[str], answers: Sequence[Answer]) -> None:
    """Print one line for each kind, and one for all."""
    titles = (
        "false alarms", "rightly", "undecided", "misses", "said", "in sight", "undecided", "beyond",
        "sees", "evaluations", "of allowed",
    )  # fmt: skip
    print(f"{'':<24} {'right':^39} {'wrong':^50}")
    print(f"{'kind':<24}", *(f"{title:>13}" for title in titles))
    for kind in [*kinds, "all"]:
        of_kind = [a for a in answers if kind in (a.kind, "all")]
        right, wrong = ([a for a in of_kind if a.wrong is w] for w in (False, True))
        seen = [a for a in wrong if a.in_sight]
        beyond = [a for a in wrong if not a.in_sight]
        passing = [a for a in right if a.passed]
        cells = (
            f"{sum(a.alarmed for a in right)} of {len(right)}",
            sum(a.rightly for a in right),
            sum(is_undecided(a) for a in right),
            f"{sum(a.passed for a in seen)}",
            f"{sum(a.passed and a.said for a in seen)}",
            len(seen),
            sum(is_undecided(a) for a in seen),
            f"{sum(a.alarmed for a in beyond)} of {len(beyond)}",
            f"{max((a.mistake for a in wrong if a.passed and a.mistake > 0), default=0):.0e}",
            f"{median(a.evaluations for a in passing):.0f}" if passing else "-",
            f"{max((a.evaluations / a.allowed for a in passing), default=0):.2f}",
        )
        print(f"{kind:<24}", *(f"{cell:>13}" for cell in cells))
    for kind in kinds:
        found = found_of_one_percent(kind, answers)
        if found:
            print(f"{kind}: {sum(found)} of {len(found)} mistakes of 1 % found")


def found_of_one_percent(kind: str, answers: Sequence[Answer]) -> list[bool]:
    """Of the mistakes of 1 % in a kind of coarse arithmetic, whether each was found."""
    if not kind.startswith("float"):
        return []
    return [a.alarmed for a in answers if a.kind == kind and a.wrong and a.mistake == 0.01]


def broken_limits(kinds: Sequence[str], answers: Sequence[Answer], quick: bool) -> list[str]:
    """The limits that were not kept, in words; of a few cases, failures of each alone."""
    faults = []
    right = [a for a in answers if not a.wrong]
    seen = [a for a in answers if a.wrong and a.in_sight]
    for what, most in (
        ("false alarm", FALSE_ALARMS * len(right)),
        ("miss", MISSES * len(seen)),
        ("exception", 0),
        ("too dear", 0),
    ):
        count = sum(a.failure == what for a in answers)
        if count > most:
            faults.append(f"{what}: {count}, at most {most:.1f} allowed")
    for kind in kinds if not quick else ():
        found = found_of_one_percent(kind, answers)
        if found and sum(found) < FOUND.get(kind, 0.0) * len(found):
            faults.append(f"{kind}: {sum(found)} of {len(found)} mistakes of 1 % found")
        of_kind = [a for a in right if a.kind == kind]
        open_ = sum(is_undecided(a) for a in of_kind)
        if kind.startswith("float32") and open_ > UNDECIDED * len(of_kind):
            faults.append(f"{kind}: {open_} of {len(of_kind)} right networks undecided")
    return faults


if __name__ == "__main__":
    sys.exit(main())
