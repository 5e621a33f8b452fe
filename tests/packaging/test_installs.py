"""Wheel, editable install and bare checkout each bring the whole package, adapters included.

The source distribution brings all else too, so that its own tests can be run.
"""

import tomllib
import zipfile

IMPORT_EACH = """
import importlib, sys
for name in sys.argv[2:]:
    origin = importlib.import_module(name).__spec__.origin
    assert origin.startswith(sys.argv[1]), f"{name} comes from {origin}"
    print(name)
"""


def test_every_package_is_listed(bare_checkout, shipped):
    settings = tomllib.loads((bare_checkout / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {
        name.removesuffix("/__init__.py") for name in shipped if name.endswith("__init__.py")
    }
    # Setuptools ships an unlisted one as data of the package above it, and deprecates that.
    listed = settings["tool"]["setuptools"]["packages"]
    assert listed == sorted(folder.replace("/", ".") for folder in folders)


def test_the_wheel_holds_every_file_of_the_tree_and_nothing_else(wheel_names, shipped):
    missing = sorted(set(shipped) - set(wheel_names))
    surplus = sorted(set(wheel_names) - set(shipped))
    assert not missing, f"not shipped; list their packages or data in pyproject.toml: {missing}"
    assert not surplus, f"in the wheel but not in the tree: {surplus}"


def test_the_source_distribution_holds_every_file_of_the_checkout(sdist_names, bare_checkout):
    made_by_the_build = {"PKG-INFO", "setup.cfg"}
    packed = {
        name
        for name in sdist_names
        if name not in made_by_the_build and not name.startswith("gradhook.egg-info/")
    }
    tree = {
        path.relative_to(bare_checkout).as_posix()
        for path in bare_checkout.rglob("*")
        if path.is_file()
    }
    assert sorted(tree - packed) == [], "name them in .ci/MANIFEST.in"
    assert sorted(packed - tree) == []


def test_the_metadata_name_the_licence_and_every_picture_in_full(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = archive.read(name).decode()
        licence = archive.read(name.replace("METADATA", "licenses/LICENSE")).decode()
    assert "\nLicense-Expression: BSD-3-Clause\n" in metadata
    assert "the gradhook developers" in licence
    # A package index shows the README without the files beside it.
    pictures = [line for line in metadata.splitlines() if line.startswith("![")]
    assert all("](https://" in line for line in pictures), pictures


def test_the_wheel_brings_the_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("entry_points.txt"))
        assert "gradhook = gradhook.__main__:main" in archive.read(name).decode()


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
