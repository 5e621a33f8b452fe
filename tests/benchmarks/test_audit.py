"""The audit of released libraries: its harness, its faults, its record and its page."""

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent
_spec = importlib.util.spec_from_file_location("audit", BENCHMARKS / "audit.py")
audit = importlib.util.module_from_spec(_spec)
sys.modules["audit"] = audit  # Dataclasses look their module up.
_spec.loader.exec_module(audit)

from _audit import _page  # noqa: E402 - audit.py has made the package known
from _audit._harness import (  # noqa: E402 - as above
    Checked,
    Derivative,
    Fault,
    Library,
    check,
    differences,
    elementwise,
    jacobian,
)

RECORD = json.loads(audit.RECORD.read_text("utf-8"))
FILES = {name: audit.loaded(name) for name in audit.files()}
FAULTS = [(name, fault) for name, file in FILES.items() for fault in file.FAULTS]


def _recorded_version(name):
    return next((one["version"] for one in RECORD["libraries"] if one["file"] == name), None)


@pytest.mark.parametrize(
    ("name", "fault"), FAULTS, ids=lambda value: getattr(value, "title", value)
)
def test_a_reproduction_prints_the_librarys_number_and_another(name, fault):
    library = FILES[name].LIBRARY
    if (installed := audit.version(library)) is None:
        pytest.skip(f"{library.package} is not installed")
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", fault.reproduction],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    theirs, right = map(float, run.stdout.split())
    assert math.isfinite(right)
    if abs(theirs - right) <= 1e-4 * abs(right):
        assert installed != _recorded_version(name), f"{fault.title}: {theirs} agrees with {right}"
        pytest.skip(f"mended in {library.package} {installed}: bring the record up to date")


@pytest.mark.parametrize(
    ("name", "fault"), FAULTS, ids=lambda value: getattr(value, "title", value)
)
def test_a_reproduction_has_five_lines_and_needs_no_gradhook(name, fault):
    lines = fault.reproduction.splitlines()
    assert len(lines) <= 5
    assert max(map(len, lines)) <= 100
    assert "gradhook" not in fault.reproduction


def test_the_record_meets_what_the_audit_promises():
    libraries = RECORD["libraries"]
    count = sum(one["derivatives"] for one in libraries)
    assert count >= 1000
    assert len(libraries) >= 15
    assert sum(len(one["faults"]) for one in libraries) >= 16
    assert sum(one["verdicts"].get("ERROR", 0) for one in libraries) == 0
    assert sum(one["verdicts"].get("INCONCLUSIVE", 0) for one in libraries) <= 0.01 * count
    assert RECORD["date"].count("-") == 2


def test_every_recorded_failure_is_explained_by_a_fault_and_confirmed_without_gradhook():
    for one in RECORD["libraries"]:
        known = {fault.title: fault for fault in FILES[one["file"]].FAULTS}
        failing = [failure for fault in one["faults"] for failure in fault["failing"]]
        assert one["verdicts"].get("FAIL", 0) == len({failure["name"] for failure in failing})
        for fault in one["faults"]:
            assert all(known[fault["title"]].explains(f["name"]) for f in fault["failing"])
        assert all(failure["confirmed"] is True for failure in failing)


def test_the_page_is_the_one_that_the_record_gives():
    assert audit.PAGE.read_text("utf-8") == _page.page(RECORD, FILES)


def test_every_file_names_its_library_and_its_faults():
    for name, file in FILES.items():
        assert isinstance(file.LIBRARY, Library), name
        assert callable(file.derivatives), name
        titles = [fault.title for fault in file.FAULTS]
        assert len(titles) == len(set(titles)), name


def test_a_library_that_is_missing_has_no_version():
    assert audit.version(Library("Nothing", "no-such-package", "no_such_module")) is None


A = np.random.default_rng(0).normal(size=(3, 4))
Z = A + 1j * np.random.default_rng(1).normal(size=(3, 4))
RIGHT = {
    "gradient": Derivative("", lambda x: np.sum(x**3), jacobian(lambda x: 3 * x**2), A[0]),
    "element by element": Derivative("", np.sin, elementwise(np.cos), np.arange(1.0, 4)),
    "Jacobian": Derivative(
        "", lambda x: A @ np.tanh(x), jacobian(lambda x: A / np.cosh(x) ** 2), A[0]
    ),
    "Hessian": Derivative("", lambda x: 4 * x**3, jacobian(lambda x: np.diag(12 * x**2)), A[0]),
    "adjoint": Derivative("", lambda x: A @ x, lambda x, c: A.T @ c, A[0]),
    "complex adjoint": Derivative("", lambda x: Z @ x, lambda x, c: Z.conj().T @ c, Z[0]),
    "complex value": Derivative("", lambda x: Z @ x, lambda x, c: Z.conj().T @ c, A[0]),
    "mapping": Derivative(
        "",
        lambda p: p["a"] * p["b"],
        lambda p, c: {"a": c * p["b"], "b": c * p["a"]},
        {"a": A[0], "b": A[1]},
    ),
}


@pytest.mark.parametrize("kind", RIGHT)
def test_the_harness_passes_a_derivative_of_each_kind(kind):
    found = check(RIGHT[kind])
    assert (found.verdict, found.confirmed) == ("PASS", None), found.sentence


@pytest.mark.parametrize("kind", RIGHT)
def test_the_harness_fails_a_derivative_of_each_kind_and_confirms_it(kind):
    right = RIGHT[kind]

    def doubled(x, c):
        found = right.pullback(x, c)
        return {k: 2 * v for k, v in found.items()} if isinstance(found, dict) else 2 * found

    found = check(Derivative("", right.function, doubled, right.at))
    assert found.verdict == "FAIL", found.sentence
    assert found.confirmed is True
    theirs, difference = found.numbers
    assert theirs == pytest.approx(2 * difference, rel=1e-6)


def test_a_derivative_that_is_not_a_number_is_confirmed():
    found = check(Derivative("", np.exp, elementwise(lambda x: np.nan * x), A[0]))
    assert found.verdict == "FAIL"
    assert found.confirmed is True


def test_an_exception_is_a_finding_of_its_own():
    def broken(x, c):
        raise ZeroDivisionError("no derivative here")

    found = check(Derivative("", np.exp, broken, A[0]))
    assert found.verdict == "ERROR"
    assert "no derivative here" in found.sentence


def test_differences_of_every_element_cover_their_error():
    x = np.array([0.3, -1.2, 2.0])
    numerical, error = differences(lambda x: float(np.sum(np.exp(x) * np.sin(3 * x))), x)
    exact = np.exp(x) * (np.sin(3 * x) + 3 * np.cos(3 * x))
    assert np.all(np.abs(numerical - exact) <= 10 * error + 1e-12)
    assert np.max(np.abs(numerical - exact)) < 1e-9


def _audited(monkeypatch, verdicts, faults=()):
    file = type("file", (), {"FAULTS": faults})
    monkeypatch.setattr(audit, "loaded", lambda name: file)
    checks = [Checked(name, verdict, 0.1, "", 1, 0.0) for name, verdict in verdicts]
    return [audit.Audited("one", Library("One", "one", "one"), "1.0", checks, 0.0)]


FAULT = Fault("a fault", ("wrong *",), "w", "r", "c", "", "")
RIGHT_ONES = [(f"right {i}", "PASS") for i in range(120)]


@pytest.mark.parametrize(
    ("verdicts", "status", "words"),
    [
        (RIGHT_ONES, 0, "vanished, bring the record up to date: One 1.0: a fault"),
        ([("wrong here", "FAIL")], 0, "1 known faults found again (1 FAIL)"),
        ([("other", "FAIL"), ("wrong here", "FAIL")], 1, "a false alarm?: One 1.0: other"),
        ([("other", "ERROR")], 1, "ERROR: One 1.0: other"),
        ([*RIGHT_ONES, ("one", "INCONCLUSIVE")], 0, "INCONCLUSIVE: one"),
        ([*RIGHT_ONES, ("one", "INCONCLUSIVE"), ("two", "INCONCLUSIVE")], 1, "INCONCLUSIVE: two"),
    ],
)
def test_what_is_new_fails_and_what_has_vanished_is_said(
    monkeypatch, capsys, verdicts, status, words
):
    assert audit._print_findings(_audited(monkeypatch, verdicts, (FAULT,))) == status
    assert words in capsys.readouterr().out


def test_an_unknown_library_is_refused_with_those_that_there_are(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["audit.py", "numpi"])
    with pytest.raises(SystemExit):
        audit.main()
    assert "no file for numpi; there are ase, astropy" in capsys.readouterr().err
