"""Wheel, editable install and bare checkout each bring the whole package, adapters included."""

IMPORT_EACH = """
import importlib, sys
for name in sys.argv[2:]:
    origin = importlib.import_module(name).__spec__.origin
    assert origin.startswith(sys.argv[1]), f"{name} comes from {origin}"
    print(name)
"""


def test_the_wheel_holds_every_file_of_the_tree_and_nothing_else(wheel_names, shipped):
    missing = sorted(set(shipped) - set(wheel_names))
    surplus = sorted(set(wheel_names) - set(shipped))
    assert not missing, f"not shipped; list their packages or data in pyproject.toml: {missing}"
    assert not surplus, f"in the wheel but not in the tree: {surplus}"


def test_the_wheel_says_that_it_is_typed(wheel_names):
    assert "gradhook/py.typed" in wheel_names


def test_every_module_imports_from_the_wheel(unpacked_wheel, modules, tmp_path, python):
    imported = python(
        IMPORT_EACH, unpacked_wheel, *modules, cwd=tmp_path, PYTHONPATH=str(unpacked_wheel)
    )
    assert imported.split() == modules


def test_every_module_imports_from_an_editable_install(editable, modules, tmp_path, python):
    interpreter, checkout = editable
    imported = python(IMPORT_EACH, checkout, *modules, cwd=tmp_path, interpreter=interpreter)
    assert imported.split() == modules


def test_every_module_imports_from_a_bare_checkout(bare_checkout, modules, tmp_path, python):
    imported = python(
        IMPORT_EACH, bare_checkout, *modules, cwd=tmp_path, PYTHONPATH=str(bare_checkout)
    )
    assert imported.split() == modules


def test_a_bare_checkout_lends_gradhook_no_other_folder(bare_checkout, tmp_path, python):
    code = "import gradhook; print(*gradhook.__path__)"
    folders = python(code, cwd=tmp_path, PYTHONPATH=str(bare_checkout)).split()
    # With the checkout among them, gradhook.gradhook would be a second copy of every class.
    assert folders == [str(bare_checkout / "gradhook")]


def test_importing_gradhook_loads_nothing_heavier_than_numpy(bare_checkout, tmp_path, python):
    # Names are loaded when they are first asked for, so one is.
    code = (
        "import gradhook, sys; gradhook.check_gradients; "
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    loaded = set(python(code, cwd=tmp_path, PYTHONPATH=str(bare_checkout)).split())
    assert {"gradhook", "numpy"} <= loaded
    assert not loaded & {"tensorboard", "tqdm", "scipy", "sklearn", "google", "joblib", "pandas"}
