"""Who may import whom: read from the source of every module, wherever in it the import stands.

A module imports from lower layers and from its own group.  A new module fails here until it is
given a place in ``LAYERS``.
"""

import ast
import graphlib
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# From the lowest layer to the highest, each a row of groups; a package stands for all it holds.
LAYERS = (
    (
        {"errors"},
        {"_integer"},
        {"_format", "_block_names"},
        {"_terminal"},
        {"_progress"},
        {"_record"},
        {"_bare_checkout"},
    ),
    ({"_types"}, {"_warn"}, {"_branch"}),
    (
        {"_parameters", "_suitable", "_ties", "_gradients"},
        {"_draws", "_directions", "_displace"},
        {"difference"},
    ),
    (
        {
            *("_objective", "_functions", "_form", "_calls", "_switches", "_bind", "_subset"),
            "_penalty",
            *("_evaluate", "_writes"),
            *("_state", "_walk", "_guard", "_workspace", "_line"),
            *("_saved", "_bytes", "_streams", "_names", "_neighbours"),
            *("_holders", "_signals", "_number"),
        },
    ),
    (
        {"probe"},
        {
            *("report", "_block_report", "_causes", "_serialise"),
            *("_block_phrases", "_phrases", "_render", "_render_html"),
        },
    ),
    ({"verdict"},),
    (
        {
            *("_check", "_run", "_session", "_generic", "_further", "_quick", "_upcast"),
            *("_outcome", "_off_the_tie", "_other_rows"),
            *("_faults", "_remarks", "_idle", "_trace"),
            *(
                "_options",
                "_keywords",
                "_code",
                *("_settings", "_settle", "_measured", "_switchboard"),
                "_workers",
                *("_assemble", "_called_again"),
                "_coverage",
                *("_small", "_rules"),
                *("_explain", "_diagnose", "_scene", "_revisit", "_parts", "_penalty_told"),
                *("_guessed", "_circumstance", "_fitted", "_factors", "_misplaced"),
                *("_experiments", "_reductions", "_layer_above"),
                *("_selftest", "_observe"),
                "_layer",
                "_layer_forms",
                "_layer_check",
            ),
        },
        {"schedules"},
        {"_debug"},
    ),
    ({"sinks"}, {"testing"}, {"_clock"}),
    ({"_callback", "_outlet", "_pickling"}, {"_command_line", "_runs"}),
    ({"gradhook"}, {"__main__"}),
)

# Judgement neither evaluates nor prints: of what lies below it, the verdict reads records only.
EVIDENCE = "probe.evidence"
CLOSED_TO_VERDICT = (*LAYERS[3][0], "probe", "_render", "_render_html")

# The core needs NumPy alone; these are loaded by their own sink, and inside a function.
LOADED_LATE = {"tensorboard": ("sinks.tensorboard", "sinks._events"), "tqdm": ("sinks.progress",)}


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


def place(module: str) -> tuple[int, int]:
    """Return the layer and the group of a module of the core."""
    short = module.removeprefix("gradhook.")
    for layer, groups in enumerate(LAYERS):
        for group, members in enumerate(groups):
            if short in members or short.split(".")[0] in members:
                return layer, group
    raise LookupError(f"{module} has no layer: give it one in LAYERS, {Path(__file__).name}")


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
    if within(module, "verdict") and target != f"gradhook.{EVIDENCE}":
        closed = [folder for folder in CLOSED_TO_VERDICT if within(target, folder)]
        if closed:
            return f"{here}: a verdict neither evaluates nor prints, it reads {EVIDENCE}"
    (layer, group), (below, other) = place(module), place(target)
    if below < layer or (below, other) == (layer, group):
        return None
    return f"{here}: layer {below} from layer {layer}" + " in another group" * (below == layer)


def test_every_module_has_a_layer():
    homeless = []
    for module in CORE:
        try:
            place(module)
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
            if not (own and imported.late):
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
        ("gradhook.difference.central", "from .._parameters import Tree"),
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


def test_a_module_without_a_layer_is_told_where_to_get_one():
    with pytest.raises(LookupError, match=r"gradhook\.novelty has no layer: give it one in LAYERS"):
        place("gradhook.novelty")
