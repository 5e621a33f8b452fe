"""What gradhook says of some hundreds of cases: stored, compared, and held against older code.

::

    python tests/golden/golden.py compare               # against golden.tsv
    python tests/golden/golden.py freeze                # writes golden.tsv anew
    python tests/golden/golden.py beside OLD_CHECKOUT   # every report of both, byte for byte

The cases: the catalogue of bugs on seed 0 (``beside`` asks seeds 0 to 2), a hundred generated
objectives, networks in float32 and among kinks, and with ``--cases FOLDER`` files that define
``cases()``.  A line of ``golden.tsv`` holds a case's verdict, the verdict of each block, causes and
places; a case without a line passes in every block and has none of these.  ``beside`` makes the
same checks with another checkout's ``gradhook`` in a process of its own and prints every changed
verdict, block, cause and place, and how many reports differ in any byte (times, the repeating
line and the checkouts' paths left out).  Exit status 1 when anything differs.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import random
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
STORED = HERE / "golden.tsv"
SEEDS = (0,)
SEEDS_BESIDE = (0, 1, 2)
VERDICT = re.compile(r":[A-Z]+(?= |$)")
"""A block's verdict behind its name."""
LEFT_OUT = ("seconds", "call")
"""What differs from run to run, or in words only."""


@dataclass(frozen=True)
class Question:
    """One check: what is asked, and with which keywords."""

    name: str
    objective: Any
    parameters: Any
    batch: Any
    options: dict[str, Any]


def questions(seeds: Any = SEEDS, folders: tuple[str, ...] = ()) -> Iterator[Question]:
    """Everything that is asked, in a fixed order."""
    from tests import catalogue

    for case in catalogue.cases(seeds):
        yield Question(
            case.name, case.objective, case.parameters, case.batch, dict(case.check_options)
        )
    if 0 in seeds:
        yield from generated()
        yield from networks()
    for folder in folders:
        for path in sorted(Path(folder).glob("a*.py")):
            spec = importlib.util.spec_from_file_location(path.stem, path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            for case in module.cases():
                yield Question(
                    f"{path.stem}:{case['name']}",
                    case["fn"],
                    case["parameters"],
                    case["batch"],
                    dict(case.get("switches") or {}),
                )


def generated() -> Iterator[Question]:
    """A hundred objectives of the property tests, drawn without Hypothesis."""
    spec = importlib.util.spec_from_file_location(
        "generated", ROOT / "tests/contracts/generated.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["generated"] = module
    spec.loader.exec_module(module)
    for number in range(100):
        draw = np.random.default_rng([20261129, number])
        kind = module.LOSSES[number % len(module.LOSSES)]
        fault = module.FAULTS[int(draw.integers(len(module.FAULTS)))]
        dtype = ("f8", "f8", "f4")[number % 3]
        parameters = {
            name: draw.normal(size=shape).astype(dtype)
            for name, shape in (("W1", (4, 3)), ("b1", (3,)), ("gamma", ()))
        }
        options = {"effort": ("standard", "standard", "quick", "exhaustive")[number % 4]}
        yield Question(
            f"generated/{kind}/{fault}/{number}",
            module.Network(kind, fault, number),
            parameters,
            (draw.normal(size=(9, 2)),),
            options,
        )


def networks() -> Iterator[Question]:
    """Two-layer networks, right and 1 % wrong: float32 weights or arithmetic, tanh or ReLU."""
    for number in range(32):
        draw = np.random.default_rng([7, number])
        inside = np.dtype(("f8", "f4")[number // 2 % 2])
        weights = np.dtype(("f8", "f4")[number // 4 % 2])
        relu, wrong = bool(number % 2), 0.01 if number // 8 % 2 else 0.0
        parameters = {
            "W1": draw.normal(size=(6, 8)).astype(weights) / 2,
            "b1": (0.0 if number // 16 else 0.1) * draw.normal(size=8).astype(weights),
            "W2": draw.normal(size=(8, 4)).astype(weights) / 3,
        }
        batch = (draw.normal(size=(40, 6)), draw.integers(0, 4, 40))

        def objective(p, X, y, inside=inside, relu=relu, wrong=wrong):
            p = {name: value.astype(inside) for name, value in p.items()}
            X = X.astype(inside)
            a = X @ p["W1"] + p["b1"]
            h = np.maximum(a, 0) if relu else np.tanh(a)
            z = h @ p["W2"]
            q = np.exp(z - z.max(1, keepdims=True))
            q /= q.sum(1, keepdims=True)
            rows = np.arange(len(y))
            loss = -np.log(q[rows, y]).mean()
            q[rows, y] -= 1
            q /= len(y)
            d = q @ p["W2"].T * ((a > 0) if relu else 1 - h * h)
            return float(loss), {
                "W1": X.T @ d * (1 + inside.type(wrong)),
                "b1": d.sum(0),
                "W2": h.T @ q,
            }

        style = f"{'relu' if relu else 'tanh'}-{weights.name}-in-{inside.name}"
        yield Question(f"network/{style}/{wrong:g}/{number}", objective, parameters, batch, {})


def answers(
    seeds: Any = SEEDS,
    folders: tuple[str, ...] = (),
    first: int = 0,
    every: int = 1,
) -> Iterator[dict[str, Any]]:
    """What gradhook says of each question: the golden line, and a digest of the whole report.

    Of ``every`` so many pairs the ``first`` is asked: a mutant and its twin stand side by side.
    """
    import gradhook

    for number, asked in enumerate(questions(seeds, folders)):
        if number // 2 % every != first:
            continue
        np.random.seed(0)
        random.seed(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                report = gradhook.check_gradients(
                    asked.objective,
                    asked.parameters,
                    batch=asked.batch,
                    progress=False,
                    **asked.options,
                )
        except Exception as error:
            said = {"verdict": type(error).__name__, "blocks": "", "causes": "", "places": ""}
            yield {"name": asked.name, **said, "digest": str(error), "evaluations": 0}
            continue
        whole = {key: value for key, value in report.to_dict().items() if key not in LEFT_OUT}
        text = json.dumps(whole)
        for checkout in (ROOT, Path(gradhook.__file__).parents[1]):
            text = text.replace(str(checkout), "")
        places = [
            report.boundary,
            *(f"{b.name}: {b.where}" for b in report.blocks.values() if b.where),
        ]
        yield {
            "name": asked.name,
            "verdict": str(report.verdict),
            "blocks": " ".join(f"{b.name}:{b.verdict}" for b in report.blocks.values()),
            "causes": " ".join(f"{c.kind}[{','.join(c.blocks)}]" for c in report.causes),
            "places": " | ".join(place for place in places if place),
            "digest": hashlib.sha256(text.encode()).hexdigest()[:16],
            "evaluations": report.evaluations,
        }


FIELDS = ("name", "verdict", "blocks", "causes", "places")


def line(answer: dict[str, Any]) -> str:
    """An answer as a line of the golden file."""
    return "\t".join(str(answer[field]).replace("\n", " ").replace("\t", " ") for field in FIELDS)


def passing(text: str) -> str:
    """The line of a case as it would be if all of its blocks passed."""
    name, _, blocks, *_ = text.split("\t")
    return "\t".join([name, "PASS", VERDICT.sub(":PASS", blocks), "", ""])


def stored(lines: dict[str, str]) -> dict[str, str]:
    """What the golden file says of these cases."""
    kept = {
        text.split("\t", 1)[0]: text for text in STORED.read_text(encoding="utf-8").splitlines()
    }
    return {name: kept.get(name) or passing(text) for name, text in lines.items()}


def changes(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Every case whose line differs, in words."""
    found = []
    for name in [*old, *(name for name in new if name not in old)]:
        was, now = old.get(name), new.get(name)
        if was == now:
            continue
        if was is None or now is None:
            found.append(f"{name}: {'new' if was is None else 'gone'}")
            continue
        pairs = zip(FIELDS, was.split("\t"), now.split("\t"), strict=True)
        found += [f"{name}: {field}: {a or '-'} -> {b or '-'}" for field, a, b in pairs if a != b]
    return found


def _ask(
    checkout: Path, seeds: tuple[int, ...], folders: tuple[str, ...], workers: int
) -> list[Any]:
    """The answers of a checkout's gradhook, by processes of their own."""
    environment = {**os.environ, "PYTHONPATH": f"{checkout}{os.pathsep}{ROOT}"}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    asked = ["--seeds", ",".join(map(str, seeds)), "--cases", *folders, "--workers", f"{workers}"]

    def answers_of(worker: int) -> list[Any]:
        command = [sys.executable, "-P", str(HERE / "golden.py"), "answers", *asked]
        done = subprocess.run(
            [*command, "--worker", f"{worker}"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
        )
        if done.returncode:
            raise SystemExit(f"the checks of {checkout} ended with status {done.returncode}")
        return [json.loads(each) for each in done.stdout.splitlines()]

    with ThreadPoolExecutor(workers) as threads:
        return [answer for found in threads.map(answers_of, range(workers)) for answer in found]


def main() -> int:
    """Freeze, compare, or hold two checkouts side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["freeze", "compare", "beside", "answers"])
    parser.add_argument("old", nargs="?", help="the other checkout, for beside")
    parser.add_argument("--seeds", help="of the catalogue, for beside: like 0,1,2")
    parser.add_argument("--cases", nargs="*", default=(), help="folders of further cases")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--worker", type=int, default=0, help="whose questions, for answers")
    chosen = parser.parse_args()
    seeds = SEEDS_BESIDE if chosen.what == "beside" else SEEDS
    if chosen.seeds is not None:
        seeds = tuple(int(seed) for seed in chosen.seeds.split(",") if seed)
    folders = tuple(str(Path(folder).resolve()) for folder in chosen.cases)
    if chosen.what == "answers":
        for answer in answers(seeds, folders, chosen.worker, chosen.workers):
            print(json.dumps(answer))
        return 0
    new = _ask(ROOT, seeds, folders, chosen.workers)
    lines = {answer["name"]: line(answer) for answer in new}
    if chosen.what == "freeze":
        told = sorted(text for text in lines.values() if text != passing(text))
        STORED.write_text("\n".join(told) + "\n", encoding="utf-8")
        print(f"{len(lines)} cases, {len(told)} of them written to {STORED}")
        return 0
    if chosen.what == "compare":
        found = changes(stored(lines), lines)
        print("\n".join([*found, f"{len(lines)} cases, {len(found)} changes"]))
        return min(len(found), 1)
    old = _ask(Path(chosen.old).resolve(), seeds, folders, chosen.workers)
    before = {answer["name"]: answer for answer in old}
    found = changes({name: line(answer) for name, answer in before.items()}, lines)
    differ = [a["name"] for a in new if before[a["name"]]["digest"] != a["digest"]]
    spent = [sum(answer["evaluations"] for answer in each) for each in (old, new)]
    print("\n".join(found))
    print(
        f"{len(lines)} cases, {len(found)} changes, {len(differ)} reports differ in a byte; "
        f"loss evaluations {spent[0]} -> {spent[1]}"
    )
    if differ and not found:
        print("  " + "\n  ".join(differ[:20]))
    return min(len(found) + len(differ), 1)


if __name__ == "__main__":
    # A checkout named by PYTHONPATH comes first; the catalogue is this one's.
    sys.path.append(str(ROOT))
    sys.exit(main())
