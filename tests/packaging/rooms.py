"""The rooms of the package: files, lines, and which room imports which.

    python tests/packaging/rooms.py

Read from the source of every module, wherever an import stands.  A module imports from its own room
and from rooms on lower floors; ``test_layers.py`` fails otherwise, and gradhook/README.md shows
the floors to readers.
"""

import ast
import functools
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# The floors of gradhook/README.md: a room imports only from rooms on a lower one.
FLOORS = (
    ("errors",),
    ("_types",),
    ("report", "difference", "objective", "guard", "schedules"),
    ("evaluation", "verdict", "sinks", "options"),
    ("probe",),
    ("diagnosis",),
    ("check",),
    ("callback", "testing"),
    ("gradhook", "__main__"),
)

MOST_PAIRS = 75
"""Pairs of rooms with an import between them."""

PRINTERS = ("report.text", "report.pages")

# The core needs NumPy alone; these are loaded by their own sink, and inside a function.
LOADED_LATE = {"tensorboard": ("sinks.tensorboard",), "tqdm": ("sinks.base",)}

# The plugin is imported by pytest itself and by nothing else.
PLUGINS = {"pytest": ("testing.plugin",)}


@dataclass(frozen=True)
class Import:
    """One name imported, and where the import stands."""

    target: str
    line: int
    late: bool  # Inside a function.
    typing: bool  # For type checkers alone.


@functools.cache
def imports(source: str, package: str) -> list[Import]:
    """Return the imports in the source of a module; ``from a import b`` gives ``a.b``."""
    found = []

    def visit(node: ast.AST, late: bool, typing: bool) -> None:
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join(
                [*(parents if node.level else []), *([node.module] if node.module else [])]
            )
            targets = [f"{base}.{alias.name}" for alias in node.names]
        else:
            targets = []
        found.extend(Import(target, node.lineno, late, typing) for target in targets)
        late = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        typing = typing or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        for child in ast.iter_child_nodes(node):
            visit(child, late, typing)

    visit(ast.parse(source), late=False, typing=False)
    return found


def tree(folder: Path, package: str) -> dict[str, Path]:
    """Return the modules below ``folder`` by dotted name."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join([package, *(part for part in parts if part != "__init__")])] = path
    return found


CORE = tree(ROOT / "gradhook", "gradhook")
ADAPTERS = tree(ROOT / "integrations", "gradhook.integrations")


def imports_of(module: str, path: Path) -> list[Import]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return imports(path.read_text(encoding="utf-8"), package)


def module_of(target: str) -> str:
    """Return the module that ``target`` lies in: itself, or the one that defines the name."""
    return target if target in CORE or target == "gradhook" else target.rpartition(".")[0]


def room(module: str) -> str:
    """Return the room that a module of the core lies in."""
    return (module.removeprefix("gradhook.")).split(".")[0]


def floor(name: str) -> int:
    """Return the floor of a room."""
    for number, rooms in enumerate(FLOORS):
        if name in rooms:
            return number
    raise LookupError(f"{name} has no floor: give it one in FLOORS of tests/packaging/rooms.py")


def within(module: str, folder: str) -> bool:
    return f"{module}.".startswith(f"gradhook.{folder}.")


def direction_fault(module: str, imported: Import) -> str | None:
    """Return what is wrong with an import of the core, or ``None``."""
    if imported.target.split(".")[0] != "gradhook":
        return None
    target = module_of(imported.target)
    here = f"{module}, line {imported.line}, imports {target}"
    if within(imported.target, "integrations"):
        return f"{here}: the core knows no adapter"
    if within(module, "verdict") and any(within(target, printer) for printer in PRINTERS):
        return f"{here}: a verdict prints nothing"
    here_room, there = room(module), room(target)
    if here_room == there or floor(there) < floor(here_room):
        return None
    return f"{here}: floor {floor(there)} from floor {floor(here_room)}"


def pairs() -> set[tuple[str, str]]:
    """Return each pair of rooms with an import from the first into the second."""
    joined = {
        (room(module), room(module_of(imported.target)))
        for module, path in CORE.items()
        for imported in imports_of(module, path)
        if imported.target.startswith("gradhook.")
    }
    return {(here, there) for here, there in joined if here != there}


def unnamed() -> list[str]:
    """Return the modules that no test names: by an import, in words, or as the file it mirrors."""
    tests = sorted((ROOT / "tests").rglob("*.py"))
    said: set[str] = set()
    for path in tests:
        text = path.read_text(encoding="utf-8")
        said.update(re.findall(r"\bgradhook(?:\.\w+)+", text))
        for package, names in re.findall(r"from (gradhook[\w.]*) import (\([^)]*|[^\n]*)", text):
            said.update(f"{package}.{name}" for name in re.findall(r"\w+", names))
    return [
        module
        for module, path in (CORE | ADAPTERS).items()
        if path.name != "__init__.py" and module not in said and not _mirrored(module, tests)
    ]


def _mirrored(module: str, tests: list[Path]) -> bool:
    """Whether a file of the room's tests bears the module's name, as ``test_sink_memory`` does."""
    name = module.rpartition(".")[2].strip("_")
    ours = (path.stem for path in tests if room(module) in path.parts)
    return any(re.fullmatch(rf"test_(\w+_)?{name}", stem) for stem in ours)


def main() -> int:
    """Print the rooms from the ground up; exit status 1 if an import goes upwards."""
    joined, files, lines = pairs(), 0, 0
    print(f"{'floor':5}  {'room':12}{'files':>5}{'lines':>8}  imports")
    places = [(floor(room(module)), room(module), path) for module, path in CORE.items()]
    for number, name in sorted({(number, name) for number, name, _ in places}):
        paths = [path for _, other, path in places if other == name]
        length = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)
        into = sorted(there for here, there in joined if here == name)
        print(f"{number:5}  {name:12}{len(paths):5}{length:8}  {', '.join(into) or '-'}")
        files, lines = files + len(paths), lines + length
    adapters = sum(len(p.read_text(encoding="utf-8").splitlines()) for p in ADAPTERS.values())
    print(f"{len(FLOORS):5}  {'integrations':12}{len(ADAPTERS):5}{adapters:8}  public names")
    print(f"{files + len(ADAPTERS)} files, {lines + adapters} lines")
    print(f"{len(joined)} pairs of rooms with an import between them (at most {MOST_PAIRS})")
    print(f"named in no test: {', '.join(unnamed()) or 'none'}")
    faults = [
        fault
        for module, path in CORE.items()
        for imported in imports_of(module, path)
        if (fault := direction_fault(module, imported))
    ]
    print("\n".join(faults) or "no import goes upwards")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
