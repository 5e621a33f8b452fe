"""What each special rule buys: where it fires, and what is said of those cases without it.

::

    python tests/benchmarks/ablation.py                  # a sample of all sorts of cases
    python tests/benchmarks/ablation.py --quick          # three rules on few cases
    python tests/benchmarks/ablation.py --seeds 9000-9024 --most 100 --count 10
                                                         # 10,000 cases of the catalogue

A rule is a function that is replaced, wherever it was imported, by one that does nothing.  Every
case is asked with all rules on first; then each rule alone is switched off where it fired, or in
``--most`` of those cases, evenly spread.  ``fires`` counts all of them, ``asked`` those.  ``new
errors`` are false alarms, misses and exceptions that it prevents, ``old`` those that it makes;
``undecided`` is how many more cases end without an answer, ``lost`` counts confirmed causes that no
longer are.  The cases: the catalogue, ``borders.py``, ``decoys.py``, coarse losses beside a fine
penalty, and ``tests/golden``.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import borders
import numpy as np
from _common import machine, sample, seed_range, spread
from _decoys import decoys

import gradhook
import gradhook.check.off_the_kink  # loaded by checks that need it, and replaced before
import gradhook.diagnosis.explain
from gradhook.diagnosis.hypotheses import HYPOTHESES
from gradhook.diagnosis.hypothesis import survives
from gradhook.verdict.judge import Further
from tests.difference.test_stairs_noise_table import LAM, classifier, sixth_decimal
from tests.golden import golden


class Rule(NamedTuple):
    """A function, from ``gradhook.`` on, that can be switched off."""

    name: str
    where: str
    off: Callable[..., Any]  # called in its place, with the function itself and its arguments
    fired: Callable[..., bool] = lambda result, *_, **__: bool(result)  # by result and arguments


def says(value: Any) -> Callable[..., Any]:
    """A function that returns this, whatever it is asked."""
    return lambda *_, **__: value


def same(place: int) -> Callable[..., Any]:
    """A function that returns one of its arguments."""
    return lambda *given, **_: given[place]


def new(place: int) -> Callable[..., bool]:
    """Whether a result, or some value in it, is another object than in one of the arguments."""
    return lambda *given, **_: ids(given[0]) != ids(given[place])


def ids(thing: Any) -> list[int]:
    return [id(each) for each in (thing.values() if isinstance(thing, dict) else [thing])]


def wish(name: str, flag: Further) -> Rule:
    """One of the things that a judgement asks for."""
    where, off = "verdict.judge._further", lambda plain, *given: plain(*given) & ~flag
    return Rule(name, where, off, lambda result, *_: bool(result & flag))


def cause(kind: type) -> Rule:
    """A hypothesis, which fires where it survives."""
    where = f"{kind.__module__.removeprefix('gradhook.')}.{kind.__name__}.refute"
    return Rule(f"cause {kind.__name__}", where, says(()), lambda result, *_: survives(result))


ALWAYS = says(True)
ROUNDING, TINY = (
    "probe.block_evidence.with_analytic_error",
    "check.generic_point.at_ordinary_loss",
)
SECOND, UNITS = "check.generic_point.enter_second_point", "check.generic_point._in_own_units"
BATCH, TRACE = "check.whole_batch.enter_every_row", "diagnosis.branches.trace.trace_branches"

RULES = (
    Rule("noise along a mismatch", "probe.block_evidence.hidden_noise", says(0.0)),
    Rule("probes measured again", "probe.block_evidence.measure_again", same(2), ALWAYS),
    wish("more directions near a bound", Further.DIRECTIONS),
    wish("long steps", Further.AFAR),
    wish("small mismatches where they sit", Further.PART),
    Rule("rules of small mismatches", "probe.small_mismatch._rule", says("")),
    Rule("rounding of the analytic side", ROUNDING, same(2), ALWAYS),
    Rule("smaller weights where a loss is tiny", TINY, same(2), new(2)),
    Rule("a second generic point", SECOND, says(None)),
    Rule("locations in their own units", UNITS, same(2), new(2)),
    Rule("ties", "diagnosis.branches.trace.look_for_ties", says(None), ALWAYS),
    Rule("untested blocks on the whole batch", BATCH, says(None)),
    Rule("joint noise on the whole batch", "probe.measure.is_noise", says(False)),
    Rule("natural splits of a wrong block", "diagnosis.parts.find_part", says(None)),
    Rule("branches named", TRACE, says({})),
    *map(cause, HYPOTHESES),
)


class Asked(NamedTuple):
    """A case: whether it is wrong (``None``: not known, or not to be seen), and the check."""

    name: str
    wrong: bool | None
    ask: Callable[[], Any]


class Said(NamedTuple):
    """What a check said, and the rules that fired, by their places in ``RULES``."""

    verdict: str
    passed: bool
    causes: frozenset[str]
    evaluations: int
    fired: set[int]

    @property
    def open(self) -> bool:
        return not self.passed and self.verdict not in ("FAIL", "WARN")

    def errs(self, case: Asked) -> bool:
        """Whether it is a false alarm, a miss or, where none is meant, an exception."""
        bad = self.passed if case.wrong else self.verdict == "FAIL"
        return case.wrong is not None and (bad or self.verdict.endswith("Error"))


def cases(seeds: list[int], every: int, count: int) -> Iterator[Asked]:
    """All sorts of cases."""
    check = partial(gradhook.check_gradients, progress=False)
    for case in sample(seeds, every):
        of = partial(check, case.objective, case.parameters, batch=case.batch)
        yield Asked(case.name, case.wrong, partial(of, **case.check_options))
    for number, (kind, draw) in enumerate(borders.KINDS.items()):
        for index in range(count):
            for case in draw(np.random.default_rng([17, number, index])):
                of = partial(check, case.objective, case.parameters, batch=case.batch, seed=index)
                wrong = case.exact is not None and (borders.is_in_sight(case) or None)
                yield Asked(f"{kind} {index}", wrong, partial(of, **case.options))
    for family, k, decoy in decoys(count):
        of = partial(check, decoy.function, decoy.parameters, batch=decoy.batch, seed=k)
        yield Asked(f"{family} {k}, {decoy.name}", True, partial(of, **decoy.options))
    for seed in range(1000, 1000 + 2 * count):
        for how in (np.float16, np.float32, sixth_decimal):
            name = f"{how.__name__} beside a penalty {seed}"
            yield Asked(name, False, partial(classifier, seed, cast=how, lam=LAM))
    for asked in (*golden.generated(), *golden.networks()):
        of = partial(check, asked.objective, asked.parameters, batch=asked.batch)
        yield Asked(asked.name, None, partial(of, **asked.options))


@contextlib.contextmanager
def replaced(where: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """Put ``make(function)`` in the place of a function, wherever that was imported."""
    *path, name = where.split(".")
    kind = path.pop() if path[-1][0].isupper() else ""
    home: Any = importlib.import_module(".".join(["gradhook", *path]))
    home = getattr(home, kind) if kind else home
    plain = getattr(home, name)
    modules = [m for each, m in sys.modules.items() if each.startswith("gradhook.")]
    holders = [home] if kind else [m for m in modules if vars(m).get(name) is plain]
    other = make(plain)
    for each in holders:
        setattr(each, name, other)
    try:
        yield
    finally:
        for each in holders:
            setattr(each, name, plain)


CASES: list[Asked] = []  # drawn before workers are forked


def said_of(job: tuple[int, int | None]) -> Said:
    """Ask about a case with all rules on, or with one of them off."""
    index, off, fired = *job, set[int]()

    def noted(k: int, plain: Any) -> Any:
        def noting(*given: Any, **named: Any) -> Any:
            result = plain(*given, **named)
            fired.update([k] if RULES[k].fired(result, *given, **named) else [])
            return result

        return noting

    np.random.seed(0)
    with contextlib.ExitStack() as stack, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for k in range(len(RULES)) if off is None else ():
            stack.enter_context(replaced(RULES[k].where, partial(noted, k)))
        if off is not None:
            stack.enter_context(replaced(RULES[off].where, partial(partial, RULES[off].off)))
        try:
            report = CASES[index].ask()
        except Exception as error:
            return Said(type(error).__name__, False, frozenset(), 0, fired)
    kinds = frozenset(each.kind for each in report.causes)
    return Said(str(report.verdict), report.passed, kinds, report.evaluations, fired)


def row(rule: Rule, fires: int, pairs: list[tuple[Asked, Said, Said]]) -> str:
    """What changes without a rule, of cases where it fired."""
    new = [case.name for case, on, off in pairs if off.errs(case) and not on.errs(case)]
    before, after = (sum(pair[k].evaluations for pair in pairs) for k in (1, 2))
    verdicts = sum(on.verdict != off.verdict for _, on, off in pairs)
    cells = (
        *(fires, len(pairs), verdicts, len(new)),
        sum(on.errs(case) and not off.errs(case) for case, on, off in pairs),
        f"{sum(off.open - on.open for _, on, off in pairs):+d}",
        sum(len(on.causes - off.causes) for _, on, off in pairs),
        sum(len(off.causes - on.causes) for _, on, off in pairs),
        f"{100 * (after / before - 1):+.1f} %" if before else "-",
    )
    return f"{rule.name:40}" + "".join(f"{cell:>12}" for cell in cells) + "  " + ", ".join(new[:3])


def evenly(places: list[int], most: int | None) -> list[int]:
    """At most so many of them, from the first to the last."""
    if not most or len(places) <= most:
        return places
    return [places[k * len(places) // most] for k in range(most)]


def main(arguments: list[str] | None = None) -> None:
    """Count where rules fire, switch each off there, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=seed_range, default=[500, 501])
    parser.add_argument("--every", type=int, default=1, help="take every n-th pair")
    parser.add_argument("--count", type=int, default=3, help="of each border and decoy")
    parser.add_argument("--most", type=int, help="cases in which a rule is switched off")
    parser.add_argument("--only", default="", help="rules whose name holds this")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.seeds, chosen.every, chosen.count = chosen.seeds[:1], 40, 1
    CASES[:] = list(cases(chosen.seeds, chosen.every, chosen.count))[:: 3 if chosen.quick else 1]
    print(machine())
    rules = [k for k, rule in enumerate(RULES) if chosen.only in rule.name]
    on = list(spread(said_of, [(i, None) for i in range(len(CASES))], chosen.workers))
    fires = {k: [i for i, said in enumerate(on) if k in said.fired] for k in rules}
    if chosen.quick:
        rules = sorted((k for k in rules if fires[k]), key=lambda k: len(fires[k]))[:3]
    errors = [case.name for case, said in zip(CASES, on, strict=True) if said.errs(case)]
    print(f"{len(CASES)} cases, {len(errors)} errors {errors[:10]}")
    asked = {k: evenly(each, chosen.most) for k, each in fires.items()}
    titles = [
        "fires",
        "asked",
        "verdicts",
        "new errors",
        "old",
        "undecided",
        "lost",
        "won",
        "evaluations",
    ]
    print(f"\n{'without':40}" + "".join(f"{title:>12}" for title in titles))
    off = spread(said_of, [(i, k) for k in rules for i in asked[k]], chosen.workers)
    for k in rules:
        pairs = [(CASES[i], on[i], next(off)) for i in asked[k]]
        print(row(RULES[k], len(fires[k]), pairs), flush=True)


if __name__ == "__main__":
    main()
