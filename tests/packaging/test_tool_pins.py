"""One version of each tool, wherever it is called from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pyproject():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("tool", ["ruff", "mypy"])
def test_pre_commit_pins_the_version_of_the_dev_group(tool, pyproject):
    group = pyproject["dependency-groups"]["dev"]
    (pinned,) = (entry for entry in group if entry.startswith(f"{tool}=="))
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert set(re.findall(rf'"({tool}[^"]*)"', hooks)) == {pinned}


def test_tests_build_with_the_backend_that_users_build_with(pyproject):
    # The packaging tests build without isolation, so the backend comes from the test extra.
    assert set(pyproject["build-system"]["requires"]) <= set(
        pyproject["project"]["optional-dependencies"]["test"]
    )
