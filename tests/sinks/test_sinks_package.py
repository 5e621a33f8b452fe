import pytest

from gradhook import sinks

HEAVY = ("tensorboard", "tqdm", "tensorflow", "torch", "google.protobuf")


def test_every_public_name_is_a_class_that_can_be_found():
    assert set(sinks.__all__) <= set(dir(sinks))
    for name in sinks.__all__:
        assert getattr(sinks, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(
        AttributeError, match=r"module 'gradhook\.sinks' has no attribute 'Nothing'"
    ):
        sinks.Nothing  # noqa: B018 - the lookup is the test


def test_neither_importing_nor_building_sinks_loads_tensorboard_or_tqdm(run_python, tmp_path):
    program = f"""
import sys
from gradhook import sinks
sinks.TensorBoard(sys.argv[1]), sinks.JsonLines(sys.argv[1]), sinks.Logging(), sinks.Progress()
print([m for m in {HEAVY} if m in sys.modules])
"""
    done = run_python(program, tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
