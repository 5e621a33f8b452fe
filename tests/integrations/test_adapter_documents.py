"""What the adapters' docstrings and the example programs show, run as it stands."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

from tests.end_to_end.programs import EXAMPLES, run

ROOT = Path(__file__).resolve().parents[2]

PLAIN = [
    *("cs231n_solver", "from_scratch_trainer", "from_scratch_2_trainer", "method"),
    *("scikit_learn_fit", "scipy_optimize"),
]
ADAPTERS = {
    name: [] if name in PLAIN else [pytest.mark.framework]
    for name in [*PLAIN, "jax_value_and_grad", "pytorch_module", "thinc_model"]
}
FRAMEWORKS = ("jax", "scipy", "sklearn", "thinc", "torch")

# Every program of the folder that attaches to a trainer, and the blocks that its bug spoils.
PROGRAMS = {
    "cs231n_digits": {"W2"},
    "deeplearning_ai_digits": {"W1", "b1"},
    "from_scratch_digits": {"b3"},
    "scikit_learn_digits": {"intercept_"},
    "scipy_digits": {"x"},
}
FRAMEWORK_PROGRAMS = {
    "pytorch_digits": {"first.weight", "first.bias"},
    "thinc_digits": {"linear.W", "linear.b"},
}


def run_programs(programs, *arguments, folder):
    """Run programs in one interpreter, which is not helped to find the checkout."""
    script = f"""
import runpy, sys
sys.path.insert(0, {str(EXAMPLES)!r})  # As the interpreter does for a script.
for program in {[str(EXAMPLES / f"{name}.py") for name in programs]}:
    sys.argv = [program, *{arguments!r}]
    print("program", program)
    runpy.run_path(program, run_name="__main__")
"""
    done = run("-W", "error", "-c", script, folder=folder)
    assert done.returncode == 0, done.stderr
    sections = done.stdout.split("program ")[1:]
    return dict(zip(programs, sections, strict=True))


def assert_programs_pass_and_find_their_bugs(programs, right, folder):
    verdict = re.compile(r"^gradcheck step \d+: (\w+)", re.MULTILINE)
    for name, output in run_programs(right, folder=folder).items():
        assert verdict.findall(output) == ["PASS"] * 3, f"{name}: {output}"
    for name, output in run_programs(programs, "--plant-bug", folder=folder).items():
        assert set(verdict.findall(output)) == {"FAIL"}, f"{name}: {output}"
        for report in re.split(r"^gradcheck", output, flags=re.MULTILINE)[1:]:
            blocks = set(re.findall(r"^(?:FAIL|WARN) +(\S+) ", report, re.MULTILINE))
            assert blocks == programs[name] or not report.startswith(" step"), f"{name}: {output}"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=marks) for name, marks in ADAPTERS.items()]
)
def test_the_example_in_a_docstring_runs(name):
    module = importlib.import_module(f"gradhook.integrations.{name}")
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testmod(module, optionflags=flags)
    assert result.attempted >= 2
    assert result.failed == 0


def test_every_adapter_is_thin_and_named_for_its_hook():
    files = {path.stem: path for path in (ROOT / "integrations").glob("[!_]*.py")}
    assert set(files) == set(ADAPTERS)
    for name, path in files.items():
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 120, f"{name} has {len(lines)} lines"
        assert name not in FRAMEWORKS


def test_importing_an_adapter_loads_no_framework(run_python):
    names = [f"gradhook.integrations.{name}" for name in ADAPTERS]
    script = f"""
import importlib, sys
for name in {names}:
    importlib.import_module(name)
print(sorted(set({FRAMEWORKS!r}) & set(sys.modules)))
"""
    done = run_python(script, check=True)
    assert done.stdout == "[]\n"


LEFT = {
    "cs231n_digits": lambda solver: (solver.model.params, solver.loss_history),
    "from_scratch_digits": lambda trainer: (trainer.network.params, trainer.train_loss_list),
    "scikit_learn_digits": lambda model: ({"W": model.coef_, "b": model.intercept_}, []),
}
"""What the training of a program leaves behind: arrays and losses."""


@pytest.mark.parametrize("name", LEFT)
def test_a_right_program_passes_at_scheduled_steps_and_trains_to_the_same_bit_as_without_the_check(
    example, name, verdicts, same_bits, global_state
):
    train = example(name).train
    checked, check = train(enabled=True, on_fail="raise")
    state = global_state()
    plain, none = train(enabled=False)
    assert verdicts(check) == [(0, "PASS"), (10, "PASS"), (50, "PASS")]
    assert none.history == []
    assert global_state() == state
    (arrays, losses), (without, same) = LEFT[name](checked), LEFT[name](plain)
    same_bits(arrays, without)
    assert losses == same


def test_programs_pass_and_find_their_bugs(tmp_path):
    # The right networks of the others are trained above, and that of SciPy in its snippet.
    assert_programs_pass_and_find_their_bugs(PROGRAMS, ["deeplearning_ai_digits"], tmp_path)


def test_the_program_of_the_six_styles_finds_the_bug_in_each(example, tmp_path):
    # That each passes without its bug is held in test_styles.py.
    made = re.compile(r"^(\w+): (\w+)(?:, wrong: (.*))?; while training: (.*)$", re.MULTILINE)
    output = run_programs(["six_styles"], "--plant-bug", folder=tmp_path)["six_styles"]
    planted = {make.__name__: make(bug=True).wrong for make in example("six_styles").STYLES}
    found = made.findall(output)
    assert {name: tuple(wrong.split(", ")) for name, _, wrong, _ in found} == planted, output
    for _, verdict, _, later in found:
        assert verdict == "FAIL"
        assert later.count("FAIL") == 3


@pytest.mark.framework
def test_programs_for_frameworks_pass_and_find_their_bugs(tmp_path):
    assert_programs_pass_and_find_their_bugs(FRAMEWORK_PROGRAMS, FRAMEWORK_PROGRAMS, tmp_path)
