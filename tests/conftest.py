"""What holds for every test: what counts as one, and what it may expect of the machine."""

import os
import shutil
from pathlib import Path

import hypothesis
import pytest

BROWSER_PROGRAMS = ("chromium", "chromedriver")

# Time says nothing about right and wrong; and in CI one commit has one result.
hypothesis.settings.register_profile("gradhook", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("gradhook")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    # Collecting doctests imports every file, and benchmarks are scripts with needs of their own.
    tests = Path(__file__).parent
    script = collection_path.suffix == ".py" and not collection_path.name.startswith("test_")
    return True if script and collection_path.is_relative_to(tests) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [program for program in BROWSER_PROGRAMS if shutil.which(program) is None]
    if missing:
        skip = pytest.mark.skip(reason=f"needs a browser: {' and '.join(missing)} not installed")
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(skip)
