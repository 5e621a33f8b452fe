"""Everything that the pages say to type works, and prints what stands there.

A page is a folder's ``README.md``.  Its blocks marked ``python`` are run one after the other, as
the cells of a notebook; those marked ``py`` are pieces, which other tests run with names of theirs.
Numbers measured (ratios, counts, seconds) are not compared, nor are the order of blocks and the
breaks of lines, which depend on them; every other word is.  ``python tests/test_readme.py`` writes
what is printed now into the pages.
"""

import functools
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from gradhook import (
    GradCheckCallback,
    GradCheckWarning,
    UnreadParametersError,
    Verdict,
    check_gradients,
)

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
FOLDERS = (".", "gradhook", "integrations", "examples", "tests/benchmarks")
PAGES = tuple(ROOT / folder / "README.md" for folder in FOLDERS)

HOME = "https://github.com/gradhook/gradhook/blob/main/"
PICTURES = "https://raw.githubusercontent.com/gradhook/gradhook/main/"

FENCE = re.compile(r"^```(\w+)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)

MEASURED = re.compile(
    r"largest ratio \S+ in \w+|-?\d+\.\d+(e[-+]?\d+)?|-?\d+e[-+]?\d+"
    r"|\d+(?= evaluation| loss )|\d+(?= s\b)|(?<=weights )\w+"
)


class Block(NamedTuple):
    """A block of code on a page, and the output that stands below it, if any."""

    page: Path
    language: str
    code: str
    output: str | None
    line: int


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        yield Block(page, *match.groups(), line=text.count("\n", 0, match.start()) + 1)


def cases(language: str) -> list:
    return [
        pytest.param(block, id=f"{page.parent.name}, line {block.line}")
        for page in PAGES
        for block in blocks(page)
        if block.language == language
    ]


def run(*arguments: str, folder: Path) -> str:
    """Return what a program prints, run in ``folder`` and with warnings as errors."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "GRADHOOK": "0"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


NEXT_CELL = "#### next cell ####"


@functools.cache
def printed_by_cells(page: Path) -> list[str]:
    """Return what each block of Python on a page prints, run in one interpreter."""
    cells = [block.code for block in blocks(page) if block.language == "python"]
    code = f"print({NEXT_CELL!r})\n".join(cells)
    with tempfile.TemporaryDirectory() as folder:
        return run("-W", "error", "-c", code, folder=Path(folder)).split(f"{NEXT_CELL}\n")


def printed(block: Block, folder: Path) -> str:
    """Return what a block prints when it is typed in."""
    if block.language == "python":
        lines = [each.line for each in blocks(block.page) if each.language == "python"]
        return printed_by_cells(block.page)[lines.index(block.line)]
    _, script, *arguments = shlex.split(block.code)
    return run(str(ROOT / script), *arguments, folder=folder)


def words(text: str) -> Counter[str]:
    """Return how often each word stands in a text, with one word for everything measured."""
    return Counter(MEASURED.sub("#", " ".join(text.split())).split())


@pytest.mark.parametrize("block", cases("python"))
def test_python_runs_as_it_stands_and_prints_what_stands_below(block, tmp_path):
    output = printed(block, tmp_path)
    assert block.output is not None
    assert words(output) == words(block.output), output


@pytest.mark.parametrize("block", [case for case in cases("sh") if case.values[0].output])
def test_a_command_prints_what_stands_below(block, tmp_path):
    output = printed(block, tmp_path)
    assert words(output) == words(block.output), output


COMMANDS = [
    pytest.param(shlex.split(command), id=f"{case.id}: {command.strip()}")
    for case in cases("sh")
    if not case.values[0].output
    for command in case.values[0].code.replace("&&", "\n").splitlines()
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists_and_knows_its_options(command, usages):
    check_command(command, usages)


def test_the_test_of_the_guide_runs_with_the_plugin(tmp_path):
    pieces = [case.values[0] for case in cases("py")]
    (test,) = (piece.code for piece in pieces if piece.page.parent.name == "examples")
    # The first screen's network, wrong as it stands there and put right.
    wrong = next(blocks(README)).code.replace("print(", "(")
    right = wrong.replace("hidden.T @ error", "hidden.T @ derror")
    (tmp_path / "test_network.py").write_text(test, encoding="utf-8")
    anywhere = ["-c", os.devnull, f"--rootdir={tmp_path}", str(tmp_path)]
    for code, passes in ((right, True), (wrong, False)):
        (tmp_path / "my_network.py").write_text(
            code.partition("(check_gradients(")[0], encoding="utf-8"
        )
        done = subprocess.run(
            [sys.executable, *shlex.split("-B -m pytest -p gradhook.testing.plugin"), *anywhere],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == (0 if passes else 1), done.stdout + done.stderr
        assert ("gradcheck: FAIL, W2 wrong" in done.stdout) is not passes


def program(command: list[str]) -> tuple[str, list[str]]:
    """Split what is typed into a program, with its own command if it has any, and the rest."""
    start, rest = (command[1:3], command[3:]) if command[1] == "-m" else (command[1:2], command[2:])
    if start[0] == "-m" and rest and not rest[0].startswith("-"):
        start, rest = [*start, rest[0]], rest[1:]
    return " ".join(start), rest


@pytest.fixture(scope="module")
def usages(tmp_path_factory):
    """What the programs of the pages print when asked for help, all in one interpreter."""
    commands = [case.values[0] for case in COMMANDS if case.values[0][0] == "python"]
    others = ("-m pip", "-m pytest", ".ci/")
    programs = {program(command)[0] for command in commands}
    asked = sorted(name for name in programs if not name.startswith(others))
    script = f"""
import contextlib, io, json, runpy, sys
usages = {{}}
for name in {asked}:
    module, *own = name.removeprefix("-m ").split()
    sys.argv = [module, *own, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        if name.startswith("-m "):
            runpy.run_module(module, run_name="__main__")
        else:
            program = {str(ROOT)!r} + "/" + module
            sys.path.insert(0, program.rpartition("/")[0])  # As the interpreter does for a script.
            runpy.run_path(program, run_name="__main__")
    usages[name] = out.getvalue()
print(json.dumps(usages))
"""
    found = json.loads(run("-c", script, folder=tmp_path_factory.mktemp("help")))
    assert [name for name, text in found.items() if not text.startswith("usage: ")] == []
    return found


def check_command(command: list[str], usages: dict[str, str]) -> None:
    """Fail where a command cannot be what its user wants it to be."""
    if command[0] == "tensorboard":
        assert importlib.util.find_spec("tensorboard")
        assert command[1] == "--logdir"
        return
    assert command[0] == "python"
    if command[1:5] == ["-m", "pip", "install", "-e"]:
        with open(ROOT / "pyproject.toml", "rb") as file:
            project = tomllib.load(file)
        named = set(filter(None, command[5].removeprefix(".").strip("[]").split(",")))
        assert named <= set(project["project"]["optional-dependencies"])
        if command[6:]:
            assert command[6] == "--group"
            assert set(command[7:]) <= set(project["dependency-groups"])
        return
    if command[1:3] == ["-m", "pytest"]:
        assert all((ROOT / word).exists() for word in command[3:])
        return
    if command[1].startswith(".ci/"):  # It needs a group that tests do without.
        assert (ROOT / command[1]).is_file()
        return
    start, rest = program(command)
    for word in rest:
        if word.startswith("--"):
            assert word in usages[start]


def test_a_wrong_gradient_and_its_whole_report_stand_on_the_first_screen():
    first = next(blocks(README))
    text = README.read_text(encoding="utf-8").splitlines()[:40]
    assert first.output.startswith("gradcheck: FAIL, W2 wrong")
    assert first.output.splitlines()[-1] in text
    # The function with the wrong backward pass.
    assert len(first.code.split("\n\n\n")[1].splitlines()) <= 10


def test_the_two_commands_are_the_first_that_are_to_be_typed():
    commands = (
        'python -m pip install -e ".[examples]" && python examples/digits_mlp.py --grad-check\n'
        'python -m pip install -e ".[test]" && python -m pytest\n'
    )
    assert next(block for block in blocks(README) if block.language == "sh").code == commands


def test_the_first_screen_counts_as_the_audit_does():
    first = README.read_text(encoding="utf-8").splitlines()[1]
    audit = (ROOT / "tests" / "benchmarks" / "AUDIT.md").read_text(encoding="utf-8")
    counts = re.findall(r"[\d,]+ (?:derivatives|released libraries|faults)", first)
    assert len(counts) == 3
    assert all(count in " ".join(audit.split()) for count in counts)


def test_the_pages_are_short():
    sizes = {page: len(page.read_bytes()) for page in PAGES}
    assert sizes[README] <= 12_288
    assert sum(sizes.values()) <= 61_440


def test_words_stay_when_what_was_measured_changes():
    assert words(
        "largest ratio 1e-08 in W1\nPASS W1 (3, 4) 1e-08 ± 1e-07\n84 evaluations"
    ) == words("largest ratio 3.1e-09 in b PASS W1 (3, 4) 3e-09 ± 2.5e-08 90\nevaluations")
    assert words("FAIL, W1 wrong; 3 of 4 right") != words("FAIL, W2 wrong; 3 of 4 right")


@pytest.mark.parametrize("page", PAGES, ids=[page.parent.name for page in PAGES])
def test_every_link_leads_to_a_file_and_to_a_heading_in_it(page):
    targets = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    for target in targets:
        # A package index shows the README without the files beside it.
        whole = [target.removeprefix(home) for home in (HOME, PICTURES) if target.startswith(home)]
        assert bool(whole) == (page == README), target
        path, _, heading = (whole or [target])[0].partition("#")
        folder = ROOT if whole else page.parent
        linked = folder / path if path else page
        assert linked.is_file(), target
        if heading:
            lines = linked.read_text(encoding="utf-8").splitlines()
            titles = [line.lstrip("# ") for line in lines if line.startswith("#")]
            slugs = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
            assert heading in slugs, target


def test_every_picture_stands_on_a_page():
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    pictures = {path.name for path in (ROOT / "examples" / "pictures").glob("*.png")}
    assert pictures == {name for name in pictures if f"pictures/{name}" in pages}


X, Y = np.random.default_rng(0).normal(size=(50, 4)), np.ones(50)
X[:10] = 0


def random_with_reachable_generator(w, X, y):
    mask = np.random.random(X.shape) < 0.8
    residual = (X * mask) @ w - y
    return 0.5 * np.mean(residual**2), (X * mask).T @ residual / len(y)


def random_without(w, X, y):
    return w @ w + np.random.default_rng().normal(), 2 * w


def diverged(w, X, y):
    return np.nan, w


def in_float32(w, X, y):
    residual = X.astype(np.float32) @ w.astype(np.float32) - y.astype(np.float32)
    return np.mean(residual**2, dtype=np.float32), 2 * X.T @ residual / len(y)


def noisy(w, X, y):
    # The noise repeats at each point, so that no generator is to blame for it.
    noise = np.random.default_rng(np.frombuffer(w.tobytes(), np.uint32)).normal()
    return w @ w + noise, 2 * w


def with_relu_at_a_tie(b, X, y):
    on = b > 0
    return 1 + np.maximum(b, 0).sum() + b.sum(), np.where(on, 2.0, 1.0)


def untested_bias(p, X, y):
    z = X @ p["W"] + p["b"]
    centred = z - z.mean(axis=0)
    return np.mean(centred**2), {"W": 2 * X.T @ centred / z.size, "b": np.zeros(3)}


TROUBLES = (
    (random_with_reachable_generator, np.ones(4)),
    (random_without, np.ones(4)),
    (noisy, np.ones(4)),
    (diverged, np.ones(4)),
    (with_relu_at_a_tie, np.zeros(4)),
    (in_float32, np.ones(4, np.float32)),
    (untested_bias, {"W": np.ones((4, 3)), "b": np.zeros(3)}),
)


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading of the README."""
    rest = README.read_text(encoding="utf-8").partition(f"## {heading}\n")[2]
    table = rest.partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_each_trouble_is_reported_in_the_words_of_the_table():
    quoted = [cells[0].split("`")[1] for cells in rows("When a report puzzles you")]
    for phrase, (loss_and_gradients, parameters) in zip(quoted[:-2], TROUBLES, strict=True):
        report = check_gradients(loss_and_gradients, parameters, batch=(X, Y), samples=None)
        said = MEASURED.sub("#", " ".join(report.details().split()))
        assert MEASURED.sub("#", phrase) in said, report.details()

    theta = np.ones(4)
    check = GradCheckCallback(in_float32, theta, schedule=1, enabled=True)
    check.on_train_begin(batch=(X, Y))
    check.on_step_end(1, batch=(X, Y))
    with pytest.warns(GradCheckWarning, match=re.escape(quoted[-2])):
        check.on_step_end(2, batch=(X, Y))

    with pytest.raises(UnreadParametersError):
        check_gradients(lambda w: (Y @ Y, 2 * Y), np.ones(50))
    assert quoted[-1] == UnreadParametersError.__name__


def test_the_table_of_verdicts_names_them_all():
    assert {cells[0] for cells in rows("Read the report")} == set(Verdict.__members__)


def rewrite() -> None:
    """Write what each block prints now below it."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in blocks(page):
            if block.output is not None:
                with tempfile.TemporaryDirectory() as folder:
                    output = printed(block, Path(folder))
                before, after = (
                    f"```{block.language}\n{block.code}```\n\n```text\n{said}```\n"
                    for said in (block.output, output)
                )
                text = text.replace(before, after)
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    rewrite()
