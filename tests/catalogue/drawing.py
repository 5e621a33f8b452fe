"""Drawing cases: from a name to a case, and from seeds to all of them.

Everything about a case follows from its name, ``architecture/operator/start/seed``: the name seeds
the generator that draws sizes, options, data, the start, and the place of the bug.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import cast, get_args

import numpy as np

from tests.catalogue.alarms import ALARMS
from tests.catalogue.networks.architectures import ARCHITECTURES
from tests.catalogue.networks.planting import EQUAL, TELLING_PENALTY, differs, planted
from tests.catalogue.networks.starts import Start, generic, notebook
from tests.catalogue.record import Case, Problem
from tests.catalogue.table import Operator, architectures_for, operator, operators

__all__ = ["ExcludedError", "case", "cases", "exclusions", "kinds"]

CLEAN = "clean"
"""In a name, what stands for no operator; ``clean-bias_mean`` is the twin of a ``bias_mean``."""


class ExcludedError(ValueError):
    """The mutant has the gradient of the right code, so it is none.

    Compared at three random points, and at its own where that is a generic one.
    """


def case(name: str) -> Case:
    """Return the case of that name.

    Args:
        name: ``architecture/operator/start/seed``, where the operator may be ``clean``, or
            ``clean-`` and an operator whose needs are to be met.

    Raises:
        ExcludedError: The operator changes nothing in what was drawn.
        KeyError: No such architecture, operator or start, or they do not go together.

    Example:
        >>> from tests import catalogue
        >>> case = catalogue.case("rnn/clean-bptt_truncated/notebook/3")
        >>> case.clean, list(case.parameters)
        (True, ['E', 'Wx', 'Wh', 'bh', 'Wy', 'by'])
    """
    if name.count("/") != 3:
        raise KeyError(f"a name is architecture/operator/start/seed, got {name!r}")
    where, what, start, seed = name.split("/")
    named = what.removeprefix(CLEAN).removeprefix("-")
    twin_of = operator(named) if named else None
    planted_operator = None if what.startswith(CLEAN) else twin_of
    rng = np.random.default_rng([int(seed), zlib.crc32(name.encode())])
    if where in ALARMS:
        if start != "special":
            raise KeyError(f"a false alarm starts at 'special', not at {start!r}")
        kind = ALARMS[where].kind
        problem = ALARMS[where].draw(rng, planted_operator)
    elif where in ARCHITECTURES:
        kind = "network"
        problem = _network_problem(where, twin_of, planted_operator, start, rng)
    else:
        known = ", ".join([*ARCHITECTURES, *ALARMS])
        raise KeyError(f"no architecture or false alarm {where!r}; known: {known}")
    if planted_operator is not None and not differs(problem, planted_operator):
        raise ExcludedError(f"{name}: equal to the right gradient at three random points")
    made = Case(
        name=name,
        kind=kind,
        architecture=where,
        operator=planted_operator.name if planted_operator else None,
        family=planted_operator.family if planted_operator else None,
        start=cast(Start, start),
        seed=int(seed),
        problem=problem,
        second_call=planted_operator is not None and planted_operator.second_call,
    )
    if made.wrong and start == "generic" and max(made.wrong_blocks().values()) <= EQUAL:
        raise ExcludedError(f"{name}: equal to the right gradient at the point drawn")
    return made


def cases(
    seeds: Iterable[int],
    *,
    starts: Iterable[Start] = ("notebook", "generic", "special"),
    kinds: Iterable[str] | None = None,
) -> Iterator[Case]:
    """Yield a wrong and a right case for each operator, start and seed, and each false alarm.

    An operator that can be planted in several architectures takes one after the other as the seed
    goes up.

    Args:
        seeds: Seeds of the draws; more seeds, more cases.
        starts: Where networks stand; false alarms stand where they happen, ``"special"``.
        kinds: ``"network"`` and names of ``catalogue.kinds()``; ``None`` is all.

    Raises:
        KeyError: A start or a kind is not a known one.

    Example:
        >>> from tests import catalogue
        >>> drawn = list(catalogue.cases([0], kinds=["optimum"]))
        >>> sum(case.wrong for case in drawn) == sum(case.clean for case in drawn) > 0
        True
    """
    for drawn in _draw(seeds, starts, kinds):
        if isinstance(drawn, Case):
            yield drawn


def exclusions(
    seeds: Iterable[int], *, starts: Iterable[Start] = ("notebook", "generic", "special")
) -> list[str]:
    """Return a line for each mutant that ``cases`` leaves out because it equals the right code.

    Example:
        >>> from tests import catalogue
        >>> for line in catalogue.exclusions([7], starts=["generic"]):
        ...     print(line)
        cnn/pool_overlap_overwrite/generic/7: equal to the right gradient at the point drawn
    """
    return [drawn for drawn in _draw(seeds, starts, None) if isinstance(drawn, str)]


def kinds() -> dict[str, str]:
    """Return what cases there are: ``"network"``, and each class of false alarm with its reason.

    Example:
        >>> from tests import catalogue
        >>> list(catalogue.kinds())[:3]
        ['network', 'kink', 'tie']
    """
    reasons = {"network": "an ordinary network, at a notebook's start or at a generic point"}
    for alarm in ALARMS.values():
        reasons.setdefault(alarm.kind, alarm.why)
    return reasons


def _draw(
    seeds: Iterable[int], starts: Iterable[Start], wanted: Iterable[str] | None
) -> Iterator[Case | str]:
    """Yield cases, and a line instead of each mutant that is excluded, its twin with it."""
    wanted = list(kinds()) if wanted is None else list(wanted)
    for kind in wanted:
        if kind not in kinds():
            raise KeyError(f"no kind {kind!r}; known: {', '.join(kinds())}")
    starts = list(starts)
    for start in starts:
        if start not in get_args(Start):
            raise KeyError(f"no start {start!r}; known: {', '.join(get_args(Start))}")
    for seed in seeds:
        for where, what, start in _pairings(seed, starts, wanted):
            try:
                mutant = case(f"{where}/{what}/{start}/{seed}")
            except ExcludedError as excluded:
                yield str(excluded)
                continue
            yield mutant
            yield case(f"{where}/{CLEAN}-{what}/{start}/{seed}")


def _pairings(
    seed: int, starts: list[Start], wanted: list[str]
) -> Iterator[tuple[str, str, Start]]:
    """Yield where each operator is planted, for one seed."""
    for start in starts:
        if start == "special":
            for number, alarm in enumerate(ALARMS.values()):
                if alarm.kind in wanted:
                    yield alarm.name, alarm.bugs[(seed + number) % len(alarm.bugs)], start
        elif "network" in wanted:
            for number, each in enumerate(operators()):
                possible = architectures_for(each.name)
                turn = seed + number + get_args(Start).index(start)
                yield possible[turn % len(possible)], each.name, start


def _network_problem(
    where: str, twin_of: Operator | None, planted_operator: Operator | None, start: str,
    rng: np.random.Generator,
) -> Problem:  # fmt: skip
    architecture = ARCHITECTURES[where]
    needs = frozenset(twin_of.needs) if twin_of else frozenset[str]()
    if not needs <= architecture.offers:
        lacking = ", ".join(sorted(needs - architecture.offers))
        raise KeyError(
            f"{twin_of.name if twin_of else ''} needs {lacking}, which {where} does not offer"
        )
    network, batch = architecture.build(rng, needs)
    blocks = network.blocks()
    if start == "notebook":
        parameters = notebook(blocks, rng)
    elif start == "generic":
        parameters = generic(blocks, rng)
        # The penalty is of the size of the data term.
        network = replace(network, reg=float(rng.uniform(0.7, 1.4)) * TELLING_PENALTY)
    else:
        raise KeyError(f"a network starts at 'notebook' or 'generic', not at {start!r}")
    return planted(network, batch, parameters, planted_operator, rng)
