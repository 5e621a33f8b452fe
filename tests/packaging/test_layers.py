"""Which room may import which: read from the source of every module, wherever the import stands.

A module imports from its own room and from rooms on lower floors.  A new room fails here until it
is given a place in ``FLOORS``.
"""

import ast
import graphlib
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

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

MOST_PAIRS = 80
"""Pairs of rooms with an import between them."""

PRINTERS = ("report.text", "report.html")

# The core needs NumPy alone; these are loaded by their own sink, and inside a function.
LOADED_LATE = {"tensorboard": ("sinks.tensorboard",), "tqdm": ("sinks.progress",)}

# The plugin is imported by pytest itself and by nothing else.
PLUGINS = {"pytest": ("testing.plugin",)}


@dataclass(frozen=True)
class Import:
    """One name imported, and where the import stands."""

    target: str
    line: int
    late: bool  # Inside a function.
    typing: bool  # For type checkers alone.


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
    raise LookupError(f"{name} has no floor: give it one in FLOORS, {Path(__file__).name}")


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


def test_every_room_has_a_floor():
    homeless = []
    for module in CORE:
        try:
            floor(room(module))
        except LookupError as error:
            homeless.append(str(error))
    assert not homeless, "\n".join(homeless)


def test_the_core_imports_downwards_only():
    faults = [
        fault
        for module, path in CORE.items()
        for imported in imports_of(module, path)
        if (fault := direction_fault(module, imported))
    ]
    assert not faults, "\n".join(faults)


def test_few_pairs_of_rooms_are_joined():
    pairs = {
        (room(module), room(module_of(imported.target)))
        for module, path in CORE.items()
        for imported in imports_of(module, path)
        if imported.target.startswith("gradhook.")
    }
    pairs = {(a, b) for a, b in pairs if a != b}
    assert len(pairs) <= MOST_PAIRS, sorted(pairs)


def test_no_modules_need_each_other():
    needs = {
        module: {
            module_of(imported.target)
            for imported in imports_of(module, path)
            if imported.target.startswith("gradhook.") and not (imported.late or imported.typing)
        }
        for module, path in CORE.items()
    }
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_the_core_needs_numpy_alone_and_loads_the_rest_late():
    faults = []
    for module, path in CORE.items():
        for imported in imports_of(module, path):
            top = imported.target.split(".")[0]
            if top in sys.stdlib_module_names or top in {"gradhook", "numpy"} or imported.typing:
                continue
            own = any(within(module, owner) for owner in LOADED_LATE.get(top, ()))
            plugin = any(within(module, owner) for owner in PLUGINS.get(top, ()))
            if not (plugin or (own and imported.late)):
                faults.append(f"{module}, line {imported.line}, imports {top}")
    assert not faults, "\n".join(faults)


def test_adapters_import_public_names_only():
    faults = [
        f"{module}, line {imported.line}, imports {imported.target}"
        for module, path in ADAPTERS.items()
        for imported in imports_of(module, path)
        if imported.target.startswith("gradhook.")
        and not within(imported.target, "integrations")
        and any(part.startswith("_") for part in imported.target.split("."))
    ]
    assert not faults, "\n".join(faults)


def fault_of(module: str, source: str) -> str | None:
    """Return what is wrong with a line of a module that need not exist."""
    (imported,) = imports(source, module.rpartition(".")[0])
    return direction_fault(module, imported)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("gradhook.errors", "from gradhook._types import Tolerance"),
        ("gradhook._types", "import gradhook.report"),
        ("gradhook._types", "from . import report"),
        ("gradhook.difference.central", "from ..objective.parameters import Tree"),
        ("gradhook.difference.noise_table", "from gradhook.report import Report"),
        ("gradhook.report", "from gradhook.verdict import judge"),
        ("gradhook.verdict.judge", "from gradhook.report.text import text"),
        ("gradhook.verdict.judge", "from gradhook.evaluation.line import Line"),
        ("gradhook.verdict.judge", "from gradhook.probe import points"),
        ("gradhook.verdict.judge", "from gradhook.evaluation.points import generic"),
        (
            "gradhook.sinks.memory",
            "def write():\n    from gradhook.testing import assert_gradients",
        ),
        ("gradhook.check.check", "from gradhook import GradCheckCallback"),
        ("gradhook.callback.callback", "from gradhook.integrations import scipy_optimize"),
    ],
)
def test_an_import_against_the_direction_is_found(module, source):
    assert fault_of(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("gradhook._types", "from gradhook.errors import OptionError"),
        ("gradhook.difference.ridders", "from gradhook.difference.central import Central"),
        ("gradhook.report", "from gradhook.report.text import text"),
        ("gradhook.verdict.judge", "from gradhook.verdict.evidence import Probe"),
        ("gradhook.verdict.judge", "from gradhook.report import Report"),
        ("gradhook.callback.callback", "from gradhook.sinks.tensorboard import TensorBoard"),
        ("gradhook", "from gradhook.callback.callback import GradCheckCallback"),
    ],
)
def test_an_import_along_the_direction_is_not(module, source):
    assert fault_of(module, source) is None


def test_a_room_without_a_floor_is_told_where_to_get_one():
    with pytest.raises(LookupError, match=r"novelty has no floor: give it one in FLOORS"):
        floor(room("gradhook.novelty"))
