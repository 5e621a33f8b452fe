"""The training loops under contract, loaded once for all tests here."""

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def training():
    """Return the module ``training.py`` beside this file."""
    name = "contracts_training"
    if name not in sys.modules:
        path = Path(__file__).with_name("training.py")
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]
