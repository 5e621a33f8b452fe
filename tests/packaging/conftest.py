"""The ways to install gradhook, each made once a session and away from the checkout."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("gradhook", "integrations")
FOLDERS = (*SHIPPED, "examples", "tests", ".ci", ".github")
FILES = (
    *("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"),
    *(".gitignore", ".pre-commit-config.yaml"),
)
LEFT_BY_TOOLS = ("__pycache__", "*.py[cod]", "*.egg-info", "runs", ".*_cache", ".hypothesis")


def run(command: Sequence[str | Path], *, cwd: Path, **environment: str) -> str:
    """Run a program, return what it printed, and show what it complained about where it fails."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{command[0]} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


@pytest.fixture(scope="session")
def python():
    """Runs code in a fresh interpreter, away from the checkout."""

    def python(code, *arguments, cwd, interpreter=sys.executable, **environment):
        return run([interpreter, "-P", "-c", code, *arguments], cwd=cwd, **environment)

    return python


@pytest.fixture(scope="session")
def shipped() -> list[str]:
    """Every file that users should get, by its path in an installed package."""
    files = (path for name in SHIPPED for path in (ROOT / name).rglob("*") if path.is_file())
    names = (path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts)
    return sorted(
        f"gradhook/{name}" if name.startswith("integrations/") else name for name in names
    )


@pytest.fixture(scope="session")
def modules(shipped) -> list[str]:
    """Every module of the package, by its dotted name."""
    names = (
        name.removesuffix(".py").removesuffix("/__init__")
        for name in shipped
        if name.endswith(".py")
    )
    return [name.replace("/", ".") for name in names]


@pytest.fixture(scope="session")
def bare_checkout(tmp_path_factory) -> Path:
    """A copy, so that no build leaves files in the checkout and none installed passes for it."""
    copy = tmp_path_factory.mktemp("bare") / "checkout"
    for name in FOLDERS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns(*LEFT_BY_TOOLS))
    for name in FILES:
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope="session")
def built(bare_checkout, tmp_path_factory) -> Path:
    """A folder with a source distribution and a wheel that was built from it."""
    folder = tmp_path_factory.mktemp("built")
    source = shutil.copytree(bare_checkout, folder / "source")
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source], cwd=folder)
    return folder


@pytest.fixture(scope="session")
def wheel(built) -> Path:
    """The wheel, built from the source distribution, so that this is shown to be complete too."""
    (wheel,) = built.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def sdist_names(built) -> list[str]:
    """Every file in the source distribution, by its path in the unpacked folder."""
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        return sorted(
            member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()
        )


@pytest.fixture(scope="session")
def unpacked_wheel(wheel) -> Path:
    """A folder for ``sys.path`` that holds the wheel's content and nothing else."""
    target = wheel.parent / "target"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    run([*pip, "--target", target, wheel], cwd=wheel.parent)
    return target


@pytest.fixture(scope="session")
def wheel_names(wheel) -> list[str]:
    """Every file in the wheel but its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    return sorted(name for name in names if not name.split("/")[0].endswith(".dist-info"))


@pytest.fixture(scope="session")
def editable(bare_checkout, tmp_path_factory) -> tuple[Path, Path]:
    """An editable install: the interpreter that has it, and the checkout it points to."""
    folder = tmp_path_factory.mktemp("editable")
    checkout = shutil.copytree(bare_checkout, folder / "checkout")
    run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], cwd=folder)
    interpreter = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    here = run([sys.executable, "-c", ask], cwd=folder).strip()
    there = run([interpreter, "-c", ask], cwd=folder).strip()
    # This environment's NumPy and setuptools, but neither its .pth files, one of which may map
    # gradhook, nor a gradhook that lies in it, beside which an unpacked distribution is tested.
    outer = folder / "outer"
    outer.mkdir()
    for entry in Path(here).iterdir():
        if not entry.name.startswith("gradhook"):
            (outer / entry.name).symlink_to(entry)
    Path(there, "outer.pth").write_text(f"{outer}\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", interpreter, "install", "--quiet"]
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--ignore-installed"]
    run([*pip, *options, "--editable", checkout], cwd=folder)
    return interpreter, checkout
