"""One name means one thing: no two classes share one, and no constant has two values."""

import ast
from collections import defaultdict
from collections.abc import Iterator

from tests.packaging.rooms import ADAPTERS, CORE

TREES = {
    module: ast.parse(path.read_text(encoding="utf-8"))
    for module, path in (CORE | ADAPTERS).items()
}


def constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the constants of a module, names in capitals, with the source of their values."""
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            values = [node.value]
            names = [target]
            if isinstance(target, ast.Tuple):
                names = target.elts
                values = getattr(node.value, "elts", [node.value] * len(names))
            for name, value in zip(names, values, strict=True):
                if isinstance(name, ast.Name) and name.id.isupper():
                    yield name.id, ast.unparse(value)


def test_no_constant_of_one_name_has_two_values():
    values = defaultdict(dict)
    for module, tree in TREES.items():
        for name, value in constants(tree):
            values[name].setdefault(value, module)
    assert len(values) > 300
    twice = {name: list(found.values()) for name, found in values.items() if len(found) > 1}
    assert not twice, "say in the name what it is"


def test_no_two_classes_have_one_name():
    modules = defaultdict(list)
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                modules[node.name].append(module)
    assert not {name: found for name, found in modules.items() if len(found) > 1}
