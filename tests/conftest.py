"""What holds for every test: what counts as one, and what it may expect of the machine."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "examples" / "pictures"))
viewer = importlib.import_module("viewer")

BROWSER_PROGRAMS = ("chromium", "chromedriver")

# Time says nothing about right and wrong; and in CI one commit has one result.
hypothesis.settings.register_profile("gradhook", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("gradhook")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    # Collecting doctests imports every file, and benchmarks are scripts with needs of their own.
    tests = Path(__file__).parent
    script = collection_path.suffix == ".py" and not collection_path.name.startswith("test_")
    if collection_path.is_relative_to(tests / "catalogue"):
        return None  # A package with doctests of its own.
    return True if script and collection_path.is_relative_to(tests) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [program for program in BROWSER_PROGRAMS if shutil.which(program) is None]
    if missing:
        skip = pytest.mark.skip(reason=f"needs a browser: {' and '.join(missing)} not installed")
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def run_python():
    """Run a program in a fresh interpreter with warnings as errors; return what it left."""

    def run(program, *arguments, path=(), check=False, text=True, **environment):
        here = os.pathsep.join(map(str, [*path, Path(__file__).parents[1]]))
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program, *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": here} | environment,
            capture_output=True,
            text=text,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def tensorboard_server():
    """Start TensorBoard on a folder; every server is stopped at the end of the tests."""
    servers = []

    def start(logdir):
        servers.append(viewer.Server(logdir))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def browser():
    """One headless Chromium for all tests; each opens its own pages."""
    with viewer.open_browser() as opened:
        yield opened
