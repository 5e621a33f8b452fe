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

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"

FENCE = re.compile(r"^```(\w+)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)

MEASURED = re.compile(
    r"-?\d+\.\d+(e[-+]?\d+)?|-?\d+e[-+]?\d+|\d+(?= loss)|\d+(?= gradient eval)"
    r"|\d+(?= s, )|(?<=worst )\[[\d, ]*\]|(?<=loss )-?\d+|(?<=weights )\w+"
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
            extras = tomllib.load(file)["project"]["optional-dependencies"]
        assert set(command[5].removeprefix(".[").removesuffix("]").split(",")) <= set(extras)
        return
    if command[1:] == ["-m", "pytest"]:
        return
    start, rest = (command[1:3], command[3:]) if command[1] == "-m" else (command[1:2], command[2:])
    if start[0] != "-m":
        start = [str(ROOT / start[0])]
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
    assert words("PASS W (3, 4) 1.2e-08 ± 1e-07\n  worst [3] by 2e-9; 84 loss") == words(
        "PASS W (3, 4) 3e-09 ± 2.5e-08 worst [0, 12] by 1.1e-10; 90\nloss"
    )
    assert words("3 FAIL (W1)") != words("2 FAIL (W1)")


def test_every_picture_and_link_to_a_file_exists():
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (ROOT / target).exists(), target


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
