"""Everything that the README says to type works, and prints what stands there.

Numbers measured (ratios, counts, seconds) are not compared, nor are the order of blocks and the
breaks of lines, which depend on them; every other word is.  ``python tests/test_readme.py`` writes
what is printed now into the README.
"""

import importlib.util
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

from gradhook import UnreadParametersError, check_gradients

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"

FENCE = re.compile(r"^```(\w+)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)

MEASURED = re.compile(
    r"largest ratio \S+ in \w+|-?\d+\.\d+(e[-+]?\d+)?|-?\d+e[-+]?\d+|\d+(?= evaluation)"
    r"|\d+(?= s\b)|(?<=weights )\w+"
)


class Block(NamedTuple):
    """A block of code in the README, and the output that stands below it, if any."""

    language: str
    code: str
    output: str | None
    line: int


def blocks() -> Iterator[Block]:
    text = README.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        yield Block(*match.groups(), line=text.count("\n", 0, match.start()) + 1)


def cases(language: str) -> list:
    chosen = [block for block in blocks() if block.language == language]
    return [pytest.param(block, id=f"line {block.line}") for block in chosen]


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


def printed(block: Block, folder: Path) -> str:
    """Return what a block prints when it is typed in."""
    if block.language == "python":
        return run("-W", "error", "-c", block.code, folder=folder)
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


@pytest.mark.parametrize("block", cases("sh"))
def test_every_command_exists_and_knows_its_options(block, tmp_path):
    for line in block.code.splitlines():
        for command in line.split("&&"):
            check_command(shlex.split(command), tmp_path)


def check_command(command: list[str], folder: Path) -> None:
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
    if command[1:] == ["-m", "pytest"]:
        return
    if command[1].startswith(".ci/"):  # It needs a group that tests do without.
        assert (ROOT / command[1]).is_file()
        return
    start, rest = (command[1:3], command[3:]) if command[1] == "-m" else (command[1:2], command[2:])
    if start[0] != "-m":
        start = [str(ROOT / start[0])]
    elif rest and not rest[0].startswith("-"):  # A command with options of its own.
        start.append(rest[0])
    usage = run(*start, "--help", folder=folder)
    for word in rest:
        if word.startswith("--"):
            assert word in usage


def test_the_two_commands_stand_at_the_beginning():
    commands = (
        'python -m pip install -e ".[examples]" && python examples/digits_mlp.py --grad-check\n'
        'python -m pip install -e ".[test]" && python -m pytest\n'
    )
    assert next(blocks()).code == commands


def test_words_stay_when_what_was_measured_changes():
    assert words(
        "largest ratio 1e-08 in W1\nPASS W1 (3, 4) 1e-08 ± 1e-07\n84 evaluations"
    ) == words("largest ratio 3.1e-09 in b PASS W1 (3, 4) 3e-09 ± 2.5e-08 90\nevaluations")
    assert words("FAIL, W1 wrong; 3 of 4 right") != words("FAIL, W2 wrong; 3 of 4 right")


def test_every_picture_and_link_to_a_file_exists():
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (ROOT / target).exists(), target


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


def test_each_trouble_is_reported_in_the_words_of_the_table():
    rest = README.read_text(encoding="utf-8").partition("## When a report puzzles you\n")[2]
    table = rest.partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    quoted = [row.split("|")[1].strip().split("`")[1] for row in rows]
    for phrase, (loss_and_gradients, parameters) in zip(quoted[:-1], TROUBLES, strict=True):
        report = check_gradients(loss_and_gradients, parameters, batch=(X, Y), samples=None)
        assert phrase in " ".join(report.details().split()), report.details()
    with pytest.raises(UnreadParametersError):
        check_gradients(lambda w: (Y @ Y, 2 * Y), np.ones(50))
    assert quoted[-1] == UnreadParametersError.__name__


def rewrite() -> None:
    """Write what each block prints now below it."""
    text = README.read_text(encoding="utf-8")
    for block in blocks():
        if block.output is not None:
            with tempfile.TemporaryDirectory() as folder:
                output = printed(block, Path(folder))
            before, after = (
                f"```{block.language}\n{block.code}```\n\n```text\n{said}```\n"
                for said in (block.output, output)
            )
            text = text.replace(before, after)
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    rewrite()
