"""Which room may import which: read from the source of every module, wherever the import stands.

A module imports from its own room and from rooms on lower floors.  A new room fails here until it
is given a place in ``FLOORS``.
"""

import ast
import graphlib
import re
import subprocess
import sys

import pytest

from tests.packaging import rooms
from tests.packaging.rooms import (
    ADAPTERS,
    CORE,
    LOADED_LATE,
    MOST_PAIRS,
    PLUGINS,
    ROOT,
    direction_fault,
    floor,
    imports,
    imports_of,
    module_of,
    room,
    within,
)

# What paths on the architecture page start from: the package, or the checkout.
UPS = ("gradhook", ".")


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
    joined = rooms.pairs()
    assert len(joined) <= MOST_PAIRS, sorted(joined)


def test_the_architecture_page_shows_every_room_on_its_floor():
    page = (ROOT / "gradhook" / "README.md").read_text(encoding="utf-8")
    shown = {
        re.sub(r"[./]|py$", "", name): int(number)
        for number, names in re.findall(r"^\| (\d+) \| (`[^|]*`) \|", page, re.MULTILINE)
        for name in re.findall(r"`([^`]*)`", names)
    }
    assert shown.pop("integrations") == len(rooms.FLOORS)
    shown["gradhook"] = shown.pop("__init__")
    assert shown == {room(module): floor(room(module)) for module in CORE}


def test_the_architecture_page_names_files_that_exist_and_few_words():
    page = (ROOT / "gradhook" / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w./]+(?:\.py|/))`", page)
    missing = [name for name in named if not any((ROOT / up / name).exists() for up in UPS)]
    assert len(named) > 40
    assert not missing
    assert len(re.findall(r"\*\*[\w ]+\*\*", page)) <= 25


def test_the_program_prints_each_room_and_finds_no_fault():
    done = subprocess.run(
        [sys.executable, rooms.__file__], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in {room(module) for module in CORE}:
        assert re.search(rf"^ +{floor(name)}  {name} ", done.stdout, re.MULTILINE), name
    assert "no import goes upwards" in done.stdout


def test_every_module_is_named_in_a_test():
    assert rooms.unnamed() == [], "tests mirror the rooms: add one"


MOST_PARAMETERS = 7

# What users write, or are handed, has as many names as they need.
PUBLIC = {"GradCheckCallback", "Report", "BlockReport", "Finding", "Cause", "FromUpdate"}


def test_no_function_takes_more_than_seven_parameters():
    """As counted: ``self`` and ``cls`` left out, ``*args`` and ``**keywords`` one each.

    The constructor of a dataclass takes as many as some call in the package passes.
    """
    many = []
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (CORE | ADAPTERS).values()]
    classes = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
    names = {node.name for node in classes}
    for owner in [*trees, *classes]:
        for node in owner.body:
            if isinstance(node, ast.FunctionDef) and getattr(owner, "name", "") not in PUBLIC:
                a = node.args
                taken = [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg]
                taken = [each for each in taken if each and each.arg not in ("self", "cls")]
                many += [node.name] if len(taken) > MOST_PARAMETERS else []
    for node in (n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Call)):
        called = ast.unparse(node.func).rpartition(".")[2]
        passed = len(node.args) + len(node.keywords)
        many += [called] if called in names - PUBLIC and passed > MOST_PARAMETERS else []
    assert not many, "a record is missing: which values belong together?"


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
        ("gradhook.difference.methods", "from ..objective.parameters import Tree"),
        ("gradhook.difference.noise", "from gradhook.report import Report"),
        ("gradhook.report", "from gradhook.verdict import judge"),
        ("gradhook.verdict.judge", "from gradhook.report.text import text"),
        ("gradhook.verdict.judge", "from gradhook.evaluation.workspace import Line"),
        ("gradhook.verdict.judge", "from gradhook.probe import points"),
        ("gradhook.verdict.judge", "from gradhook.evaluation.points import generic"),
        (
            "gradhook.sinks.base",
            "def write():\n    from gradhook.testing import assert_gradients",
        ),
        ("gradhook.check.check", "from gradhook import GradCheckCallback"),
        ("gradhook.callback.callback", "from gradhook.integrations import scipy_optimize"),
    ],
)
def test_an_import_against_the_direction_is_found(module, source):
    assert fault_of(module, source)


def test_a_room_without_a_floor_is_told_where_to_get_one():
    with pytest.raises(LookupError, match=r"novelty has no floor: give it one in FLOORS"):
        floor(room("gradhook.novelty"))
