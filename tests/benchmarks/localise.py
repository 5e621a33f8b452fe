"""Evaluations until a fault is located, against the number of weights of the block that holds it.

::

    python tests/benchmarks/localise.py                   # 10**2 … 10**7
    python tests/benchmarks/localise.py --quick           # up to 10**4
    python tests/benchmarks/localise.py --sizes 1e5 --draws 20

A tanh layer of any size, and an embedding of which a batch uses 64 rows, with one fault in the
gradient, the place of which is drawn: one element off by a hundredth, two elements exchanged, ten
elements off by a hundredth, a column that is zero, a row of the embedding that is zero, and one
that is everywhere (the derivative of tanh left out).  Counted is the whole check.

Then parts of 3 to 50 % of a block, ``PARTS`` of each kind: a mask whose gradient is zero, weights
of one sign, a triangle, half of an axis, a range of rows and of one unrolled vector.  Exit status 1
if a place is named that is not the fault's, or after more evaluations than ``LIMITS`` in a block of
up to ``JUDGED`` weights, if fewer than ``EXACT`` of the parts are named exactly, or if a part is
named that holds no wrong element.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from _common import machine

import gradhook
from gradhook._types import Box
from gradhook.diagnosis.parts import joined
from gradhook.verdict.evidence import Location, describe

ROWS = 8
"""Of the batch; the embedding's has eight times as many."""

DIM = 20
"""Width of the embedding."""

JUDGED = 10**6
"""Largest block that the limits hold for."""

LIMITS = {
    "one element": 150,
    "exchanged pair": 150,
    "ten elements": 1500,
    "zero column": 100,
    "zero embedding row": 100,
    "everywhere": None,
}
"""Loss evaluations of a check in which the fault is located."""


PARTS, EXACT = 34, 0.9
"""Parts of each kind, and the share of all that must be named exactly."""


@dataclass(frozen=True)
class Planted:
    """A loss with a fault in the gradient of ``W``, and where it is.

    Args:
        objective: What a check takes.
        batch: Its batch.
        where: Indices as a report writes them; empty where the fault is everywhere.
    """

    objective: gradhook.Objective
    batch: tuple[Any, ...]
    where: frozenset[str]


def main(arguments: list[str] | None = None) -> int:
    """Check every fault at every size and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=float, nargs="+", default=[10.0**k for k in range(2, 8)])
    parser.add_argument("--draws", type=int, default=3, help="places drawn; one above 10**6")
    parser.add_argument("--quick", action="store_true", help="up to 10**4")
    chosen = parser.parse_args(arguments)
    sizes = [size for size in chosen.sizes if not chosen.quick or size <= 1e4]
    print(machine())
    print(f"\n{'weights':>11}  {'fault':<19}{'evaluations':>12}{'limit':>7}{'seconds':>9}  said")
    wrong = 0
    for size in sizes:
        for fault in LIMITS:
            draws = chosen.draws if size <= JUDGED else 1
            wrong += measured(round(size), fault, draws)
    parts_hold = measure_parts(6 if chosen.quick else PARTS)
    return int(wrong > 0 or not parts_hold)


def measure_parts(each: int) -> bool:
    """Print how many parts of each kind are named exactly; whether the claim holds."""
    print(f"\n{'part':<22}{'cases':>7}{'exact':>7}{'empty':>7}{'evaluations':>13}")
    cases = exact = empty = 0
    for kind in PART_KINDS:
        hits = misses = 0
        counts: list[int] = []
        for k in range(each):
            mask, report = asked_part(kind, np.random.default_rng([90, PART_KINDS.index(kind), k]))
            counts.append(report.evaluations)
            named = named_part(report, mask)
            hits += named is not None and np.array_equal(named, mask)
            misses += named is not None and not np.any(named & mask)
            if named is None or not np.array_equal(named, mask):
                said = report.blocks["W"].where
                print(f"  {kind} {k}: {int(mask.sum())} of {mask.size}, said {said}")
        cases, exact, empty = cases + each, exact + hits, empty + misses
        span = f"{np.median(counts):.0f}, most {max(counts)}"
        print(f"{kind:<22}{each:>7}{hits:>7}{misses:>7}{span:>16}", flush=True)
    print(f"{'all':<22}{cases:>7}{exact:>7}{empty:>7}   needs {EXACT:.0%} exact, none empty")
    return exact >= EXACT * cases and not empty


PART_KINDS = ("zero mask", "sign", "triangle", "half", "rows", "range of a vector")


def asked_part(kind: str, random: np.random.Generator) -> tuple[Any, gradhook.Report]:
    """Spoil a part of a layer's gradient and check it; the part and the report."""
    shape: tuple[int, ...] = tuple(int(n) for n in random.integers(6, 60, size=2))
    if kind == "triangle":
        shape = (shape[0], shape[0])
    W = random.standard_normal(shape)
    size, share = W.size, random.uniform(0.03, 0.5)
    mask = np.zeros(shape, dtype=bool)
    if kind == "zero mask":
        mask = random.random(shape) < share
    elif kind == "sign":
        W = np.where(random.random(shape) < share, -np.abs(W), np.abs(W))
        mask = W < 0
    elif kind == "triangle":
        mask = random.choice([np.triu, np.tril])(np.ones(shape, dtype=bool), 0)
        mask = ~mask if random.random() < 0.5 else mask
    elif kind == "half":
        axis, upper = int(random.integers(2)), bool(random.integers(2))
        middle = shape[axis] // 2
        part = slice(middle, None) if upper else slice(0, middle)
        mask[(slice(None),) * axis + (part,)] = True
    elif kind == "rows":
        length = max(2, round(share * shape[0]))
        first = int(random.integers(shape[0] - length + 1))
        mask[first : first + length] = True
    else:
        length = max(2, round(share * size))
        first = int(random.integers(size - length + 1))
        mask.reshape(-1)[first : first + length] = True
    how = "zero" if kind == "zero mask" else str(random.choice(["factor", "sign", "penalty"]))
    flat = kind == "range of a vector"

    def function(p: Any, X: Any, T: Any) -> tuple[float, dict[str, Any]]:
        V = p["W"].reshape(shape)
        Z = np.tanh(X @ V)
        error = Z - T
        g = X.T @ (error * (1 - Z * Z)) / len(X)
        bad = {"zero": 0.0, "factor": 1.5 * g, "sign": -g, "penalty": g + 0.1 * V}[how]
        g = np.where(mask, bad, g)
        loss = float(0.5 * np.sum(error**2) / len(X))
        return loss, {"W": g.reshape(p["W"].shape)}

    batch = (random.standard_normal((30, shape[0])), random.standard_normal((30, shape[1])))
    parameters = {"W": W.reshape(-1) if flat else W}
    report = gradhook.check_gradients(function, parameters, batch=batch, progress=False)
    return (mask.reshape(-1) if flat else mask), report


def named_part(report: gradhook.Report, mask: Any) -> Any:
    """The part that a report names, as a mask; ``None`` where it names none or a word unknown."""
    where = report.blocks["W"].where or ""
    counted = re.search(r": ([\d,]+) of ", where)
    if counted:  # a part with words: of as many elements, and what the words say is what was spoilt
        count = int(counted[1].replace(",", ""))
        return mask if count == int(mask.sum()) else np.ones_like(mask)
    if where in ("", "all of W") or where.startswith("scattered") or " more" in where:
        return None if not where or where.startswith("scattered") else np.ones_like(mask)
    named = np.zeros_like(mask)
    for index in re.findall(r"W\[([^\]]*)\]", where):
        axes = [part.strip() for part in index.split(",")]
        named[tuple(_as_index(part) for part in axes)] = True
    return named


def _as_index(part: str) -> Any:
    if ":" not in part:
        return int(part)
    first, last = (int(n) if n else None for n in part.split(":"))
    return slice(first, last)


def measured(size: int, fault: str, draws: int) -> int:
    """Print the line of one fault at one size; how many checks were wrong or too long."""
    counts, said, faults = [], "", 0
    started = time.perf_counter()
    limit = LIMITS[fault]
    for draw in range(draws):
        planted = draw_fault(size, fault, np.random.default_rng([size, draw]))
        report = gradhook.check_gradients(planted.objective, batch=planted.batch, samples=None)
        counts.append(report.evaluations)
        block = report.blocks["W"]
        said = block.where or "nothing located"
        right = block.verdict is gradhook.Verdict.FAIL and is_named(planted.where, said)
        late = limit is not None and size <= JUDGED and report.evaluations > limit
        if not right:
            print(f"{'':>13}{fault}: {block.verdict}, {said}; it is {shown(planted.where)}")
        faults += late or not right
    seconds = (time.perf_counter() - started) / draws
    span = f"{min(counts)}-{max(counts)}" if min(counts) < max(counts) else f"{counts[0]}"
    bound = str(limit) if limit is not None and size <= JUDGED else "-"
    print(f"{size:>11,}  {fault:<19}{span:>12}{bound:>7}{seconds:>9.2f}  {said[:44]}", flush=True)
    return faults


def is_named(where: frozenset[str], said: str) -> bool:
    """Whether a report names exactly these places, some of them by their number.

    Neighbours in a row or a column are named as one range.
    """
    places = {described(box) for box in joined([box_of(place) for place in where])}
    named = set(re.findall(r"W\[[^\]]*\]", said))
    more = re.search(r"and (\d+) more$", said)
    return named <= places and len(named) + int(more[1] if more else 0) == len(places)


def box_of(place: str) -> Box:
    """``[2, 5]`` or ``[:, 5]`` as slices of an array as long as can be."""
    parts = place.strip("[]").split(", ")
    return tuple(slice(0, sys.maxsize) if p == ":" else slice(int(p), int(p) + 1) for p in parts)


def described(box: Box) -> str:
    """The box as a report writes it."""
    return describe(Location("W", (sys.maxsize,) * len(box), (box,)))


def shown(where: frozenset[str]) -> str:
    """Indices in one line."""
    return ", ".join(sorted(where)) or "everywhere"


def draw_fault(size: int, fault: str, random: np.random.Generator) -> Planted:
    """Plant a fault in a block of about so many weights."""
    if fault == "zero embedding row":
        return embedding(size, random)
    rows, columns = shape = _nearly_square(size)
    where: tuple[str, ...]
    spoil: Callable[[Any], None]
    if fault == "zero column":
        column = int(random.integers(columns))
        where = (f"[:, {column}]",)

        def spoil(gradient: Any) -> None:
            gradient[:, column] = 0

    elif fault == "everywhere":
        where = ()

        def spoil(gradient: Any) -> None:
            return None

    else:
        count = {"one element": 1, "exchanged pair": 2, "ten elements": 10}[fault]
        flat = random.choice(rows * columns, size=count, replace=False)
        index = np.unravel_index(flat, shape)
        where = tuple(f"[{i}, {j}]" for i, j in zip(*index, strict=True))

        def spoil(gradient: Any) -> None:
            here = gradient[index]
            gradient[index] = here[::-1] if count == 2 else 1.01 * here

    objective, batch = tanh_layer(shape, random, spoil, local=fault != "everywhere")
    return Planted(objective, batch, frozenset(where))


def tanh_layer(
    shape: tuple[int, int],
    random: np.random.Generator,
    spoil: Callable[[Any], None],
    *,
    local: bool,
) -> tuple[gradhook.Objective, tuple[Any, ...]]:
    """Mean squares of ``tanh(X @ W) - T``; ``local`` keeps the derivative of tanh."""
    inputs, outputs = shape
    W = random.standard_normal(shape) / np.sqrt(inputs)
    batch = (random.standard_normal((ROWS, inputs)), random.standard_normal((ROWS, outputs)))

    def loss(p: Any, X: Any, T: Any) -> float:
        return float(0.5 * np.sum((np.tanh(X @ p["W"]) - T) ** 2) / len(X))

    def loss_and_gradients(p: Any, X: Any, T: Any) -> tuple[float, dict[str, Any]]:
        Z = np.tanh(X @ p["W"])
        error = Z - T
        gradient = X.T @ (error * (1 - Z * Z) if local else error) / len(X)
        spoil(gradient)
        return float(0.5 * np.sum(error**2) / len(X)), {"W": gradient}

    return _objective({"W": W}, loss, loss_and_gradients), batch


def embedding(size: int, random: np.random.Generator) -> Planted:
    """Rows of ``W`` taken by index and squashed; one of those used gets no gradient."""
    count = max(2, round(size / DIM))
    W = random.standard_normal((count, DIM))
    index = random.integers(count, size=8 * ROWS)
    lost = int(random.choice(index))
    batch = (index, random.standard_normal((8 * ROWS, DIM)))

    def loss(p: Any, index: Any, T: Any) -> float:
        return float(0.5 * np.sum((np.tanh(p["W"][index]) - T) ** 2) / len(index))

    def loss_and_gradients(p: Any, index: Any, T: Any) -> tuple[float, dict[str, Any]]:
        Z = np.tanh(p["W"][index])
        error = Z - T
        gradient = np.zeros_like(p["W"])
        np.add.at(gradient, index, error * (1 - Z * Z) / len(index))
        gradient[lost] = 0
        return float(0.5 * np.sum(error**2) / len(index)), {"W": gradient}

    objective = _objective({"W": W}, loss, loss_and_gradients)
    return Planted(objective, batch, frozenset({f"[{lost}, :]"}))


def _objective(parameters: Any, loss: Any, loss_and_gradients: Any) -> gradhook.Objective:
    return gradhook.Objective(
        parameters=parameters, loss=loss, loss_and_gradients=loss_and_gradients
    )


def _nearly_square(size: int) -> tuple[int, int]:
    rows = max(2, round(size**0.5))
    return rows, max(2, round(size / rows))


if __name__ == "__main__":
    sys.exit(main())
