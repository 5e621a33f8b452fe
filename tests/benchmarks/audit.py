"""Are the derivatives of released libraries right?

::

    python tests/benchmarks/audit.py                      # every library that is installed
    python tests/benchmarks/audit.py scipy cvxpy          # those named
    python tests/benchmarks/audit.py --quick              # scikit-learn and SciPy
    python tests/benchmarks/audit.py --write              # and bring record and page up to date

Each file ``_audit/of_<library>.py`` lists hand-written derivatives of one library and the faults
that are known.  Nothing is installed: what is missing is said, with the command that installs it.
Every FAIL is looked at again without gradhook, by differences of every element.

Exit status 1 unless

- every FAIL belongs to a fault that is known,
- no check ended in an exception,
- at most 1 % of the checks are INCONCLUSIVE.

A known fault that is not found any more is said and is no failure: a new release of the library
has mended it, and the record is then brought up to date.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import importlib.metadata
import importlib.util
import json
import multiprocessing
import platform
import sys
import time
import warnings
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# A checkout that is not installed is found too.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.append(str(Path(__file__).resolve().parents[2]))

from _audit import _page
from _audit._harness import Checked, Fault, Library, check

HERE = Path(__file__).resolve().parent
# What lies beside this file, such as catalogue.py, must not hide a package of that name.
while str(HERE) in sys.path:
    sys.path.remove(str(HERE))

QUICK = ("scikit_learn", "scipy")
RECORD = HERE / "_audit" / "record.json"
PAGE = HERE / "AUDIT.md"


def files() -> list[str]:
    """Return the libraries that there are files for."""
    return sorted(path.stem.removeprefix("of_") for path in HERE.glob("_audit/of_*.py"))


def loaded(name: str) -> Any:
    """Return the file of a library; the library itself is not imported."""
    return importlib.import_module(f"_audit.of_{name}")


def version(library: Library) -> str | None:
    """Return the version of a library, or ``None`` if it is not installed."""
    if importlib.util.find_spec(library.module.partition(".")[0]) is None:
        return None
    return importlib.metadata.version(library.package)


@dataclass(frozen=True, slots=True)
class Audited:
    """What was found in one library.

    Args:
        file: The library's file, without ``of_``.
        library: What it covers.
        version: Of the library.
        checks: One record per derivative.
        seconds: Wall time, the library's import included.
    """

    file: str
    library: Library
    version: str
    checks: list[Checked]
    seconds: float

    @property
    def verdicts(self) -> Counter[str]:
        return Counter(one.verdict for one in self.checks)

    def found(self) -> list[tuple[Fault, list[Checked]]]:
        """Return the known faults with the checks that failed for each."""
        return [
            (fault, [c for c in self.checks if c.verdict == "FAIL" and fault.explains(c.name)])
            for fault in loaded(self.file).FAULTS
        ]

    def unexplained(self) -> list[Checked]:
        """Return what failed though no known fault explains it, and what ended in an exception."""
        faults = loaded(self.file).FAULTS
        return [
            c
            for c in self.checks
            if c.verdict == "ERROR"
            or (c.verdict == "FAIL" and not any(fault.explains(c.name) for fault in faults))
        ]


def audit(name: str) -> Audited:
    """Check every derivative of one library."""
    warnings.showwarning = lambda *arguments, **keywords: None  # Libraries reset the filters.
    started = time.perf_counter()
    file = loaded(name)
    checks = [check(derivative) for derivative in file.derivatives()]
    seconds = time.perf_counter() - started
    return Audited(name, file.LIBRARY, str(version(file.LIBRARY)), checks, seconds)


def main() -> int:
    """Run the audit and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("libraries", nargs="*", help="libraries by name; all if none is given")
    parser.add_argument("--quick", action="store_true", help=f"only {' and '.join(QUICK)}")
    parser.add_argument("--workers", type=int, default=2, help="processes; default 2")
    parser.add_argument("--write", action="store_true", help="rewrite record.json and AUDIT.md")
    arguments = parser.parse_args()
    known = files()
    chosen = [name.lower().replace("-", "_") for name in arguments.libraries]
    if unknown := sorted(set(chosen) - set(known)):
        parser.error(f"no file for {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = chosen or [*(QUICK if arguments.quick else known)]
    present = [name for name in chosen if version(loaded(name).LIBRARY) is not None]
    started = time.perf_counter()
    results = _run(present, arguments.workers)
    _print_table(results, time.perf_counter() - started)
    if missing := [loaded(name).LIBRARY.package for name in chosen if name not in present]:
        print(f"\nnot installed: pip install {' '.join(missing)}")
    status = _print_findings(results)
    if arguments.write:
        record = _record(results)
        RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
        PAGE.write_text(_page.page(record, {name: loaded(name) for name in known}), "utf-8")
        print(f"\nwritten: {RECORD.relative_to(HERE)}, {PAGE.relative_to(HERE)}")
    return status


def _run(names: list[str], workers: int) -> list[Audited]:
    """Audit libraries in processes of their own: what one import changes, another does not see."""
    results = []
    with multiprocessing.get_context("spawn").Pool(workers, maxtasksperchild=1) as pool:
        for one in pool.imap_unordered(audit, names):
            print(f"{time.strftime('%H:%M:%S')} {one.library.name}", file=sys.stderr, flush=True)
            results.append(one)
    return sorted(results, key=lambda one: names.index(one.file))


def _print_table(results: list[Audited], seconds: float) -> None:
    names = ", ".join(f"{one.library.name} {one.version}" for one in results)
    print(f"Python {platform.python_version()}, {names}\n")
    columns = ("PASS", "WARN", "KINK", "FAIL", "UNTESTED", "INCONCLUSIVE", "ERROR")
    head = f"{'library':<16}{'derivatives':>12}"
    print(head + "".join(f"{c:>{len(c) + 2}}" for c in columns) + f"{'seconds':>9}")
    total: Counter[str] = Counter()
    for one in results:
        total += one.verdicts
        _print_row(one.library.name, one.verdicts, columns, one.seconds)
    _print_row("all", total, columns, seconds)


def _print_row(name: str, counts: Counter[str], columns: tuple[str, ...], seconds: float) -> None:
    cells = "".join(f"{counts[c]:>{len(c) + 2}}" for c in columns)
    print(f"{name:<16}{counts.total():>12}{cells}{seconds:>9.1f}")


def _print_findings(results: list[Audited]) -> int:
    """Print each fault, found or vanished, and what is new; return the exit status."""
    found, failing, vanished = 0, 0, []
    for one in results:
        for fault, checks in one.found():
            if not checks:
                vanished.append(f"{one.library.name} {one.version}: {fault.title}")
                continue
            found, failing = found + 1, failing + len(checks)
            print(f"\n{one.library.name} {one.version}: {fault.title}")
            print(f"  wrong: {fault.wrong}\n  right: {fault.right}")
            print(
                f"  confirmed: {fault.confirmed} Upstream: {fault.upstream or 'not found there.'}"
            )
            print(f"  {len(checks)} FAIL: " + "; ".join(_numbers(c) for c in checks[:3]))
    print(f"\n{found} known faults found again ({failing} FAIL)")
    for line in vanished:
        print(f"vanished, bring the record up to date: {line}")
    new = [(one, c) for one in results for c in one.unexplained()]
    for one, c in new:
        kind = c.verdict
        if kind == "FAIL":
            kind = "new FAIL, confirmed" if c.confirmed else "FAIL not confirmed: a false alarm?"
        print(f"{kind}: {one.library.name} {one.version}: {_numbers(c)}: {c.sentence[:160]}")
    undecided = [c for one in results for c in one.checks if c.verdict == "INCONCLUSIVE"]
    for c in undecided:
        print(f"INCONCLUSIVE: {c.name}: {c.sentence[:160]}")
    count = sum(len(one.checks) for one in results)
    return int(bool(new) or len(undecided) > 0.01 * count)


def _numbers(checked: Checked) -> str:
    if checked.numbers is None:
        return checked.name
    library, difference = checked.numbers
    return f"{checked.name} (library {library:.6g}, differences {difference:.6g})"


def _record(results: list[Audited]) -> dict[str, Any]:
    """Return the record with the libraries that were run brought up to date."""
    today = dt.datetime.now(dt.UTC).date().isoformat()
    kept = json.loads(RECORD.read_text("utf-8"))["libraries"] if RECORD.exists() else []
    libraries = {one["file"]: one for one in kept}
    for one in results:
        found = [
            {"title": fault.title, "failing": [_kept(c) for c in checks]}
            for fault, checks in one.found()
            if checks
        ]
        libraries[one.file] = {
            "name": one.library.name,
            "file": one.file,
            "version": one.version,
            "date": today,
            "derivatives": len(one.checks),
            "verdicts": dict(sorted(one.verdicts.items())),
            "seconds": round(one.seconds, 1),
            "faults": found,
        }
    return {
        "date": today,
        "python": platform.python_version(),
        "numpy": importlib.metadata.version("numpy"),
        "libraries": [libraries[name] for name in sorted(libraries)],
    }


def _kept(checked: Checked) -> dict[str, Any]:
    record = asdict(checked)
    return {
        "name": record["name"],
        "ratio": float(f"{checked.ratio:.2g}"),
        "confirmed": checked.confirmed,
        "numbers": [str(float(f"{n:.7g}")) for n in checked.numbers or ()],
    }


if __name__ == "__main__":
    sys.exit(main())
